//! Why an exchange came to nothing on our side.

/// No text of these holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::client) enum SaslError {
    /// The broker does not keep to the mechanism.
    #[error("the broker's message makes no sense: {0}")]
    Message(&'static str),
    /// The broker asks for fewer iterations than are safe, or more than make sense.
    #[error("the broker asks for {0} iterations; {1} to {2} are accepted")]
    Iterations(u32, u32, u32),
    /// The broker says why not.
    #[error("the broker refuses: {0}")]
    Refused(String),
    /// The broker does not know the password either.
    #[error("the broker cannot prove that it knows the credentials: its signature is wrong")]
    Signature,
    /// There is no token to show.
    #[error("no token: {0}")]
    Token(String),
    /// No randomness, or the runtime ends.
    #[error("the exchange was cut off")]
    Ended,
}
