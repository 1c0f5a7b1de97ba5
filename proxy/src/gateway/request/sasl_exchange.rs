//! State of a SASL exchange whose tokens have no headers.

use crate::gateway::in_flight::SaslTokenResponse;

/// Maximum size of a SASL token, in bytes: the default of brokers (`sasl.server.max.receive.size`).
pub(crate) const MAX_TOKEN_BYTES: usize = 512 * 1024;

/// State of the SASL exchanges of a connection.
#[derive(Debug, Default)]
pub(crate) struct SaslExchange {
    pub(crate) begun: bool,
    /// Tokens that are still to come in place of requests.
    pub(crate) tokens: &'static [SaslTokenResponse],
}

impl SaslExchange {
    /// Returns true if the next frame is a token.
    pub(crate) fn is_token_due(&self) -> bool {
        !self.tokens.is_empty()
    }
}
