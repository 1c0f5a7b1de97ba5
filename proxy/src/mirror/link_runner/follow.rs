//! What follows the source besides its records: where its logs begin, how many partitions there are, and who holds a
//! partition back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use state::model::MirrorState;
use tokio::time::Instant;
use tracing::{info, warn};

use super::LinkRunner;
use super::upkeep::is_closed;
use crate::client::ClusterMetadata;
use crate::mirror::partition::{Gap, Partition};
use crate::mirror::{compacted, lineage, log_start, open_transaction, record};

/// The producers of open transactions are asked for at most this often.
const HOLDERS_EVERY: Duration = Duration::from_secs(2);

impl LinkRunner {
    /// Journals what the source no longer had when it was next, and lets the partitions go on behind it.
    pub(super) fn record_jumps(&mut self) {
        self.jumping.retain(|_, task| !task.is_finished());
        for (topic, work) in &self.topics {
            let met: Vec<(Arc<Partition>, Gap)> = work
                .partitions
                .iter()
                .filter_map(|partition| Some((Arc::clone(partition), partition.gap()?)))
                .collect();
            if met.is_empty() || self.jumping.contains_key(topic) {
                continue;
            }
            // What is below the start offset was never to be copied.
            let jumps: BTreeMap<i32, (i64, i64)> = met
                .iter()
                .filter(|(partition, gap)| gap.to > partition.id.start_offset)
                .map(|(partition, gap)| {
                    (partition.id.index, (gap.from.max(partition.id.start_offset), gap.to))
                })
                .collect();
            let (store, mirror) = (self.shared.store.clone(), work.mirror.clone());
            let ready = self.workers.ready().clone();
            let task = self.tasks.spawn(async move {
                if !record::jumps(&store, &mirror, jumps).await {
                    return;
                }
                for (partition, gap) in met {
                    if partition.fill_gap(gap) {
                        ready.push(partition);
                    }
                }
            });
            let _ = self.jumping.insert(topic.clone(), task);
        }
    }

    /// Compares the ends of mirrors that this process found there with the source.
    pub(super) fn check_lineages(&mut self) {
        let (now, view) = (Instant::now(), self.shared.store.view());
        // What is closed copies nothing any more.
        let open = self.topics.values().filter(|work| !is_closed(&view, &work.mirror));
        for partition in open.flat_map(|work| &work.partitions) {
            let Some(next) = partition.begin_lineage_check(now) else { continue };
            let (source, destination) = (self.source.clone(), self.shared.destination.clone());
            let (link, partition) = (self.link.name.clone(), Arc::clone(partition));
            let _ = self
                .tasks
                .spawn(async move { lineage::check(&source, &destination, &link, &partition, next).await });
        }
    }

    /// Trims destination logs that begin below the source's.
    pub(super) fn trim(&mut self) {
        let now = Instant::now();
        for work in self.topics.values() {
            let wanted: Vec<(Arc<Partition>, i64)> = work
                .partitions
                .iter()
                .filter_map(|partition| Some((Arc::clone(partition), partition.begin_trim(now)?)))
                .collect();
            if wanted.is_empty() {
                continue;
            }
            let (destination, configs) = (self.shared.destination.clone(), self.shared.configs.clone());
            let link = self.link.name.clone();
            let _ = self
                .tasks
                .spawn(async move { log_start::follow(&destination, &configs, &link, wanted).await });
        }
    }

    /// Asks the source who holds partitions back.
    pub(super) fn name_holders(&mut self) {
        let held: Vec<Arc<Partition>> = self
            .topics
            .values()
            .flat_map(|work| &work.partitions)
            .filter(|partition| partition.progress.held().is_some_and(|held| held.producer.is_none()))
            .cloned()
            .collect();
        if held.is_empty() || self.asked_for_holders.is_some_and(|at| at.elapsed() < HOLDERS_EVERY) {
            return;
        }
        self.asked_for_holders = Some(Instant::now());
        let (source, link) = (self.source.clone(), self.link.name.clone());
        let _ = self.tasks.spawn(async move {
            for partition in held {
                open_transaction::name_holder(&source, &link, &partition).await;
            }
        });
    }

    /// Gives mirror topics the partitions that their sources have got.
    pub(super) fn grow(&mut self, source: &ClusterMetadata) {
        self.growing.retain(|_, task| !task.is_finished());
        let view = self.shared.store.view();
        for (topic, work) in &self.topics {
            let mirror = &work.mirror;
            let Some(found) = source.topic(&mirror.source_topic) else { continue };
            let count = u32::try_from(found.partitions.len()).unwrap_or(u32::MAX);
            let same = found.error_code.is_none() && found.id == mirror.source_topic_id;
            // A promote sees to it itself, before it takes its target.
            let now = view.mirrors.get(topic).filter(|now| now.generation == mirror.generation);
            let live = now.is_some_and(|now| matches!(now.state, MirrorState::Active));
            if !same || !live || count <= mirror.partitions || self.growing.contains_key(topic) {
                continue;
            }
            info!(
                link = self.link.name,
                topic,
                partitions = count,
                "the source topic has more partitions; the mirror gets them too"
            );
            let (store, destination) = (self.shared.store.clone(), self.shared.destination.clone());
            let mirror = mirror.clone();
            let task = self.tasks.spawn(async move {
                if let Err(why) = record::grow(&store, &destination, &mirror, count).await {
                    warn!(
                        link = mirror.link,
                        topic = mirror.topic,
                        why,
                        "the mirror topic does not get more partitions"
                    );
                }
            });
            let _ = self.growing.insert(topic.clone(), task);
        }
    }

    /// Finds out what the destination has against records that it refused.
    pub(super) fn look_at_refused_records(&mut self) {
        for work in self.topics.values() {
            for partition in &work.partitions {
                let Some(refused) = partition.take_records_refused() else { continue };
                let topic = compacted::Topic {
                    link: self.link.name.clone(),
                    source: self.source.clone(),
                    destination: self.shared.destination.clone(),
                    configs: self.shared.configs.clone(),
                };
                let partition = Arc::clone(partition);
                let _ = self.tasks.spawn(async move { topic.judge(&partition, refused).await });
            }
        }
    }
}
