//! The client security configs of Kafka, toward the source and (below `local.`) toward the own cluster.
//!
//! Here they have names and types. What they mean together, and whether their files can be read, is judged by the client
//! that uses them, before a link is recorded.

use std::collections::BTreeMap;
use std::fmt;

use super::kind::Kind;
use super::table::{ConfigDef, def};

/// Of Kafka's type PASSWORD: also PEM texts of certificates, which a private key may have come along with.
const fn secret(name: &'static str, doc: &'static str) -> ConfigDef {
    ConfigDef { sensitive: true, ..def(name, Kind::Text, None, doc) }
}

const PROTOCOLS: &[&str] = &["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

/// The own cluster is the one that the daemon stands before.
const OWN_CLUSTER: Kind = Kind::OnlyOne {
    only: "PLAINTEXT",
    valid: PROTOCOLS,
    why: "connections to the own cluster are secured by the configuration of the daemon",
};

/// The security configs of a link toward its source, as given. `Debug` hides what is secret.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SecurityConfigs(BTreeMap<String, String>);

impl SecurityConfigs {
    /// Those of all configs that are about security.
    pub(super) fn of(configs: &BTreeMap<String, String>) -> Self {
        let own = |(name, _): &(&String, &String)| SECURITY.iter().any(|def| def.name == name.as_str());
        let owned = |(name, value): (&String, &String)| (name.clone(), value.clone());
        SecurityConfigs(configs.iter().filter(own).map(owned).collect())
    }

    /// The value of a config, where it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for SecurityConfigs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |name: &str, value| if super::is_sensitive(name) { "[hidden]" } else { value };
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
                "How connections are secured.",
            ),
            def(concat!($prefix, "sasl.mechanism"), Kind::Text, Some("GSSAPI"), "SASL mechanism: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER; has to be set where security.protocol is one with SASL."),
            secret(concat!($prefix, "sasl.jaas.config"), "SASL credentials."),
            def(
                concat!($prefix, "sasl.login.callback.handler.class"),
                Kind::Text,
                None,
                "Accepted for compatibility, without effect: Linkgate has its own.",
            ),
            def(
                concat!($prefix, "sasl.client.callback.handler.class"),
                Kind::Text,
                None,
                "Accepted for compatibility, without effect: Linkgate has its own.",
            ),
            def(
                concat!($prefix, "sasl.kerberos.service.name"),
                Kind::Text,
                None,
                "Accepted for compatibility, without effect: there is no Kerberos.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.token.endpoint.url"),
                Kind::Text,
                None,
                "Where OAuth tokens come from.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.client.credentials.client.id"),
                Kind::Text,
                None,
                "Name of the client at the token endpoint; the option clientId of sasl.jaas.config where it is not set.",
            ),
            secret(
                concat!($prefix, "sasl.oauthbearer.client.credentials.client.secret"),
                "Its secret; the option clientSecret of sasl.jaas.config where it is not set.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.scope"),
                Kind::Text,
                None,
                "Scope that tokens are asked for; the option scope of sasl.jaas.config where it is not set.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.header.urlencode"),
                Kind::Boolean,
                Some("false"),
                "URL-encodes name and secret for the token endpoint.",
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
                "TLS versions.",
            ),
            def(concat!($prefix, "ssl.cipher.suites"), Kind::Text, None, "Cipher suites."),
            def(
                concat!($prefix, "ssl.endpoint.identification.algorithm"),
                Kind::Text,
                Some("https"),
                "How the name in the broker's certificate is checked; empty for not at all.",
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

/// Toward the source.
pub(super) const SECURITY: &[ConfigDef] = security!("", Kind::OneOf(PROTOCOLS));
/// Toward the own cluster.
pub(super) const LOCAL_SECURITY: &[ConfigDef] = security!("local.", OWN_CLUSTER);
