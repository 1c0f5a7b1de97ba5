//! Follows the source in everything but records: log starts, partition counts, open transactions, and refused
//! or truncated logs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use state::model::MirrorState;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::client::ClusterMetadata;
use crate::mirror::engine::link_runner::LinkRunner;
use crate::mirror::engine::link_runner::topic_identity::is_closed;
use crate::mirror::journal;
use crate::mirror::replication::append::record_refusals;
use crate::mirror::replication::partition::{LogStartJump, Partition};
use crate::mirror::replication::{blocking_transaction, log_start_trim, truncation_check};

/// Minimum interval between requests for the producers of open transactions.
const BLOCKING_TRANSACTION_INTERVAL: Duration = Duration::from_secs(2);

impl LinkRunner {
    /// Journals log start jumps, and lets the partitions go on behind them.
    pub(crate) fn record_jumps(&mut self) {
        self.jumping.retain(|_, task| !task.is_finished());
        for (topic, work) in &self.topics {
            let met: Vec<(Arc<Partition>, LogStartJump)> = work
                .partitions
                .iter()
                .filter_map(|partition| Some((Arc::clone(partition), partition.gap()?)))
                .collect();
            if met.is_empty() || self.jumping.contains_key(topic) {
                continue;
            }
            // Offsets below the start offset were never to be copied.
            let jumps: BTreeMap<i32, (i64, i64)> = met
                .iter()
                .filter(|(partition, gap)| gap.to > partition.id.start_offset)
                .map(|(partition, gap)| {
                    (partition.id.index, (gap.from.max(partition.id.start_offset), gap.to))
                })
                .collect();
            let (store, mirror) = (self.shared.store.clone(), work.mirror.clone());
            let task = self.tasks.spawn(async move {
                if !journal::jumps(&store, &mirror, jumps).await {
                    return;
                }
                for (partition, gap) in met {
                    partition.fill_gap(gap);
                }
            });
            let _ = self.jumping.insert(topic.clone(), task);
        }
    }

    /// Starts the truncation checks that are due.
    pub(crate) fn check_truncations(&mut self) {
        let (now, view) = (Instant::now(), self.shared.store.view());
        // A closed mirror copies nothing any more.
        let open = self.topics.values().filter(|work| !is_closed(&view, &work.mirror));
        for partition in open.flat_map(|work| &work.partitions) {
            let Some(next) = partition.begin_truncation_check(now) else { continue };
            let (source, destination) = (self.source.clone(), self.shared.destination.clone());
            let (link, partition) = (self.link.name.clone(), Arc::clone(partition));
            let _ = self.tasks.spawn(async move {
                truncation_check::check(&source, &destination, &link, &partition, next).await
            });
        }
    }

    /// Trims destination logs that begin below the source's.
    pub(crate) fn trim(&mut self) {
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
                .spawn(async move { log_start_trim::follow(&destination, &configs, &link, wanted).await });
        }
    }

    /// Asks the source for the producers that hold partitions back.
    pub(crate) fn find_blocking_transactions(&mut self) {
        let held: Vec<Arc<Partition>> = self
            .topics
            .values()
            .flat_map(|work| &work.partitions)
            .filter(|partition| partition.progress.held().is_some_and(|held| held.producer.is_none()))
            .cloned()
            .collect();
        if held.is_empty()
            || self.asked_for_holders.is_some_and(|at| at.elapsed() < BLOCKING_TRANSACTION_INTERVAL)
        {
            return;
        }
        self.asked_for_holders = Some(Instant::now());
        let (source, link) = (self.source.clone(), self.link.name.clone());
        let _ = self.tasks.spawn(async move {
            for partition in held {
                blocking_transaction::name_holder(&source, &link, &partition).await;
            }
        });
    }

    /// Adds partitions to mirror topics whose source topics have more.
    pub(crate) fn grow(&mut self, source: &ClusterMetadata) {
        self.growing.retain(|_, task| !task.is_finished());
        let view = self.shared.store.view();
        for (topic, work) in &self.topics {
            let mirror = &work.mirror;
            let Some(found) = source.topic(&mirror.source_topic) else { continue };
            let count = u32::try_from(found.partitions.len()).unwrap_or(u32::MAX);
            let same = found.error_code.is_none() && found.id == mirror.source_topic_id;
            // A promote does that itself, before it takes its target.
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
                if let Err(why) = journal::grow(&store, &destination, &mirror, count).await {
                    warn!(
                        link = mirror.link,
                        topic = mirror.topic,
                        why,
                        "cannot add partitions to the mirror topic"
                    );
                }
            });
            let _ = self.growing.insert(topic.clone(), task);
        }
    }

    /// Finds out why the destination refused records.
    pub(crate) fn handle_record_refusals(&mut self) {
        for work in self.topics.values() {
            for partition in &work.partitions {
                let Some(refused) = partition.take_records_refused() else { continue };
                let topic = record_refusals::RefusingTopic {
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
