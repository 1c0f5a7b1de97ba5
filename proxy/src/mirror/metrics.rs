//! Metrics of links and mirror topics. They are read from the journal's view and the progress table at each
//! scrape, so a topic that is gone leaves no series behind.

use std::collections::HashMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use state::model::{LinkState, View};
use state::store::Store;

use crate::mirror::filler_report::FillerReports;
use crate::mirror::progress::{Filling, PartitionProgress, ProgressTable};

/// Name, help text and value of a metric of one partition.
type PartitionMetric = (&'static str, &'static str, fn(&PartitionProgress) -> i64);

const GAUGES: [PartitionMetric; 6] = [
    ("linkgate_mirror_lag", "Source high watermark minus local log end offset", |p| p.lag()),
    ("linkgate_mirror_log_end_offset", "Next offset to append on the destination", |p| p.log_end_offset),
    ("linkgate_mirror_source_high_watermark", "High watermark of the source at the last fetch", |p| {
        p.source_high_watermark
    }),
    (
        "linkgate_mirror_last_fetch_timestamp_ms",
        "Time of the last answered fetch, in milliseconds since the epoch",
        |p| p.last_fetch_ms,
    ),
    (
        "linkgate_mirror_filling_remaining_offsets",
        "Offsets that must still be filled before records are copied",
        |p| p.filling.map_or(0, |filling: Filling| filling.to.saturating_sub(p.log_end_offset.max(0)).max(0)),
    ),
    ("linkgate_mirror_held_back_offsets", "Offsets that an open transaction on the source holds back", |p| {
        p.held.map_or(0, |held| p.source_high_watermark.saturating_sub(held.offset).max(0))
    }),
];

const COUNTERS: [PartitionMetric; 4] = [
    ("linkgate_mirror_appended_batches", "Appended batches, filler included", |p| p.appended_batches),
    ("linkgate_mirror_appended_bytes", "Bytes of the appended batches", |p| p.appended_bytes),
    (
        "linkgate_mirror_restarts",
        "Resets: times that the append position was recovered because something was unclear",
        |p| p.restarts,
    ),
    (
        "linkgate_mirror_unkeyed_records",
        "Records without a key that were left out because the mirror topic is compacted",
        |p| i64::try_from(p.unkeyed_records).unwrap_or(i64::MAX),
    ),
];

/// Collector of the metrics of links and mirror topics.
#[derive(Debug)]
pub(crate) struct MirrorMetrics {
    store: Store,
    progress: ProgressTable,
    census: FillerReports,
}

impl MirrorMetrics {
    /// Registers the metric families of links and mirror topics.
    pub(crate) fn register(
        registry: &mut Registry,
        store: Store,
        progress: ProgressTable,
        census: FillerReports,
    ) {
        registry.register_collector(Box::new(MirrorMetrics { store, progress, census }));
    }
}

/// Values of one metric, one per partition that has one: link, topic, partition, value.
type Series<'a> = Vec<(&'a str, &'a str, String, i64)>;

/// Returns the number of log start jumps of each partition, from the journal.
fn jumps(view: &View) -> Series<'_> {
    let of_all = view.mirrors.values().flat_map(|mirror| {
        let partitions = 0..i32::try_from(mirror.partitions).unwrap_or(i32::MAX);
        partitions.map(|partition| {
            let count = mirror.jumps.get(&partition).map_or(0, |jump| jump.count);
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            (mirror.link.as_str(), mirror.topic.as_str(), partition.to_string(), count)
        })
    });
    of_all.collect()
}

/// Returns the number of filler offsets of each partition, from the last census of its topic. Omits topics
/// without a census.
fn filler<'a>(view: &'a View, census: &FillerReports) -> Series<'a> {
    let of_all = view.mirrors.values().filter_map(|mirror| Some((mirror, census.done(mirror)?)));
    let series = of_all.flat_map(|(mirror, found)| {
        let partitions = found.partitions.into_iter().enumerate();
        partitions.map(|(partition, tally)| {
            let offsets = tally.filler_offsets;
            (mirror.link.as_str(), mirror.topic.as_str(), partition.to_string(), offsets)
        })
    });
    series.collect()
}

impl Collector for MirrorMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let view = self.store.view();
        let name = "linkgate_link_active";
        let kind = ConstGauge::new(0i64).metric_type();
        let mut family = encoder.encode_descriptor(name, "1 while the link is ACTIVE, else 0", None, kind)?;
        let states: HashMap<&str, LinkState> =
            view.links.values().map(|link| (link.name.as_str(), link.status().state)).collect();
        for (name, state) in &states {
            let labels = [("link", *name), ("state", state.name())];
            let active = ConstGauge::new(i64::from(*state == LinkState::Active));
            active.encode(family.encode_family(&labels)?)?;
        }
        let name = "linkgate_mirror_topic";
        let mut family = encoder.encode_descriptor(
            name,
            "1 for each mirror topic, with its state as a label",
            None,
            kind,
        )?;
        for mirror in view.mirrors.values() {
            let link = states.get(mirror.link.as_str()).copied().unwrap_or(LinkState::Failed);
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
        let name = "linkgate_mirror_filler_offsets";
        let help = "Offsets covered by filler, from the last count of the topic";
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        for (link, topic, partition, offsets) in filler(&view, &self.census) {
            let labels = [("link", link), ("topic", topic), ("partition", partition.as_str())];
            ConstGauge::new(offsets).encode(family.encode_family(&labels)?)?;
        }
        let kind = ConstCounter::new(0u64).metric_type();
        let name = "linkgate_mirror_jumps";
        let help = "Log start jumps: times that the source no longer had the next offsets to copy";
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        for (link, topic, partition, count) in jumps(&view) {
            let labels = [("link", link), ("topic", topic), ("partition", partition.as_str())];
            ConstCounter::new(u64::try_from(count).unwrap_or(0)).encode(family.encode_family(&labels)?)?;
        }
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
    use crate::client::{ClientOptions, Cluster, Side};
    use crate::mirror::test_support::{link, mirror};

    #[tokio::test]
    async fn a_removed_mirror_topic_leaves_no_series_behind() {
        let store = Store::in_memory().unwrap();
        let progress = ProgressTable::default();
        let mut registry = Registry::default();
        let nowhere = Cluster::new(Vec::new(), ClientOptions::new(Side::Destination));
        MirrorMetrics::register(&mut registry, store.clone(), progress.clone(), FillerReports::new(nowhere));
        let render = || {
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            text
        };
        // Given a link with a mirror topic that lags by 5
        let jump = state::model::Jump { from: 3, to: 9, at_ms: 7, count: 2 };
        let topic = state::model::MirrorTopic {
            jumps: [(1, jump)].into(),
            ..mirror("dr", "users", state::model::MirrorState::Active)
        };
        let changes = vec![
            Change::PutLink(state::model::Link { generations: topic.generation + 1, ..link(&topic.link) }),
            Change::PutMirror(topic.clone()),
        ];
        store.transact("test", "test", |_, _| Ok::<_, Infallible>((changes, ()))).await.unwrap();
        progress.topic("users", 1)[0].update(|p| {
            p.log_end_offset = 10;
            p.source_high_watermark = 15;
            p.appended_bytes = 99;
            p.filling = Some(Filling { from: 0, to: 14, since_ms: 0 });
            p.held_back_at(12);
            p.unkeyed_records = 6;
        });
        let text = render();
        let labels = format!("{{link=\"{}\",topic=\"users\",partition=\"0\"}}", topic.link);
        assert!(text.contains(&format!("linkgate_mirror_lag{labels} 5\n")), "{text}");
        assert!(text.contains(&format!("linkgate_mirror_appended_bytes_total{labels} 99\n")), "{text}");
        assert!(text.contains(&format!("linkgate_mirror_filling_remaining_offsets{labels} 4\n")), "{text}");
        assert!(text.contains(&format!("linkgate_mirror_jumps_total{labels} 0\n")), "{text}");
        assert!(text.contains(&format!("linkgate_mirror_held_back_offsets{labels} 3\n")), "{text}");
        assert!(text.contains(&format!("linkgate_mirror_unkeyed_records_total{labels} 6\n")), "{text}");
        let other = labels.replace("partition=\"0\"", "partition=\"1\"");
        assert!(text.contains(&format!("linkgate_mirror_jumps_total{other} 2\n")), "{text}");
        // There has been no census.
        assert!(!text.contains("linkgate_mirror_filler_offsets{"), "{text}");
        // When the topic is removed, its series are gone
        let changes = vec![Change::RemoveMirror("users".into())];
        store.transact("test", "test", |_, _| Ok::<_, Infallible>((changes, ()))).await.unwrap();
        assert!(!render().contains("topic=\"users\""));
    }
}
