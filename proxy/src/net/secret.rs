//! A text that must never be shown.

use std::fmt;

/// A password, key or similar text. `Debug` hides it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// Returns the secret text. It must not go into a message.
    #[must_use]
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}
