//! Metrics of the gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::gateway::budget::Budget;
use crate::gateway::budget::Budgets;
use crate::gateway::clock::GatewayClock;
use crate::gateway::endpoint_map::ListenerTarget;
use crate::gateway::error::CloseCause;
use crate::gateway::options::Limits;

/// Label: Kafka's name of an api.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiLabel {
    api: &'static str,
}

/// Label: a topic with a guard, such as one that is or was a mirror.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TopicLabel {
    topic: String,
}

/// Labels of a refused request: its api, and the topic that it would change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabel {
    api: &'static str,
    topic: String,
}

/// Label: the cause of the end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabel {
    cause: &'static str,
}

/// Labels of a reload: `listener` or `broker` as its side, and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    side: &'static str,
    outcome: &'static str,
}

/// Label: the listener, `bootstrap` or the id of a broker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabel {
    listener: String,
}

/// Label: the direction, `requests` or `responses`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DirectionLabel {
    direction: &'static str,
}

const REQUESTS: DirectionLabel = DirectionLabel { direction: "requests" };
const RESPONSES: DirectionLabel = DirectionLabel { direction: "responses" };

/// Counters of the bytes that clients send and receive.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic {
    requests: Counter,
    responses: Counter,
}

impl Traffic {
    pub(crate) fn came_in(&self, bytes: u64) {
        let _ = self.requests.inc_by(bytes);
    }

    pub(crate) fn went_out(&self, bytes: u64) {
        let _ = self.responses.inc_by(bytes);
    }
}

/// Metric families of the gateway. Cheap to clone; clones share the values.
#[derive(Debug, Clone, Default)]
pub(crate) struct GatewayMetrics {
    requests: Family<ApiLabel, Counter>,
    refused: Family<TopicLabel, Counter>,
    refused_requests: Family<RefusalLabel, Counter>,
    dropped: Family<TopicLabel, Counter>,
    hidden: Family<TopicLabel, Counter>,
    connections: Family<ListenerLabel, Gauge>,
    open: Arc<AtomicI64>,
    closed: Family<CauseLabel, Counter>,
    bytes: Family<DirectionLabel, Counter>,
    buffered: Family<DirectionLabel, Gauge>,
    waiting: Family<DirectionLabel, Gauge>,
    reloads: Family<ReloadLabels, Counter>,
}

impl GatewayMetrics {
    /// Creates the families and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = GatewayMetrics::default();
        let prefixed = registry.sub_registry_with_prefix("linkgate_gateway");
        prefixed.register("requests", "Client requests by api", metrics.requests.clone());
        prefixed.register(
            "refused_writes",
            "Partitions of write requests refused because the topic is a read-only mirror",
            metrics.refused.clone(),
        );
        prefixed.register(
            "refused_requests",
            "Administrative requests refused because they would change a read-only mirror topic",
            metrics.refused_requests.clone(),
        );
        prefixed.register(
            "dropped_writes",
            "Partitions of Produce requests with acks=0 dropped because the topic is a read-only mirror",
            metrics.dropped.clone(),
        );
        prefixed.register(
            "hidden_batches",
            "Filler batches hidden from consumers of topics that are or were mirrors",
            metrics.hidden.clone(),
        );
        prefixed.register("connections", "Open client connections", metrics.connections.clone());
        prefixed.register("closed_connections", "Closed client connections by cause", metrics.closed.clone());
        prefixed.register(
            "certificate_reloads",
            "Reloads of changed keys and certificates, by side and outcome",
            metrics.reloads.clone(),
        );
        prefixed.register("client_bytes", "Bytes that clients sent and received", metrics.bytes.clone());
        prefixed.register(
            "buffered_bytes",
            "Bytes of frames that are held in memory, by direction",
            metrics.buffered.clone(),
        );
        prefixed.register(
            "buffer_waiters",
            "Connections that wait for memory for a frame",
            metrics.waiting.clone(),
        );
        metrics
    }

    pub(crate) fn request(&self, api: &'static str) {
        let _ = self.requests.get_or_create(&ApiLabel { api }).inc();
    }

    /// Counts refused partitions. `topic` is the name of a guard, never a name that a client made up, so the
    /// family stays bounded.
    pub(crate) fn refused(&self, topic: &str, partitions: usize) {
        let _ = self.refused.get_or_create(&TopicLabel { topic: topic.to_owned() }).inc_by(partitions as u64);
    }

    /// Counts a refused request. `topic` is the name of a guard, as in [`GatewayMetrics::refused`].
    pub(crate) fn refused_request(&self, api: &'static str, topic: &str) {
        let label = RefusalLabel { api, topic: topic.to_owned() };
        let _ = self.refused_requests.get_or_create(&label).inc();
    }

    pub(crate) fn dropped(&self, topic: &str, partitions: usize) {
        let _ = self.dropped.get_or_create(&TopicLabel { topic: topic.to_owned() }).inc_by(partitions as u64);
    }

    pub(crate) fn hidden(&self, topic: &str, batches: usize) {
        let _ = self.hidden.get_or_create(&TopicLabel { topic: topic.to_owned() }).inc_by(batches as u64);
    }

    /// Counts a connection as open until the returned value is dropped. Then counts the cause of its end.
    pub(crate) fn opened(&self, target: ListenerTarget) -> OpenConnection {
        let listener = match target {
            ListenerTarget::Bootstrap => "bootstrap".to_owned(),
            ListenerTarget::Broker(id) => id.to_string(),
        };
        let gauge = self.connections.get_or_create(&ListenerLabel { listener }).clone();
        let _ = gauge.inc();
        let _ = self.open.fetch_add(1, Ordering::Relaxed);
        OpenConnection { metrics: self.clone(), gauge, cause: CloseCause::Stopped }
    }

    /// Returns the byte counters of all connections.
    pub(crate) fn traffic(&self) -> Traffic {
        let counter = |label: &DirectionLabel| self.bytes.get_or_create(label).clone();
        Traffic { requests: counter(&REQUESTS), responses: counter(&RESPONSES) }
    }

    /// Creates the budgets of both directions, with their gauges.
    pub(crate) fn budgets(&self, limits: &Limits, ticks: GatewayClock) -> Budgets {
        let budget = |bytes, label: &DirectionLabel| {
            let (used, waiting) = (self.buffered.get_or_create(label), self.waiting.get_or_create(label));
            Budget::new(bytes, ticks, used.clone(), waiting.clone())
        };
        Budgets {
            requests: budget(limits.request_buffer_bytes, &REQUESTS),
            responses: budget(limits.response_buffer_bytes, &RESPONSES),
        }
    }

    /// Counts changed files of one side that had this outcome since the last check.
    pub(crate) fn reloads(&self, side: &'static str, outcome: &'static str, count: u64) {
        let _ = self.reloads.get_or_create(&ReloadLabels { side, outcome }).inc_by(count);
    }

    pub(crate) fn turned_away(&self, cause: CloseCause) {
        let _ = self.closed.get_or_create(&CauseLabel { cause: cause.label() }).inc();
    }
}

/// Connection that is counted as open.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    metrics: GatewayMetrics,
    gauge: Gauge,
    pub(crate) cause: CloseCause,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let _ = self.gauge.dec();
        let _ = self.metrics.open.fetch_sub(1, Ordering::Relaxed);
        self.metrics.turned_away(self.cause);
    }
}

#[cfg(test)]
impl GatewayMetrics {
    /// Gives every family a value: a family without one is not rendered.
    pub(crate) fn touch(&self) {
        self.request("Fetch");
        self.refused("t", 1);
        self.refused_request("DeleteRecords", "t");
        self.dropped("t", 1);
        self.hidden("t", 1);
        drop(self.opened(ListenerTarget::Bootstrap));
        self.reloads("listener", "reloaded", 1);
        let _ = (self.traffic(), self.budgets(&Limits::default(), GatewayClock::start()));
    }

    pub(crate) fn open_connections(&self) -> i64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Returns the bytes in use of the request budget and of the response budget.
    pub(crate) fn buffered_bytes(&self) -> (i64, i64) {
        let used = |label| self.buffered.get_or_create(label).get();
        (used(&REQUESTS), used(&RESPONSES))
    }

    pub(crate) fn dropped_of(&self, topic: &str) -> u64 {
        self.dropped.get_or_create(&TopicLabel { topic: topic.to_owned() }).get()
    }

    pub(crate) fn refused_of(&self, topic: &str) -> u64 {
        self.refused.get_or_create(&TopicLabel { topic: topic.to_owned() }).get()
    }

    pub(crate) fn refused_requests_of(&self, api: &'static str, topic: &str) -> u64 {
        self.refused_requests.get_or_create(&RefusalLabel { api, topic: topic.to_owned() }).get()
    }

    pub(crate) fn hidden_of(&self, topic: &str) -> u64 {
        self.hidden.get_or_create(&TopicLabel { topic: topic.to_owned() }).get()
    }

    pub(crate) fn reloads_of(&self, side: &'static str, outcome: &'static str) -> u64 {
        self.reloads.get_or_create(&ReloadLabels { side, outcome }).get()
    }

    pub(crate) fn closed_by(&self, cause: CloseCause) -> u64 {
        self.closed.get_or_create(&CauseLabel { cause: cause.label() }).get()
    }
}
