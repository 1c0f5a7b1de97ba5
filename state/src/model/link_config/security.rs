//! The client security configs of Kafka, toward the source and (below `local.`) toward the own cluster.

use super::kind::Kind;
use super::table::{ConfigDef, def};

const fn secret(name: &'static str, doc: &'static str) -> ConfigDef {
    ConfigDef { sensitive: true, ..def(name, Kind::Text, None, doc) }
}

const PROTOCOLS: Kind = Kind::OnlyOne {
    only: "PLAINTEXT",
    valid: &["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
    why: "this version speaks PLAINTEXT only",
};

macro_rules! security {
    ($prefix:literal) => {
        &[
            def(
                concat!($prefix, "security.protocol"),
                PROTOCOLS,
                Some("PLAINTEXT"),
                "How connections are secured.",
            ),
            def(concat!($prefix, "sasl.mechanism"), Kind::Text, Some("GSSAPI"), "SASL mechanism."),
            secret(concat!($prefix, "sasl.jaas.config"), "SASL credentials."),
            def(
                concat!($prefix, "sasl.login.callback.handler.class"),
                Kind::Text,
                None,
                "Accepted for compatibility.",
            ),
            def(
                concat!($prefix, "sasl.client.callback.handler.class"),
                Kind::Text,
                None,
                "Accepted for compatibility.",
            ),
            def(
                concat!($prefix, "sasl.kerberos.service.name"),
                Kind::Text,
                None,
                "Kerberos principal of the brokers.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.token.endpoint.url"),
                Kind::Text,
                None,
                "Where OAuth tokens come from.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.jwks.endpoint.url"),
                Kind::Text,
                None,
                "Where the keys of tokens are.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.scope.claim.name"),
                Kind::Text,
                Some("scope"),
                "Claim with the scope.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.sub.claim.name"),
                Kind::Text,
                Some("sub"),
                "Claim with the subject.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.expected.audience"),
                Kind::Text,
                None,
                "Audience that tokens must name.",
            ),
            def(
                concat!($prefix, "sasl.oauthbearer.expected.issuer"),
                Kind::Text,
                None,
                "Issuer that tokens must name.",
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
                Some("JKS"),
                "Format of the trust store.",
            ),
            def(concat!($prefix, "ssl.truststore.location"), Kind::Text, None, "File of the trust store."),
            secret(concat!($prefix, "ssl.truststore.password"), "Password of the trust store."),
            def(
                concat!($prefix, "ssl.truststore.certificates"),
                Kind::Text,
                None,
                "Trusted certificates, PEM.",
            ),
            def(concat!($prefix, "ssl.keystore.type"), Kind::Text, Some("JKS"), "Format of the key store."),
            def(concat!($prefix, "ssl.keystore.location"), Kind::Text, None, "File of the key store."),
            secret(concat!($prefix, "ssl.keystore.password"), "Password of the key store."),
            secret(concat!($prefix, "ssl.keystore.key"), "Private key, PEM."),
            def(
                concat!($prefix, "ssl.keystore.certificate.chain"),
                Kind::Text,
                None,
                "Certificate chain, PEM.",
            ),
            secret(concat!($prefix, "ssl.key.password"), "Password of the private key."),
        ]
    };
}

/// Toward the source.
pub(super) const SECURITY: &[ConfigDef] = security!("");
/// Toward the own cluster.
pub(super) const LOCAL_SECURITY: &[ConfigDef] = security!("local.");
