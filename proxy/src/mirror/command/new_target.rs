//! A link's stored secrets go to the cluster that they were given for, and to no other.
//!
//! Whoever may alter a link could otherwise point it at a machine of their own and read the password that Linkgate logs in
//! with. So where a change says who gets the secrets, or how surely that is known, the secrets stand in the same request.

use std::collections::BTreeMap;

use state::model::link_config::{self, LinkConfig};

use super::refusal;
use crate::mirror::handle::CommandError;

/// Configs that say whom the secrets are shown to, and how surely it is known who that is.
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

/// Certificates: kept from eyes that need not see them, but shown to every peer.
const NO_SECRETS: [&str; 2] = ["ssl.keystore.certificate.chain", "ssl.truststore.certificates"];

/// Checks that a change of the target brings along all secrets that the link has behind it.
///
/// # Errors
/// Names what changes the target, and the secrets that are missing.
pub(super) fn secrets_given(
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
    // Secrets of a protocol that is not spoken are shown to nobody.
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
        "A change of {} decides who is shown the secrets of the link: give {} again in the same request.",
        changed.join(", "),
        missing.join(", ")
    )))
}

/// Leaves a trace of who is about to be contacted with the secrets of a request or a link.
pub(super) fn tell(config: &LinkConfig) {
    let of = |name: &str| config.security.get(name).unwrap_or_default();
    tracing::info!(
        servers = %config,
        security = of("security.protocol"),
        mechanism = of("sasl.mechanism"),
        token_endpoint = bare_url(of("sasl.oauthbearer.token.endpoint.url")),
        "contacting the source cluster that a request names"
    );
}

/// A URL without what may be secret in it: user and password before the host, and the query.
fn bare_url(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    url.rsplit('@').next().unwrap_or_default()
}

/// The value in force, as text.
fn effective<'a>(configs: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    let default = || link_config::find(name).and_then(|def| def.default).unwrap_or_default();
    configs.get(name).map_or_else(default, |value| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!((error.status, error.error_code), (400, 40_002));
            assert!(!error.message.contains("a password"), "{}", error.message);
            error.message
        })
    }

    #[test]
    fn another_target_needs_the_secrets_anew() {
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
    fn other_changes_need_none() {
        altered(&[("consumer.offset.sync.enable", Some("true"))]).unwrap();
        altered(&[("bootstrap.servers", Some(" source:9092 "))]).unwrap();
        altered(&[("ssl.endpoint.identification.algorithm", Some("https"))]).unwrap();
        altered(&[("sasl.jaas.config", Some("another"))]).unwrap();
    }

    #[test]
    fn secrets_that_are_gone_or_not_used_are_not_asked_for() {
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
    fn urls_are_told_without_secrets() {
        assert_eq!(bare_url("https://u:p@idp:1/token?key=k"), "idp:1/token");
        assert_eq!(bare_url("https://idp/token"), "https://idp/token");
    }

    #[test]
    fn every_secret_counts() {
        let refused =
            altered(&[("bootstrap.servers", Some("other:9092")), ("ssl.key.password", Some("a password"))])
                .unwrap_err();
        assert!(refused.contains("give sasl.jaas.config again"), "{refused}");
    }
}
