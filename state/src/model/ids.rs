//! Identifiers, in Kafka's text form.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A 16-byte identifier (topic id, link id). Displayed like Kafka's `Uuid`: 22 characters of URL-safe base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct KafkaUuid(pub Uuid);

/// Error for a text that is neither the 22-character base64url form of 16 bytes nor a hyphenated UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an id: expected 22 characters of URL-safe base64")]
pub struct ParseUuidError(String);

impl KafkaUuid {
    /// The all-zero id, which means "none" in Kafka.
    pub const ZERO: KafkaUuid = KafkaUuid(Uuid::nil());

    /// Returns a new random id. Like Kafka, avoids ids whose text begins with a dash: they look like options.
    #[must_use]
    pub fn random() -> Self {
        loop {
            let id = KafkaUuid(Uuid::new_v4());
            if !id.to_string().starts_with('-') {
                return id;
            }
        }
    }

    /// Returns the hyphenated lower-case form (`link_id` of the REST API).
    #[must_use]
    pub fn hyphenated(&self) -> String {
        self.0.hyphenated().to_string()
    }
}

impl fmt::Display for KafkaUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for KafkaUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KafkaUuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(uuid) = Uuid::try_parse(text) {
            return Ok(KafkaUuid(uuid));
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ParseUuidError(text.to_owned()))?;
        let bytes: [u8; 16] = bytes.try_into().map_err(|_| ParseUuidError(text.to_owned()))?;
        Ok(KafkaUuid(Uuid::from_bytes(bytes)))
    }
}

impl Serialize for KafkaUuid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KafkaUuid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_text_forms_name_the_same_id() {
        let id: KafkaUuid = "7840644d-f7d8-4844-a577-a10ef3df31df".parse().unwrap();
        assert_eq!(id.to_string(), "eEBkTffYSESld6EO898x3w");
        assert_eq!("eEBkTffYSESld6EO898x3w".parse::<KafkaUuid>().unwrap(), id);
        assert_eq!(KafkaUuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert!("short".parse::<KafkaUuid>().is_err());
    }
}
