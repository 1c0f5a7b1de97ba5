//! OAUTHBEARER: obtains tokens and shows them to brokers.
//!
//! Like Kafka's login handlers, it fetches tokens from `sasl.oauthbearer.token.endpoint.url` by the client
//! credentials grant. For brokers that accept unsecured tokens (development only) it makes them itself
//! (`unsecuredLogin…` options).

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::client::sasl::error::SaslError;
use crate::client::sasl::jaas::LoginModule;
use crate::client::sasl::token::Endpoint;
use crate::clock::now_ms;
use crate::net::Secret;
use crate::net::tls::invalid::InvalidSetting;

const JAAS: &str = "sasl.jaas.config";

/// Default lifetime of an unsecured token, the same as in Kafka.
const UNSECURED_LIFETIME: Duration = Duration::from_secs(3600);

/// Source of tokens.
#[derive(Debug)]
enum Source {
    Endpoint(Endpoint),
    Unsecured { claims: Map<String, Value>, lifetime: Duration },
}

/// Source and cache of tokens of one principal, and its SASL extensions.
#[derive(Debug)]
pub(crate) struct OAuth {
    source: Source,
    /// SASL extensions, by name (KIP-342).
    extensions: BTreeMap<String, String>,
    /// The last token, and the time until which it is used.
    last: Mutex<Option<(Secret, Instant)>>,
}

impl OAuth {
    pub(crate) fn parse(
        text: &dyn Fn(&str) -> Option<String>,
        module: &LoginModule,
    ) -> Result<OAuth, InvalidSetting> {
        let has_unsecured = module.options.keys().any(|name| name.starts_with("unsecuredLogin"));
        let source = match Endpoint::parse(text, module)? {
            Some(endpoint) => Source::Endpoint(endpoint),
            None if has_unsecured => unsecured(&module.options)?,
            None => {
                let reason = "required for OAUTHBEARER (or, for brokers that accept unsecured tokens, set \
                              the option unsecuredLoginStringClaim_sub of sasl.jaas.config)";
                return Err(InvalidSetting::new("sasl.oauthbearer.token.endpoint.url", reason));
            }
        };
        let extension = |(name, value): (&String, &String)| {
            let name =
                name.strip_prefix("extension_").or_else(|| name.strip_prefix("unsecuredLoginExtension_"))?;
            Some((name.to_owned(), value.clone()))
        };
        let extensions: BTreeMap<String, String> = module.options.iter().filter_map(extension).collect();
        let is_sound = |(name, value): (&String, &String)| {
            // The syntax of RFC 7628, section 3.1. The name "auth" is reserved for the token itself.
            name != "auth"
                && !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphabetic())
                && value.chars().all(|c| matches!(c, '\u{20}'..='\u{7e}' | '\t' | '\r' | '\n'))
        };
        if let Some((name, _)) = extensions.iter().find(|extension| !is_sound(*extension)) {
            return Err(InvalidSetting::new(JAAS, format!("the SASL extension '{name}' is not valid")));
        }
        Ok(OAuth { source, extensions, last: Mutex::new(None) })
    }

    /// Returns the first message (RFC 7628, section 3.1), with a token that is still valid for a while.
    pub(crate) async fn first_message(&self) -> Result<Vec<u8>, SaslError> {
        let token = self.token().await?;
        let mut message = format!("n,,\u{1}auth=Bearer {}", token.reveal());
        for (name, value) in &self.extensions {
            message.push_str(&format!("\u{1}{name}={value}"));
        }
        message.push_str("\u{1}\u{1}");
        Ok(message.into_bytes())
    }

    async fn token(&self) -> Result<Secret, SaslError> {
        // Concurrent callers wait for this token instead of fetching another one.
        let mut last = self.last.lock().await;
        if let Some((token, until)) = &*last
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let (token, lifetime) = match &self.source {
            Source::Endpoint(endpoint) => endpoint.fetch().await.map_err(SaslError::Token)?,
            Source::Unsecured { claims, lifetime } => (unsecured_token(claims, *lifetime), *lifetime),
        };
        if token.reveal().is_empty() || token.reveal().chars().any(|c| !c.is_ascii_graphic()) {
            return Err(SaslError::Token("the token contains characters that are not allowed".into()));
        }
        // A connection re-authenticates after 80 % of the token's lifetime and needs a new token then. So a
        // token is reused for 70 % only.
        *last = Some((token.clone(), Instant::now() + lifetime * 7 / 10));
        Ok(token)
    }
}

/// Reads the options of Kafka's `OAuthBearerUnsecuredLoginCallbackHandler`.
fn unsecured(options: &BTreeMap<String, String>) -> Result<Source, InvalidSetting> {
    let wrong = |reason: String| InvalidSetting::new(JAAS, reason);
    let mut claims = Map::new();
    for (name, value) in options {
        if let Some(claim) = name.strip_prefix("unsecuredLoginStringClaim_") {
            drop(claims.insert(claim.to_owned(), Value::String(value.clone())));
        } else if let Some(claim) = name.strip_prefix("unsecuredLoginNumberClaim_") {
            let number: serde_json::Number =
                value.parse().map_err(|_| wrong(format!("the option {name} is not a number")))?;
            drop(claims.insert(claim.to_owned(), Value::Number(number)));
        } else if let Some(claim) = name.strip_prefix("unsecuredLoginListClaim_") {
            // The first character of the value is the separator.
            let mut rest = value.chars();
            let list: Vec<Value> = rest.next().map_or_else(Vec::new, |separator| {
                rest.as_str().split(separator).map(|entry| Value::String(entry.to_owned())).collect()
            });
            drop(claims.insert(claim.to_owned(), Value::Array(list)));
        }
    }
    let principal = options.get("unsecuredLoginPrincipalClaimName").map_or("sub", String::as_str);
    if claims.get(principal).and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(wrong(format!("the option unsecuredLoginStringClaim_{principal} is missing")));
    }
    let lifetime = match options.get("unsecuredLoginLifetimeSeconds") {
        None => UNSECURED_LIFETIME,
        Some(seconds) => match seconds.parse::<u64>() {
            Ok(seconds) if (1..=u64::from(u32::MAX)).contains(&seconds) => Duration::from_secs(seconds),
            _ => {
                return Err(wrong(
                    "the option unsecuredLoginLifetimeSeconds is not a number of seconds".into(),
                ));
            }
        },
    };
    Ok(Source::Unsecured { claims, lifetime })
}

/// Builds a JWS without a signature (RFC 7515, appendix A.5).
fn unsecured_token(claims: &Map<String, Value>, lifetime: Duration) -> Secret {
    let now = now_ms().unsigned_abs() / 1000;
    let mut all = Map::new();
    drop(all.insert("iat".into(), now.into()));
    drop(all.insert("exp".into(), (now + lifetime.as_secs()).into()));
    // Configured claims override these.
    all.extend(claims.clone());
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    Secret::new(format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&Value::Object(all).to_string())))
}
