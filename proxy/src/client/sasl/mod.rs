//! The client side of SASL, as Kafka configures it: `sasl.mechanism`, `sasl.jaas.config` and `sasl.oauthbearer.*`.

mod error;
mod jaas;
mod oauth;
mod scram;
#[cfg(test)]
mod tests;
mod token;

pub(super) use error::SaslError;

use self::jaas::LoginModule;
use self::oauth::OAuth;
use self::scram::{Scram, ScramHash};
use crate::net::Secret;
use crate::net::tls::InvalidSetting;

const MECHANISM: &str = "sasl.mechanism";
const JAAS: &str = "sasl.jaas.config";

/// Credentials of one principal, and how they are shown to a broker.
#[derive(Debug)]
pub(super) enum Sasl {
    /// RFC 4616.
    Plain { username: String, password: Secret },
    /// RFC 5802 and 7677.
    Scram(Scram),
    /// RFC 7628.
    OAuthBearer(Box<OAuth>),
}

/// What comes next in an exchange.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Step {
    /// This message to the broker.
    Send(Vec<u8>),
    /// Nothing: both sides are content.
    Done,
}

/// An exchange under way.
#[derive(Debug)]
pub(super) enum Exchange {
    /// One message is all.
    OneMessage,
    /// The broker answers nothing, or why not.
    Bearer,
    /// Two messages each.
    Scram(scram::Exchange),
}

impl Sasl {
    /// Reads and checks the configs.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(super) fn parse(get: &dyn Fn(&str) -> Option<String>) -> Result<Sasl, InvalidSetting> {
        let text =
            |key: &str| get(key).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let mechanism = text(MECHANISM).unwrap_or_else(|| "GSSAPI".into());
        let module = text(JAAS).map(|jaas| jaas::parse(&jaas)).transpose();
        let module = module.map_err(|reason| InvalidSetting::new(JAAS, reason))?;
        match mechanism.as_str() {
            "PLAIN" => {
                let module = expect(module, "plain.PlainLoginModule", "PLAIN")?;
                let (username, password) = credentials(&module)?;
                Ok(Sasl::Plain { username, password })
            }
            "SCRAM-SHA-256" => scram(module, ScramHash::Sha256),
            "SCRAM-SHA-512" => scram(module, ScramHash::Sha512),
            "OAUTHBEARER" => {
                let module = expect(module, "oauthbearer.OAuthBearerLoginModule", "OAUTHBEARER")?;
                Ok(Sasl::OAuthBearer(Box::new(OAuth::parse(&text, &module)?)))
            }
            other => {
                let reason = format!(
                    "'{other}' is not supported; these are: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER"
                );
                Err(InvalidSetting::new(MECHANISM, reason))
            }
        }
    }

    /// The name of the mechanism.
    pub(super) fn mechanism(&self) -> &'static str {
        match self {
            Sasl::Plain { .. } => "PLAIN",
            Sasl::Scram(scram) => scram.hash.mechanism(),
            Sasl::OAuthBearer(_) => "OAUTHBEARER",
        }
    }

    /// Begins an exchange with its first message. May ask for a token.
    ///
    /// # Errors
    /// There is no token.
    pub(super) async fn begin(&self) -> Result<(Exchange, Vec<u8>), SaslError> {
        match self {
            Sasl::Plain { username, password } => {
                Ok((Exchange::OneMessage, format!("\0{username}\0{}", password.reveal()).into_bytes()))
            }
            Sasl::Scram(scram) => {
                let (exchange, first) = scram.begin()?;
                Ok((Exchange::Scram(exchange), first))
            }
            Sasl::OAuthBearer(oauth) => Ok((Exchange::Bearer, oauth.first_message().await?)),
        }
    }
}

impl Exchange {
    /// The broker said `challenge`.
    ///
    /// # Errors
    /// It is not what the mechanism has there, or not from somebody who knows the password.
    pub(super) async fn on(&mut self, challenge: Vec<u8>) -> Result<Step, SaslError> {
        match self {
            Exchange::OneMessage => Ok(Step::Done),
            Exchange::Bearer if challenge.is_empty() => Ok(Step::Done),
            // The broker's reason; its error code comes in answer to this byte (RFC 7628, section 3.2.3).
            Exchange::Bearer => Ok(Step::Send(vec![1])),
            Exchange::Scram(exchange) => {
                let mut moved = std::mem::replace(exchange, scram::Exchange::Over);
                // Thousands of hashes: not for a thread that serves others.
                let (moved, step) = tokio::task::spawn_blocking(move || {
                    let step = moved.on(&challenge);
                    (moved, step)
                })
                .await
                .map_err(|_| SaslError::Ended)?;
                *exchange = moved;
                step
            }
        }
    }
}

/// The login module, which must be the mechanism's.
fn expect(module: Option<LoginModule>, class: &str, mechanism: &str) -> Result<LoginModule, InvalidSetting> {
    let wanted = format!("org.apache.kafka.common.security.{class}");
    let example = match mechanism {
        "OAUTHBEARER" => "clientId=\"…\" clientSecret=\"…\"",
        _ => "username=\"…\" password=\"…\"",
    };
    match module {
        Some(module) if module.class == wanted => Ok(module),
        Some(module) => {
            let reason =
                format!("{MECHANISM}={mechanism} needs the login module {wanted}, not {}", module.class);
            Err(InvalidSetting::new(JAAS, reason))
        }
        None => {
            let reason = format!("{MECHANISM}={mechanism} needs it: {wanted} required {example};");
            Err(InvalidSetting::new(JAAS, reason))
        }
    }
}

fn credentials(module: &LoginModule) -> Result<(String, Secret), InvalidSetting> {
    let option = |name: &str| {
        module.options.get(name).map(String::as_str).ok_or_else(|| {
            InvalidSetting::new(JAAS, format!("the option {name}=\"…\" of {} is missing", module.class))
        })
    };
    let (username, password) = (option("username")?, option("password")?);
    if username.is_empty() {
        return Err(InvalidSetting::new(JAAS, "the option username is empty"));
    }
    if username.contains('\0') || password.contains('\0') {
        return Err(InvalidSetting::new(JAAS, "a user name or password cannot hold the character NUL"));
    }
    Ok((username.to_owned(), Secret::new(password)))
}

fn scram(module: Option<LoginModule>, hash: ScramHash) -> Result<Sasl, InvalidSetting> {
    let module = expect(module, "scram.ScramLoginModule", hash.mechanism())?;
    let (username, password) = credentials(&module)?;
    let is_token = module.options.get("tokenauth").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    Ok(Sasl::Scram(Scram { hash, username, password, is_token }))
}
