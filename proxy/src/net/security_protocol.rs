//! Kafka's four security protocols.

use std::str::FromStr;

use strum::{IntoStaticStr, VariantArray};

/// Security protocol of a listener or a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, IntoStaticStr, strum::Display, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum SecurityProtocol {
    /// Neither encryption nor authentication.
    #[default]
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL without encryption.
    SaslPlaintext,
    /// SASL inside TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// All protocols, in Kafka's order.
    pub const ALL: &'static [SecurityProtocol] = SecurityProtocol::VARIANTS;

    /// Returns Kafka's name of the protocol.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns true if the protocol encrypts.
    #[must_use]
    pub fn has_tls(self) -> bool {
        matches!(self, SecurityProtocol::Ssl | SecurityProtocol::SaslSsl)
    }

    /// Returns true if clients authenticate with SASL.
    #[must_use]
    pub fn has_sasl(self) -> bool {
        matches!(self, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl)
    }
}

/// Error of a text that is not a security protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL")]
pub struct ParseSecurityProtocolError(String);

impl FromStr for SecurityProtocol {
    type Err = ParseSecurityProtocolError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let found = Self::ALL.iter().copied().find(|protocol| protocol.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| ParseSecurityProtocolError(text.to_owned()))
    }
}
