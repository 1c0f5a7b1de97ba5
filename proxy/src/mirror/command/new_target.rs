//! Sends a link's stored secrets only to the cluster that they were given for.
//!
//! Without this check, anyone allowed to alter a link could point it at their own server and read the
//! password that Linkgate logs in with. So a change of the configs that decide who receives the secrets, or
//! how that server is verified, must include the secrets in the same request.

use std::collections::BTreeMap;

use state::model::link_config::{self, LinkConfig};

use crate::mirror::command::refusal;
use crate::mirror::command::types::CommandError;

/// Configs that decide which server receives the secrets, and how the identity of that server is verified.
const TARGET: [&str; 10] = [
    "bootstrap.servers",
    "security.protocol",
    "sasl.mechanism",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.login.callback.handler.class",
    "ssl.endpoint.identification.algorithm",
    "ssl.truststore.type",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.certificates",
];

/// Certificates. They are stored as sensitive, but every peer sees them, so they are no secrets here.
const NO_SECRETS: [&str; 2] = ["ssl.keystore.certificate.chain", "ssl.truststore.certificates"];

/// Checks that a change of the target includes all secrets that the link has stored.
///
/// # Errors
/// Fails if secrets are missing. The message names the configs that change the target, and the missing
/// secrets.
pub(crate) fn secrets_given(
    present: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
    changes: &[(String, Option<String>)],
) -> Result<(), CommandError> {
    let changed: Vec<&str> =
        TARGET.into_iter().filter(|name| effective(present, name) != effective(wanted, name)).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let is_given = |name: &str| changes.iter().any(|(given, value)| given == name && value.is_some());
    let protocol = effective(wanted, "security.protocol").to_ascii_uppercase();
    // Secrets of a protocol that is not used are sent to no server.
    let is_used = |name: &str| {
        (name.starts_with("sasl.") && protocol.starts_with("SASL"))
            || (name.starts_with("ssl.") && protocol.ends_with("SSL"))
    };
    let is_secret = |name: &str| link_config::is_sensitive(name) && !NO_SECRETS.contains(&name);
    let missing: Vec<&str> = wanted
        .keys()
        .map(String::as_str)
        .filter(|name| is_secret(name) && is_used(name) && !is_given(name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(refusal::invalid(format!(
        "A change of {} decides which server gets the secrets of the link: give {} again in the same \
         request.",
        changed.join(", "),
        missing.join(", ")
    )))
}

/// Logs which servers are about to be contacted with the secrets of a request or a link.
pub(crate) fn tell(config: &LinkConfig) {
    let of = |name: &str| config.security.get(name).unwrap_or_default();
    tracing::info!(
        servers = %config,
        security = of("security.protocol"),
        mechanism = of("sasl.mechanism"),
        token_endpoint = bare_url(of("sasl.oauthbearer.token.endpoint.url")),
        "contacting the source cluster that a request names"
    );
}

/// Returns the URL without the parts that may be secret: user and password before the host, and the query.
fn bare_url(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    url.rsplit('@').next().unwrap_or_default()
}

/// Returns the value in force, as text.
fn effective<'a>(configs: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    let default = || link_config::find(name).and_then(|def| def.default).unwrap_or_default();
    configs.get(name).map_or_else(default, |value| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::command::types::CommandErrorKind;

    type Changes<'a> = &'a [(&'a str, Option<&'a str>)];

    fn altered(changes: Changes<'_>) -> Result<(), String> {
        let present: BTreeMap<String, String> = [
            ("bootstrap.servers", "source:9092"),
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.jaas.config", "a password"),
            ("ssl.truststore.location", "/ca.pem"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let mut wanted = present.clone();
        for (name, value) in changes {
            let _ = match value {
                Some(value) => wanted.insert((*name).to_owned(), (*value).to_owned()),
                None => wanted.remove(*name),
            };
        }
        let changes: Vec<_> =
            changes.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect();
        secrets_given(&present, &wanted, &changes).map_err(|error| {
            assert_eq!(error.kind, CommandErrorKind::Invalid);
            assert!(!error.message.contains("a password"), "{}", error.message);
            error.message
        })
    }

    #[test]
    fn a_change_of_target_requires_the_secrets_again() {
        for change in [
            ("bootstrap.servers", Some("evil:9092")),
            ("bootstrap.servers", Some("source:9092,evil:9092")),
            ("security.protocol", Some("SASL_PLAINTEXT")),
            ("sasl.mechanism", Some("SCRAM-SHA-256")),
            ("sasl.oauthbearer.token.endpoint.url", Some("http://evil/")),
            ("ssl.endpoint.identification.algorithm", Some("")),
            ("ssl.truststore.location", Some("/evil.pem")),
            ("ssl.truststore.location", None),
            ("ssl.truststore.certificates", Some("evil")),
        ] {
            let refused = altered(&[change]).unwrap_err();
            assert!(
                refused.contains(change.0) && refused.contains("give sasl.jaas.config again"),
                "{refused}"
            );
            altered(&[change, ("sasl.jaas.config", Some("a password"))]).unwrap();
        }
    }

    #[test]
    fn other_changes_require_no_secrets() {
        altered(&[("consumer.offset.sync.enable", Some("true"))]).unwrap();
        altered(&[("bootstrap.servers", Some(" source:9092 "))]).unwrap();
        altered(&[("ssl.endpoint.identification.algorithm", Some("https"))]).unwrap();
        altered(&[("sasl.jaas.config", Some("another"))]).unwrap();
    }

    #[test]
    fn removed_or_unused_secrets_are_not_required() {
        altered(&[("bootstrap.servers", Some("other:9092")), ("sasl.jaas.config", None)]).unwrap();
        altered(&[("bootstrap.servers", Some("other:9092")), ("security.protocol", Some("SSL"))]).unwrap();
        let refused = altered(&[
            ("bootstrap.servers", Some("other:9092")),
            ("security.protocol", Some("SSL")),
            ("ssl.keystore.key", None),
            ("ssl.key.password", Some("a password")),
        ]);
        refused.unwrap();
    }

    #[test]
    fn urls_are_logged_without_secrets() {
        assert_eq!(bare_url("https://u:p@idp:1/token?key=k"), "idp:1/token");
        assert_eq!(bare_url("https://idp/token"), "https://idp/token");
    }

    #[test]
    fn one_of_two_secrets_is_not_enough() {
        let refused =
            altered(&[("bootstrap.servers", Some("other:9092")), ("ssl.key.password", Some("a password"))])
                .unwrap_err();
        assert!(refused.contains("give sasl.jaas.config again"), "{refused}");
    }
}
