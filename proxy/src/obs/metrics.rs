//! The metrics of the process, in the OpenMetrics text format.
//!
//! Components register their metric families while they are built. Later the registry is only read.

use parking_lot::Mutex;
use std::sync::Arc;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// Content type of the text that [`Metrics::render`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metric families. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    journal_sequence: Gauge,
    journal_writable: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("linkgate_build", "Version of Linkgate", version);
        let journal_sequence = Gauge::default();
        registry.register(
            "linkgate_journal_sequence",
            "Sequence number of the last journal record",
            journal_sequence.clone(),
        );
        let journal_writable = Gauge::default();
        registry.register(
            "linkgate_journal_writable",
            "1 if the journal accepts changes and its disk completes writes, else 0",
            journal_writable.clone(),
        );
        Metrics { registry: Arc::new(Mutex::new(registry)), journal_sequence, journal_writable }
    }
}

impl Metrics {
    /// Lets a component register its metric families. Their names begin with `linkgate_`.
    pub fn register<T>(&self, add: impl FnOnce(&mut Registry) -> T) -> T {
        add(&mut self.registry.lock())
    }

    /// Stores the sequence of the last journal record, and whether the journal accepts further records.
    pub fn set_journal(&self, sequence: u64, writable: bool) {
        let _ = self.journal_sequence.set(i64::try_from(sequence).unwrap_or(i64::MAX));
        let _ = self.journal_writable.set(i64::from(writable));
    }

    /// Returns all metric families as text.
    #[must_use]
    pub fn render(&self) -> String {
        let registry = self.registry.lock();
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{ClientOptions, Cluster, Side};
    use crate::mirror::progress::ProgressTable;

    #[test]
    fn components_register_their_own_metric_families() {
        let metrics = Metrics::default();
        let seen = Gauge::<i64>::default();
        metrics.register(|registry| registry.register("linkgate_seen", "Seen", seen.clone()));
        let _ = seen.set(3);
        metrics.set_journal(7, true);
        let text = metrics.render();
        assert!(text.contains("linkgate_seen 3\n"), "{text}");
        assert!(text.contains("linkgate_journal_sequence 7\n"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    /// Names and types change only on purpose, since dashboards and alerts refer to them.
    /// `UPDATE_EXPECT=1 cargo test --workspace --lib families` writes the file again.
    #[test]
    fn the_documentation_lists_exactly_the_registered_families() {
        let metrics = Metrics::default();
        let store = state::store::Store::in_memory().unwrap();
        metrics.register(crate::gateway::metrics::GatewayMetrics::register).touch();
        metrics.register(|registry| {
            let nowhere = Cluster::new(Vec::new(), ClientOptions::new(Side::Destination));
            let census = crate::mirror::filler_report::FillerReports::new(nowhere);
            crate::mirror::metrics::MirrorMetrics::register(
                registry,
                store,
                ProgressTable::default(),
                census,
            );
        });
        let text = metrics.render();
        let mut types: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
        types.sort_unstable();
        expect_test::expect_file!["../../tests/golden/metrics.txt"].assert_eq(&(types.join("\n") + "\n"));
        let mut families: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .filter_map(|line| match line.split_once(' ') {
                Some((name, "counter")) => Some(format!("{name}_total")),
                Some((name, "info")) => Some(format!("{name}_info")),
                Some((name, _)) => Some(name.to_owned()),
                None => None,
            })
            .collect();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
        let page = std::fs::read_to_string(path).unwrap();
        let mut told: Vec<String> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `linkgate_")?.split_once("` | "))
            .filter(|(name, _)| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
            .map(|(name, _)| format!("linkgate_{name}"))
            .collect();
        families.sort();
        told.sort();
        told.dedup();
        assert_eq!(told, families);
    }
}
