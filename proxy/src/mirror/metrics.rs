//! Metrics of links and mirror topics, read from the journal's view and the progress table when they are asked for: so a
//! topic that is gone leaves no series behind.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use state::model::LinkState;
use state::store::Store;

use super::progress::{PartitionProgress, ProgressTable};

/// What one partition shows, and how.
type PartitionMetric = (&'static str, &'static str, fn(&PartitionProgress) -> i64);

const GAUGES: [PartitionMetric; 4] = [
    ("linkgate_mirror_lag", "Source high watermark minus local log end, in offsets", |p| p.lag()),
    ("linkgate_mirror_log_end_offset", "Next offset to append on the destination", |p| p.log_end_offset),
    ("linkgate_mirror_source_high_watermark", "High watermark of the source at the last fetch", |p| {
        p.source_high_watermark
    }),
    ("linkgate_mirror_last_fetch_timestamp_ms", "When the last fetch was answered, since the epoch", |p| {
        p.last_fetch_ms
    }),
];

const COUNTERS: [PartitionMetric; 3] = [
    ("linkgate_mirror_appended_batches", "Batches appended, filler included", |p| p.appended_batches),
    ("linkgate_mirror_appended_bytes", "Bytes of batches appended", |p| p.appended_bytes),
    ("linkgate_mirror_restarts", "Times that the register was read anew after something was unclear", |p| {
        p.restarts
    }),
];

/// Collects what the mirror side knows.
#[derive(Debug)]
pub struct MirrorMetrics {
    store: Store,
    progress: ProgressTable,
}

impl MirrorMetrics {
    /// Registers the families of links and mirror topics.
    pub fn register(registry: &mut Registry, store: Store, progress: ProgressTable) {
        registry.register_collector(Box::new(MirrorMetrics { store, progress }));
    }
}

impl Collector for MirrorMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let view = self.store.view();
        let name = "linkgate_link_active";
        let kind = ConstGauge::new(0i64).metric_type();
        let mut family = encoder.encode_descriptor(name, "1 while the link is ACTIVE", None, kind)?;
        for link in view.links.values() {
            let labels = [("link", link.name.as_str()), ("state", link.state.name())];
            let active = ConstGauge::new(i64::from(link.state == LinkState::Active));
            active.encode(family.encode_family(&labels)?)?;
        }
        let name = "linkgate_mirror_topic";
        let mut family = encoder.encode_descriptor(name, "Mirror topics by state, 1 each", None, kind)?;
        for mirror in view.mirrors.values() {
            let link = view.links.get(&mirror.link).map_or(LinkState::Failed, |link| link.state);
            let labels = [
                ("link", mirror.link.as_str()),
                ("topic", mirror.topic.as_str()),
                ("state", mirror.status(link).name()),
            ];
            ConstGauge::new(1i64).encode(family.encode_family(&labels)?)?;
        }
        let partitions: Vec<(&str, &str, String, PartitionProgress)> = view
            .mirrors
            .values()
            .flat_map(|mirror| {
                let all = self.progress.of(&mirror.topic).into_iter().enumerate();
                all.map(|(index, p)| (mirror.link.as_str(), mirror.topic.as_str(), index.to_string(), p))
            })
            .collect();
        for (name, help, value) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (link, topic, partition, progress) in &partitions {
                let labels = [("link", *link), ("topic", *topic), ("partition", partition.as_str())];
                ConstGauge::new(value(progress)).encode(family.encode_family(&labels)?)?;
            }
        }
        let kind = ConstCounter::new(0u64).metric_type();
        for (name, help, value) in COUNTERS {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (link, topic, partition, progress) in &partitions {
                let labels = [("link", *link), ("topic", *topic), ("partition", partition.as_str())];
                let count = u64::try_from(value(progress)).unwrap_or(0);
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use prometheus_client::encoding::text::encode;
    use state::model::Change;

    use super::*;
    use crate::mirror::sample::{link, mirror};

    #[tokio::test]
    async fn a_mirror_topic_shows_its_lag_and_leaves_nothing_behind() {
        let store = Store::in_memory().unwrap();
        let progress = ProgressTable::default();
        let mut registry = Registry::default();
        MirrorMetrics::register(&mut registry, store.clone(), progress.clone());
        let render = || {
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            text
        };
        // Given a link with a mirror topic that lags by 5
        let topic = mirror("dr", "users", state::model::MirrorState::Active);
        let changes = vec![
            Change::PutLink(state::model::Link { generations: topic.generation + 1, ..link(&topic.link) }),
            Change::PutMirror(topic.clone()),
        ];
        store.transact("test", "test", |_, _| Ok::<_, Infallible>((changes, ()))).await.unwrap();
        progress.topic("users", 1)[0].update(|p| {
            p.log_end_offset = 10;
            p.source_high_watermark = 15;
            p.appended_bytes = 99;
        });
        let text = render();
        let labels = format!("{{link=\"{}\",topic=\"users\",partition=\"0\"}}", topic.link);
        assert!(text.contains(&format!("linkgate_mirror_lag{labels} 5\n")), "{text}");
        assert!(text.contains(&format!("linkgate_mirror_appended_bytes_total{labels} 99\n")), "{text}");
        // When it is forgotten, its series go
        let changes = vec![Change::RemoveMirror("users".into())];
        store.transact("test", "test", |_, _| Ok::<_, Infallible>((changes, ()))).await.unwrap();
        assert!(!render().contains("topic=\"users\""));
    }
}
