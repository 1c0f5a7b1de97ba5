//! Kafka's client security configs, for connections to the source and (with prefix `local.`) to the own
//! cluster.
//!
//! This module defines their names and types. The client that uses them checks, before a link is recorded,
//! that they are consistent and that their files can be read.

use std::collections::BTreeMap;
use std::fmt;

use super::definition::{ConfigDef, def};
use super::kind::Kind;

/// Defines a config of Kafka's type PASSWORD. Certificates in PEM have this type too, since a private key may
/// be in the text.
const fn secret(name: &'static str, doc: &'static str) -> ConfigDef {
    ConfigDef { sensitive: true, ..def(name, Kind::Text, None, doc) }
}

const PROTOCOLS: &[&str] = &["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

/// The own cluster is the destination, in front of which the daemon runs.
const OWN_CLUSTER: Kind = Kind::OnlyOne {
    only: "PLAINTEXT",
    valid: PROTOCOLS,
    why: "connections to the own cluster are secured by the configuration of the daemon",
};

/// Security configs of a link for its source, as given. `Debug` hides secrets.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SecurityConfigs(BTreeMap<String, String>);

impl SecurityConfigs {
    /// Selects the security configs among all configs.
    pub(super) fn of(configs: &BTreeMap<String, String>) -> Self {
        let own = |(name, _): &(&String, &String)| SECURITY.iter().any(|def| def.name == name.as_str());
        let owned = |(name, value): (&String, &String)| (name.clone(), value.clone());
        SecurityConfigs(configs.iter().filter(own).map(owned).collect())
    }

    /// Returns the value of a config, if it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for SecurityConfigs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_sensitive = |name: &str| SECURITY.iter().any(|def| def.name == name && def.sensitive);
        let shown = |name: &str, value| if is_sensitive(name) { "[hidden]" } else { value };
        f.debug_map().entries(self.0.iter().map(|(name, value)| (name, shown(name, value.as_str())))).finish()
    }
}

macro_rules! security {
    ($prefix:literal, $protocols:expr) => {
        &[
            def(
                concat!($prefix, "security.protocol"),
                $protocols,
                Some("PLAINTEXT"),
                "Security protocol of the connections.",
            ),
            def(concat!($prefix, "sasl.mechanism"), Kind::Text, Some("GSSAPI"), "SASL mechanism: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER; required if security.protocol uses SASL."),
            secret(concat!($prefix, "sasl.jaas.config"), "SASL credentials."),
            def(
                concat!($prefix, "sasl.login.callback.handler.class"),
                Kind::Text,
                None,
                "Accepted for compatibility, without effect: Linkgate has its own handlers.",
            ),
            def(
                concat!($prefix, "sasl.client.callback.handler.class"),
                Kind::Text,
                None,
                "Accepted for compatibility, without effect: Linkgate has its own handlers.",
            ),
            def(
                concat!($prefix, "sasl.kerberos.service.name"),
                Kind::Text,
                None,
                "Accepted for compatibility, without effect: Kerberos is not supported.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.token.endpoint.url"),
                Kind::Text,
                None,
                "URL of the OAuth token endpoint.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.client.credentials.client.id"),
                Kind::Text,
                None,
                "Client id at the token endpoint; if unset, the option clientId of sasl.jaas.config.",
            ),
            secret(
                concat!($prefix, "sasl.oauthbearer.client.credentials.client.secret"),
                "Client secret at the token endpoint; if unset, the option clientSecret of sasl.jaas.config.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.scope"),
                Kind::Text,
                None,
                "Scope of the requested tokens; if unset, the option scope of sasl.jaas.config.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.header.urlencode"),
                Kind::Boolean,
                Some("false"),
                "URL-encodes client id and secret for the token endpoint.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.jwks.endpoint.url"),
                Kind::Text,
                None,
                "Accepted for compatibility, without effect: brokers check tokens.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.scope.claim.name"),
                Kind::Text,
                Some("scope"),
                "Accepted for compatibility, without effect: brokers check tokens.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.sub.claim.name"),
                Kind::Text,
                Some("sub"),
                "Accepted for compatibility, without effect: brokers check tokens.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.expected.audience"),
                Kind::Text,
                None,
                "Accepted for compatibility, without effect: brokers check tokens.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.expected.issuer"),
                Kind::Text,
                None,
                "Accepted for compatibility, without effect: brokers check tokens.",
            ),
            def(concat!($prefix, "ssl.protocol"), Kind::Text, Some("TLSv1.3"), "TLS version."),
            def(
                concat!($prefix, "ssl.enabled.protocols"),
                Kind::Text,
                Some("TLSv1.2,TLSv1.3"),
                "Enabled TLS versions.",
            ),
            def(concat!($prefix, "ssl.cipher.suites"), Kind::Text, None, "Enabled cipher suites."),
            def(
                concat!($prefix, "ssl.endpoint.identification.algorithm"),
                Kind::Text,
                Some("https"),
                "Check of the host name in the broker's certificate: https, or empty for no check.",
            ),
            def(
                concat!($prefix, "ssl.truststore.type"),
                Kind::Text,
                Some("PEM"),
                "Format of the trust store: PEM.",
            ),
            def(concat!($prefix, "ssl.truststore.location"), Kind::Text, None, "File of the trust store."),
            secret(concat!($prefix, "ssl.truststore.password"), "Password of the trust store."),
            secret(concat!($prefix, "ssl.truststore.certificates"), "Trusted certificates, PEM."),
            def(concat!($prefix, "ssl.keystore.type"), Kind::Text, Some("PEM"), "Format of the key store: PEM."),
            def(concat!($prefix, "ssl.keystore.location"), Kind::Text, None, "File of the key store."),
            secret(concat!($prefix, "ssl.keystore.password"), "Password of the key store."),
            secret(concat!($prefix, "ssl.keystore.key"), "Private key, PEM."),
            secret(concat!($prefix, "ssl.keystore.certificate.chain"), "Certificate chain, PEM."),
            secret(concat!($prefix, "ssl.key.password"), "Password of the private key."),
        ]
    };
}

/// Configs for connections to the source.
pub(super) const SECURITY: &[ConfigDef] = security!("", Kind::OneOf(PROTOCOLS));
/// Configs for connections to the own cluster.
pub(super) const LOCAL_SECURITY: &[ConfigDef] = security!("local.", OWN_CLUSTER);
