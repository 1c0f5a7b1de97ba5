//! A cluster link: the connection from the destination cluster to one source cluster.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};
use uuid::Uuid;

use super::{KafkaUuid, link_config};

/// Lowest producer id that Linkgate reserves for itself. Brokers hand out ids from 0 upwards.
pub const RESERVED_PRODUCER_ID_BASE: i64 = 1 << 62;

/// Text that is shown in place of a secret.
pub const HIDDEN: &str = "[hidden]";

/// Role of the local cluster in a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum LinkMode {
    /// The local cluster holds the mirror topics.
    Destination,
}

impl LinkMode {
    /// Returns the name that the REST API and the tools print.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Side that opens the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum ConnectionMode {
    /// The local side connects to the remote one.
    Outbound,
}

impl ConnectionMode {
    /// Returns the name that the REST API and the tools print.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// State of a link, `link_state` of the REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum LinkState {
    /// The source answers.
    Active,
    /// Paused by the operator (`cluster.link.paused`).
    Paused,
    /// The source has not answered `availability.check.consecutive.failure.threshold` consecutive probes.
    Unavailable,
    /// The link object itself is unusable.
    Failed,
}

impl LinkState {
    /// Returns the name that the REST API and the tools print.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Reason why a link is not active, `link_error` of the REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum LinkError {
    /// No error.
    NoError,
    /// The source refused the credentials.
    AuthenticationError,
    /// No host of `bootstrap.servers` can be resolved.
    UnresolvableBootstrapError,
    /// No host of `bootstrap.servers` accepts a connection.
    BootstrapTcpConnectionFailedError,
    /// The source accepted a connection and did not answer in time.
    TimeoutError,
    /// Any other error.
    Unknown,
}

impl LinkError {
    /// Returns the name that the REST API and the tools print.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A cluster link as the journal keeps it. `Debug` hides the values of sensitive configs. `Serialize` does
/// not: it is for the journal only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Name of the link, unique in the destination cluster.
    pub name: String,
    /// Id of the link. All its reserved producer ids derive from it.
    pub id: KafkaUuid,
    /// Cluster id of the source, given at creation or learned at the first contact. Empty until then.
    pub source_cluster_id: String,
    /// Role of the local cluster.
    pub mode: LinkMode,
    /// Side that opens the connections.
    pub connection_mode: ConnectionMode,
    /// Configs that are set explicitly, by Kafka's names. Values of sensitive configs are sealed on disk.
    pub configs: BTreeMap<String, String>,
    /// State of the link.
    pub state: LinkState,
    /// Reason why it is not active.
    pub error: LinkError,
    /// Error text for operators. Empty if there is no error.
    pub error_message: String,
    /// Number of mirror generations that this link has begun. The next mirror topic gets this number.
    pub generations: u32,
    /// Time of creation, in milliseconds since the epoch.
    pub created_ms: i64,
    /// Time when `state` last changed, in milliseconds since the epoch.
    pub state_ms: i64,
}

/// Status of a link as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkStatus {
    /// State of the link.
    pub state: LinkState,
    /// Reason why it is not active.
    pub error: LinkError,
    /// Error text for operators. Empty if there is no error.
    pub message: String,
}

impl Link {
    /// Returns state, error and message as they are shown. They are those of the journal, unless this version
    /// does not accept the configs that an earlier one recorded. Then the link is FAILED until they are
    /// altered. That is derived at each call and never recorded.
    #[must_use]
    pub fn status(&self) -> LinkStatus {
        match link_config::LinkConfig::parse(&self.configs) {
            Ok(_) => LinkStatus { state: self.state, error: self.error, message: self.error_message.clone() },
            Err(errors) => LinkStatus {
                state: LinkState::Failed,
                error: LinkError::Unknown,
                message: format!(
                    "This version does not accept the link's configs, and nothing is mirrored until they \
                     are altered: {}",
                    link_config::describe_errors(&errors)
                ),
            },
        }
    }

    /// Returns the producer id of all batches of one mirror generation (design: compare-and-append).
    ///
    /// It is a pure function of link id and generation: a restarted or second Linkgate derives the same id,
    /// and two generations never share one. It is in `2^62 ..= 2^63 - 1`, far above the ids that brokers hand
    /// out.
    #[must_use]
    pub fn reserved_producer_id(&self, generation: u32) -> i64 {
        reserved_producer_id(self.id, generation)
    }

    /// Replaces every secret among the configs with [`HIDDEN`].
    pub fn hide_secrets(&mut self) {
        for (name, value) in &mut self.configs {
            if link_config::is_sensitive(name) {
                HIDDEN.clone_into(value);
            }
        }
    }
}

/// Returns the [`Link::reserved_producer_id`] of the link with this id.
pub(super) fn reserved_producer_id(link: KafkaUuid, generation: u32) -> i64 {
    let digest = Uuid::new_v5(&link.0, &generation.to_be_bytes());
    let (high, _) = digest.as_u64_pair();
    let low62 = i64::try_from(high & ((1 << 62) - 1)).unwrap_or(0);
    RESERVED_PRODUCER_ID_BASE | low62
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.configs.iter().map(|(name, value)| {
            let hidden = link_config::is_sensitive(name);
            (name.as_str(), if hidden { HIDDEN } else { value.as_str() })
        });
        f.debug_struct("Link")
            .field("name", &self.name)
            .field("id", &self.id)
            .field("source_cluster_id", &self.source_cluster_id)
            .field("mode", &self.mode)
            .field("connection_mode", &self.connection_mode)
            .field("configs", &shown.collect::<BTreeMap<_, _>>())
            .field("state", &self.state)
            .field("error", &self.error)
            .field("error_message", &self.error_message)
            .field("generations", &self.generations)
            .field("created_ms", &self.created_ms)
            .field("state_ms", &self.state_ms)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn reserved_producer_ids_are_high_stable_and_distinct() {
        let (a, b) = (sample::link("a"), sample::link("b"));
        for generation in 0..1000 {
            let id = a.reserved_producer_id(generation);
            assert!(id >= RESERVED_PRODUCER_ID_BASE);
            assert_eq!(id, a.reserved_producer_id(generation));
            assert_ne!(id, a.reserved_producer_id(generation + 1));
            assert_ne!(id, b.reserved_producer_id(generation));
        }
    }

    #[test]
    fn a_link_with_configs_that_are_no_longer_accepted_is_shown_as_failed_and_names_them() {
        let mut link = sample::link("dr");
        link.configs = [("bootstrap.servers".to_owned(), "src:9092".to_owned())].into();
        assert_eq!((link.status().state, link.status().message), (link.state, link.error_message.clone()));
        let _ = link.configs.insert("topic.config.sync.ms".to_owned(), "5".to_owned());
        let status = link.status();
        assert_eq!((status.state, status.error), (LinkState::Failed, LinkError::Unknown));
        assert!(status.message.contains("topic.config.sync.ms"), "{}", status.message);
        assert_eq!(link.state, LinkState::Active, "nothing is recorded");
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let mut link = sample::link("dr");
        let configs =
            [("sasl.jaas.config", "hunter2"), ("bootstrap.servers", "src:9092"), ("no.such.key", "hunter2")];
        link.configs = configs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let text = format!("{link:?}");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("src:9092") && text.contains("sasl.jaas.config"), "{text}");
    }
}
