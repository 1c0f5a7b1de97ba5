//! What the gateway counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::error::CloseCause;

/// Label: Kafka's name of an api.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiLabel {
    api: &'static str,
}

/// Label: a topic that is or was a mirror.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TopicLabel {
    topic: String,
}

/// Labels: a request that would change a mirror topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabel {
    api: &'static str,
    topic: String,
}

/// Label: why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabel {
    cause: &'static str,
}

/// The gateway's metric families. Cheap to clone; clones share the values.
#[derive(Debug, Clone, Default)]
pub struct GatewayMetrics {
    requests: Family<ApiLabel, Counter>,
    refused: Family<TopicLabel, Counter>,
    refused_requests: Family<RefusalLabel, Counter>,
    dropped: Family<TopicLabel, Counter>,
    hidden: Family<TopicLabel, Counter>,
    connections: Gauge,
    closed: Family<CauseLabel, Counter>,
}

impl GatewayMetrics {
    /// Declares the families.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = GatewayMetrics::default();
        let prefixed = registry.sub_registry_with_prefix("linkgate_gateway");
        prefixed.register("requests", "Requests of clients by api", metrics.requests.clone());
        prefixed.register(
            "refused_writes",
            "Produce partitions refused because the topic is a read-only mirror",
            metrics.refused.clone(),
        );
        prefixed.register(
            "refused_requests",
            "Requests of administrators refused because they would change a read-only mirror topic",
            metrics.refused_requests.clone(),
        );
        prefixed.register(
            "dropped_writes",
            "Produce partitions with acks=0 dropped because the topic is a read-only mirror",
            metrics.dropped.clone(),
        );
        prefixed.register(
            "hidden_batches",
            "Filler batches hidden from consumers of topics that are or were mirrors",
            metrics.hidden.clone(),
        );
        prefixed.register("connections", "Open client connections", metrics.connections.clone());
        prefixed.register("closed_connections", "Client connections closed by cause", metrics.closed.clone());
        metrics
    }

    pub(super) fn request(&self, api: &'static str) {
        let _ = self.requests.get_or_create(&ApiLabel { api }).inc();
    }

    /// Topics here are names of guards, never names that a client made up, so that the family stays bounded.
    pub(super) fn refused(&self, topic: &str, partitions: usize) {
        let _ = self.refused.get_or_create(&TopicLabel { topic: topic.to_owned() }).inc_by(partitions as u64);
    }

    /// Topics as in [`GatewayMetrics::refused`].
    pub(super) fn refused_request(&self, api: &'static str, topic: &str) {
        let label = RefusalLabel { api, topic: topic.to_owned() };
        let _ = self.refused_requests.get_or_create(&label).inc();
    }

    pub(super) fn dropped(&self, topic: &str, partitions: usize) {
        let _ = self.dropped.get_or_create(&TopicLabel { topic: topic.to_owned() }).inc_by(partitions as u64);
    }

    pub(super) fn hidden(&self, topic: &str, batches: usize) {
        let _ = self.hidden.get_or_create(&TopicLabel { topic: topic.to_owned() }).inc_by(batches as u64);
    }

    pub(super) fn open_connections(&self) -> i64 {
        self.connections.get()
    }

    pub(super) fn opened(&self) {
        let _ = self.connections.inc();
    }

    pub(super) fn closed(&self, cause: CloseCause) {
        let _ = self.connections.dec();
        self.turned_away(cause);
    }

    pub(super) fn turned_away(&self, cause: CloseCause) {
        let _ = self.closed.get_or_create(&CauseLabel { cause: cause.label() }).inc();
    }
}

#[cfg(test)]
impl GatewayMetrics {
    /// Gives every family a value: one without any is not rendered.
    pub(crate) fn touch(&self) {
        self.request("Fetch");
        self.refused("t", 1);
        self.refused_request("DeleteRecords", "t");
        self.dropped("t", 1);
        self.hidden("t", 1);
        self.opened();
        self.closed(CloseCause::ClientClosed);
    }

    pub(super) fn dropped_of(&self, topic: &str) -> u64 {
        self.dropped.get_or_create(&TopicLabel { topic: topic.to_owned() }).get()
    }

    pub(super) fn refused_of(&self, topic: &str) -> u64 {
        self.refused.get_or_create(&TopicLabel { topic: topic.to_owned() }).get()
    }

    pub(super) fn refused_requests_of(&self, api: &'static str, topic: &str) -> u64 {
        self.refused_requests.get_or_create(&RefusalLabel { api, topic: topic.to_owned() }).get()
    }

    pub(super) fn hidden_of(&self, topic: &str) -> u64 {
        self.hidden.get_or_create(&TopicLabel { topic: topic.to_owned() }).get()
    }

    pub(super) fn closed_by(&self, cause: CloseCause) -> u64 {
        self.closed.get_or_create(&CauseLabel { cause: cause.label() }).get()
    }
}
