//! Failover: opens the topic at once with what it has. Needs no source.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use state::model::link_config::OWNED;
use state::model::{Fencing, KafkaUuid, StopKind};
use tracing::warn;

use crate::client::types::OffsetSpec;
use crate::mirror::journal;
use crate::mirror::replication::partition::Partition;
use crate::mirror::stop::lowering::Lowering;
use crate::mirror::stop::{NotYet, StopJob};

/// Maximum time for setting the configs that a fence needs.
const OWNED_CONFIGS_TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum time to wait until the followers have the fences. A leader change can lose a fence that is not
/// replicated. Group offsets must not lie beyond what all in-sync replicas have.
const REPLICATION_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time that lowering group offsets may hold up the opening of the topic. It continues after that.
/// Synced offsets never lie beyond the high watermark that was seen, so there is something to lower only if
/// an unclean leader change lost the end of the log.
const LOWERING_WAIT: Duration = Duration::from_secs(5);
/// Maximum time to wait, from the first attempt on, for partitions that have no leader.
pub(crate) const LEADERLESS_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause before the leaders are looked up again.
const LEADER_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum time for giving back configs.
const CONFIGS_TIMEOUT: Duration = Duration::from_secs(5);

impl StopJob {
    /// Makes one attempt: stops appending, fences the logs, lowers group offsets beyond the log ends, gives
    /// back the configs that Linkgate owned, opens the topic.
    ///
    /// Returns the log end offsets, including the fence.
    pub(crate) async fn failover(&self) -> Result<Vec<i64>, NotYet> {
        for partition in &self.partitions {
            partition.abandon();
        }
        if self.mirror.local_topic_id == KafkaUuid::ZERO {
            // The mirror topic was never created. A topic of this name is a foreign one.
            journal::forget(&self.store, &self.mirror).await.map_err(|error| NotYet(error.to_string()))?;
            return Ok(Vec::new());
        }
        let ends = match self.fencing() {
            // An earlier promote has fenced the logs.
            Fencing::Done { log_end_offsets } if log_end_offsets.len() == self.partitions.len() => {
                log_end_offsets
            }
            Fencing::Done { .. } | Fencing::Begun | Fencing::NotYet => {
                self.own_configs().await;
                self.fence_what_is_led().await?
            }
        };
        for (partition, end) in self.partitions.iter().zip(&ends).filter(|(_, end)| **end >= 0) {
            partition.progress.update(|progress| progress.log_end_offset = *end);
        }
        let bounds = self.standing(&ends).await;
        self.lower_groups(&bounds).await;
        self.give_back_configs().await;
        self.complete(StopKind::Failover, ends.clone()).await?;
        Ok(ends)
    }

    /// Fences all partitions. Waits only a bounded time for partitions without a leader: one broker that is
    /// lost for good must not keep the rest of a topic closed for ever. Returns the log ends, -1 where
    /// unknown.
    pub(crate) async fn fence_what_is_led(&self) -> Result<Vec<i64>, NotYet> {
        let fences = self.fence_what_can_be().await?;
        let Some(reason) = fences.held_up else { return Ok(fences.ends.into_values().collect()) };
        let left: Vec<_> = self
            .partitions
            .iter()
            .filter(|partition| !fences.ends.contains_key(&partition.id.index))
            .collect();
        let may_be_left = left.iter().all(|partition| fences.leaderless.contains_key(&partition.id.index));
        // A topic without any leader waits: clients could not write to it anyway.
        if !may_be_left || fences.ends.is_empty() {
            return Err(reason);
        }
        if self.undone.may_wait_for_leaders() {
            let seconds = LEADERLESS_TIMEOUT.as_secs();
            tokio::time::sleep(LEADER_POLL_INTERVAL).await;
            return Err(NotYet(format!(
                "{reason}; if this lasts for {seconds} s, the topic opens without its fence"
            )));
        }
        for partition in &left {
            let index = partition.id.index;
            let replicas = fences.leaderless.get(&index).cloned().unwrap_or_default();
            self.go_on_without(format!(
                "partition {index} has no leader (replicas on brokers {replicas:?}) and got no fence: \
                 before its leader comes back, make sure that no other Linkgate mirrors this topic; \
                 otherwise records of the source could be appended behind those of clients"
            ));
            // The end is unknown after a restart, for example: without a leader the append position cannot be
            // read.
            if partition.known_end().is_none() {
                self.go_on_without(format!(
                    "partition {index}: the end of the mirror's log is not known, and is recorded as -1; \
                     group offsets were not compared with it"
                ));
            }
        }
        let end = |partition: &Arc<Partition>| {
            let fenced = fences.ends.get(&partition.id.index).copied();
            fenced.or_else(|| partition.known_end()).unwrap_or(-1)
        };
        Ok(self.partitions.iter().map(end).collect())
    }

    /// Returns the offset up to which all in-sync replicas have each log: its end, or the high watermark if
    /// replication takes too long. -1 if it is not known.
    async fn standing(&self, ends: &[i64]) -> Vec<i64> {
        let asked = self.partitions.iter().zip(ends).map(|(partition, end)| self.stands_at(partition, *end));
        join_all(asked).await
    }

    async fn stands_at(&self, partition: &Partition, end: i64) -> i64 {
        if end < 0 {
            return end;
        }
        let deadline = tokio::time::Instant::now() + REPLICATION_TIMEOUT;
        let (mut mark, mut pause) = (-1, Duration::from_millis(5));
        loop {
            let asked = self.destination.list_offset(self.topic(), partition.id.index, OffsetSpec::Latest);
            match tokio::time::timeout_at(deadline, asked).await {
                Ok(Ok(listed)) if listed.offset >= end => return end,
                Ok(Ok(listed)) => mark = listed.offset,
                Ok(Err(_)) => {}
                Err(_) => break,
            }
            if tokio::time::timeout_at(deadline, tokio::time::sleep(pause)).await.is_err() {
                break;
            }
            pause = (pause * 2).min(Duration::from_millis(100));
        }
        self.go_on_without(format!(
            "partition {}: the in-sync replicas have not reached its end at offset {end} yet; if its leader \
             is lost before that, the fence is lost with it",
            partition.id.index
        ));
        mark
    }

    async fn lower_groups(&self, bounds: &[i64]) {
        let lowering = Lowering {
            store: self.store.clone(),
            mirror: self.mirror.clone(),
            offsets: self.offsets.clone(),
            bounds: bounds.to_vec(),
        };
        let lines = lowering.within(LOWERING_WAIT).await;
        lines.into_iter().for_each(|line| self.go_on_without(line));
    }

    async fn give_back_configs(&self) {
        let view = self.store.view();
        let Some(mirror) = view.mirrors.get(self.topic()) else { return };
        match tokio::time::timeout(CONFIGS_TIMEOUT, self.configs.give_back(mirror)).await {
            Ok(refused) => refused.into_iter().for_each(|error| self.go_on_without(error.message)),
            Err(_) => self.go_on_without(format!(
                "the topic keeps the configs of a mirror ({}): no answer within {} s",
                OWNED.join(", "),
                CONFIGS_TIMEOUT.as_secs()
            )),
        }
    }

    /// Sets the configs that a fence needs. With other values the broker would refuse a fence, or rebuild it
    /// so that it is no longer recognised. A failure is only logged here: the fence will then be refused.
    async fn own_configs(&self) {
        let why = match tokio::time::timeout(OWNED_CONFIGS_TIMEOUT, self.configs.own(&self.mirror)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        warn!(
            link = self.mirror.link,
            topic = self.topic(),
            why,
            "the configs that a fence needs could not be set"
        );
    }
}
