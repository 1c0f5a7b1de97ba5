//! What the gateway counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::activity::Budgets;
use super::budget::Budget;
use super::error::CloseCause;
use super::options::Limits;
use super::ticks::Ticks;
use super::upstream::Target;

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

/// Labels: towards whom, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    side: &'static str,
    outcome: &'static str,
}

/// Label: whose listener, `bootstrap` or the id of a broker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabel {
    listener: String,
}

/// Label: which way, seen from the client.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DirectionLabel {
    direction: &'static str,
}

const REQUESTS: DirectionLabel = DirectionLabel { direction: "requests" };
const RESPONSES: DirectionLabel = DirectionLabel { direction: "responses" };

/// Counts the bytes that clients send and take.
#[derive(Debug, Clone, Default)]
pub(super) struct Traffic {
    requests: Counter,
    responses: Counter,
}

impl Traffic {
    pub(super) fn came_in(&self, bytes: u64) {
        let _ = self.requests.inc_by(bytes);
    }

    pub(super) fn went_out(&self, bytes: u64) {
        let _ = self.responses.inc_by(bytes);
    }
}

/// The gateway's metric families. Cheap to clone; clones share the values.
#[derive(Debug, Clone, Default)]
pub struct GatewayMetrics {
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
        prefixed.register(
            "certificate_reloads",
            "Changed keys and certificates of the listeners and towards the brokers, taken over or refused",
            metrics.reloads.clone(),
        );
        prefixed.register("client_bytes", "Bytes that clients sent and took", metrics.bytes.clone());
        prefixed.register(
            "buffered_bytes",
            "Bytes of frames, or of pieces of large ones, held in memory, of the budget of each direction",
            metrics.buffered.clone(),
        );
        prefixed.register(
            "buffer_waiters",
            "Connections that wait for memory to hold a frame",
            metrics.waiting.clone(),
        );
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

    /// Counts a connection until the answer is dropped, and then why it ended.
    pub(super) fn opened(&self, target: Target) -> OpenConnection {
        let listener = match target {
            Target::Bootstrap => "bootstrap".to_owned(),
            Target::Broker(id) => id.to_string(),
        };
        let gauge = self.connections.get_or_create(&ListenerLabel { listener }).clone();
        let _ = gauge.inc();
        let _ = self.open.fetch_add(1, Ordering::Relaxed);
        OpenConnection { metrics: self.clone(), gauge, cause: CloseCause::Stopped }
    }

    /// For the bytes of all connections.
    pub(super) fn traffic(&self) -> Traffic {
        let counter = |label: &DirectionLabel| self.bytes.get_or_create(label).clone();
        Traffic { requests: counter(&REQUESTS), responses: counter(&RESPONSES) }
    }

    /// The budgets of both directions, with their gauges.
    pub(super) fn budgets(&self, limits: &Limits, ticks: Ticks) -> Budgets {
        let budget = |bytes, label: &DirectionLabel| {
            let (used, waiting) = (self.buffered.get_or_create(label), self.waiting.get_or_create(label));
            Budget::new(bytes, ticks, used.clone(), waiting.clone())
        };
        Budgets {
            requests: budget(limits.request_buffer_bytes, &REQUESTS),
            responses: budget(limits.response_buffer_bytes, &RESPONSES),
        }
    }

    /// Changed files of one side that had this outcome since the last look.
    pub(super) fn reloads(&self, side: &'static str, outcome: &'static str, count: u64) {
        let _ = self.reloads.get_or_create(&ReloadLabels { side, outcome }).inc_by(count);
    }

    pub(super) fn turned_away(&self, cause: CloseCause) {
        let _ = self.closed.get_or_create(&CauseLabel { cause: cause.label() }).inc();
    }
}

/// A connection that is counted as open.
#[derive(Debug)]
pub(super) struct OpenConnection {
    metrics: GatewayMetrics,
    gauge: Gauge,
    pub(super) cause: CloseCause,
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
    /// Gives every family a value: one without any is not rendered.
    pub(crate) fn touch(&self) {
        self.request("Fetch");
        self.refused("t", 1);
        self.refused_request("DeleteRecords", "t");
        self.dropped("t", 1);
        self.hidden("t", 1);
        drop(self.opened(Target::Bootstrap));
        self.reloads("listener", "reloaded", 1);
        let _ = (self.traffic(), self.budgets(&Limits::default(), Ticks::start()));
    }

    pub(super) fn open_connections(&self) -> i64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Bytes in use of the budgets of requests and of responses.
    pub(super) fn buffered_bytes(&self) -> (i64, i64) {
        let used = |label| self.buffered.get_or_create(label).get();
        (used(&REQUESTS), used(&RESPONSES))
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

    pub(super) fn reloads_of(&self, side: &'static str, outcome: &'static str) -> u64 {
        self.reloads.get_or_create(&ReloadLabels { side, outcome }).get()
    }

    pub(super) fn closed_by(&self, cause: CloseCause) -> u64 {
        self.closed.get_or_create(&CauseLabel { cause: cause.label() }).get()
    }
}
