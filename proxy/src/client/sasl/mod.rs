//! The client side of SASL, with Kafka's configs `sasl.mechanism`, `sasl.jaas.config` and
//! `sasl.oauthbearer.*`.

pub(crate) mod error;
pub(crate) mod jaas;
pub(crate) mod oauth;
pub(crate) mod scram;
#[cfg(test)]
mod tests;
pub(crate) mod token;

pub(crate) use self::error::SaslError;

use crate::client::sasl::jaas::LoginModule;
use crate::client::sasl::oauth::OAuth;
use crate::client::sasl::scram::{Scram, ScramHash};
use crate::net::Secret;
use crate::net::tls::invalid::InvalidSetting;

const MECHANISM: &str = "sasl.mechanism";
const JAAS: &str = "sasl.jaas.config";

/// SASL mechanism and credentials of one principal.
#[derive(Debug)]
pub(crate) enum Sasl {
    /// PLAIN (RFC 4616).
    Plain { username: String, password: Secret },
    /// SCRAM (RFC 5802 and RFC 7677).
    Scram(Scram),
    /// OAUTHBEARER (RFC 7628).
    OAuthBearer(Box<OAuth>),
}

/// Next step of an exchange.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Step {
    /// Send this message to the broker.
    Send(Vec<u8>),
    /// Both sides have finished successfully.
    Done,
}

/// State of an exchange.
#[derive(Debug)]
pub(crate) enum Exchange {
    /// The client's first message is the only one.
    OneMessage,
    /// The broker answers with nothing, or with an error.
    Bearer,
    /// Each side sends two messages.
    Scram(scram::ScramState),
}

impl Sasl {
    /// Parses and checks the configs.
    ///
    /// # Errors
    /// Returns the first error.
    pub(crate) fn parse(get: &dyn Fn(&str) -> Option<String>) -> Result<Sasl, InvalidSetting> {
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

    /// Returns the name of the mechanism.
    pub(crate) fn mechanism(&self) -> &'static str {
        match self {
            Sasl::Plain { .. } => "PLAIN",
            Sasl::Scram(scram) => scram.hash.mechanism(),
            Sasl::OAuthBearer(_) => "OAUTHBEARER",
        }
    }

    /// Begins an exchange. Returns its state and the first message. May fetch a token.
    ///
    /// # Errors
    /// Fails if there is no token.
    pub(crate) async fn begin(&self) -> Result<(Exchange, Vec<u8>), SaslError> {
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
    /// Handles a challenge of the broker.
    ///
    /// # Errors
    /// Fails if the challenge violates the mechanism, or if the broker cannot prove that it knows the
    /// password.
    pub(crate) async fn on(&mut self, challenge: Vec<u8>) -> Result<Step, SaslError> {
        match self {
            Exchange::OneMessage => Ok(Step::Done),
            Exchange::Bearer if challenge.is_empty() => Ok(Step::Done),
            // The challenge is the broker's error. It answers this byte with its error code (RFC 7628,
            // section 3.2.3).
            Exchange::Bearer => Ok(Step::Send(vec![1])),
            Exchange::Scram(exchange) => {
                let mut moved = std::mem::replace(exchange, scram::ScramState::Over);
                // SCRAM computes thousands of hashes, which must not block an async worker thread.
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

/// Checks that the login module is the one for the mechanism.
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
            let reason =
                format!("{MECHANISM}={mechanism} requires it, in this form: {wanted} required {example};");
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
        return Err(InvalidSetting::new(JAAS, "a user name or password cannot contain the character NUL"));
    }
    Ok((username.to_owned(), Secret::new(password)))
}

fn scram(module: Option<LoginModule>, hash: ScramHash) -> Result<Sasl, InvalidSetting> {
    let module = expect(module, "scram.ScramLoginModule", hash.mechanism())?;
    let (username, password) = credentials(&module)?;
    let is_token = module.options.get("tokenauth").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    Ok(Sasl::Scram(Scram { hash, username, password, is_token }))
}
