//! Errors of a SASL exchange on the client side.

/// Error of a SASL exchange. Its text never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SaslError {
    /// The broker's message violates the mechanism.
    #[error("the broker's message is invalid: {0}")]
    Message(&'static str),
    /// The broker asks for too few iterations to be safe, or for too many. Holds the count and the accepted
    /// range.
    #[error("the broker asks for {0} iterations; {1} to {2} are accepted")]
    Iterations(u32, u32, u32),
    /// The broker refuses, for this reason.
    #[error("the broker refuses: {0}")]
    Refused(String),
    /// The broker's signature is wrong, so the broker does not know the password.
    #[error("the broker cannot prove that it knows the credentials: its signature is wrong")]
    Signature,
    /// No token could be obtained, for this reason.
    #[error("no token: {0}")]
    Token(String),
    /// No randomness is available, or the runtime is shutting down.
    #[error("the exchange was interrupted")]
    Ended,
}
