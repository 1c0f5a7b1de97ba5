//! The error of a single `ssl.*` config.

/// Error in one config. The text never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct InvalidSetting {
    /// Kafka's name of the config, without a prefix.
    pub key: &'static str,
    /// The reason, as the end of a sentence.
    pub reason: String,
}

impl InvalidSetting {
    pub(crate) fn new(key: &'static str, reason: impl Into<String>) -> Self {
        InvalidSetting { key, reason: reason.into() }
    }
}
