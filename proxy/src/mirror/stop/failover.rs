//! Failover: open the topic at once with what it has. Needs no source.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use state::model::link_config::OWNED;
use state::model::{Fencing, KafkaUuid, Stop};
use tracing::warn;

use super::lowering::Lowering;
use super::{NotYet, StopJob};
use crate::client::admin::OffsetSpec;
use crate::mirror::partition::Partition;
use crate::mirror::record;

/// How long looking after the configs that a fence needs may hold it up.
const OWN_WITHIN: Duration = Duration::from_secs(3);
/// How long it waits for the followers to have the fences. A fence that a leader change takes along protects nothing, and groups
/// may only stand where all in-sync replicas are.
const REPLICATED_WITHIN: Duration = Duration::from_secs(5);
/// How long lowering group offsets may hold up the opening of the topic; it goes on behind that. They never lie
/// beyond the high watermark that was seen, so there is something to lower only where an unclean leader change cost
/// the log its tail.
const CLAMP_WITHIN: Duration = Duration::from_secs(5);
/// How long it waits, from the first attempt on, for partitions that have no leader.
pub(super) const LEADERLESS_WITHIN: Duration = Duration::from_secs(60);
/// Pause before it looks for them again.
const LEADERS_PAUSE: Duration = Duration::from_secs(1);
/// How long giving back configs may hold it up.
const CONFIGS_WITHIN: Duration = Duration::from_secs(5);

impl StopJob {
    /// One attempt: stop appending, fence the logs, lower group offsets that lie beyond them, give back the configs that were
    /// Linkgate's, open the topic.
    ///
    /// Returns the log end offsets, fence included.
    pub(super) async fn failover(&self) -> Result<Vec<i64>, NotYet> {
        for partition in &self.partitions {
            partition.abandon();
        }
        if self.mirror.local_topic_id == KafkaUuid::ZERO {
            // It never came to be; a topic of this name is somebody else's.
            record::forget(&self.store, &self.mirror).await.map_err(|error| NotYet(error.to_string()))?;
            return Ok(Vec::new());
        }
        let ends = match self.fencing() {
            // A promote was here before.
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
        self.complete(Stop::Failover, ends.clone()).await?;
        Ok(ends)
    }

    /// Fences all partitions, but waits for those without a leader for a bounded time only: one broker that is lost for good must
    /// not keep the rest of a topic closed for ever. Returns the log ends.
    pub(super) async fn fence_what_is_led(&self) -> Result<Vec<i64>, NotYet> {
        let fences = self.fence_what_can_be().await?;
        let Some(reason) = fences.held_up else { return Ok(fences.ends.into_values().collect()) };
        let left: Vec<_> = self
            .partitions
            .iter()
            .filter(|partition| !fences.ends.contains_key(&partition.id.index))
            .collect();
        let may_be_left = left.iter().all(|partition| fences.leaderless.contains_key(&partition.id.index));
        // A topic without any leader waits: nobody could write to it anyway.
        if !may_be_left || fences.ends.is_empty() {
            return Err(reason);
        }
        if self.undone.may_wait_for_leaders() {
            let seconds = LEADERLESS_WITHIN.as_secs();
            tokio::time::sleep(LEADERS_PAUSE).await;
            return Err(NotYet(format!(
                "{reason}; the topic opens without its fence {seconds} s after this began"
            )));
        }
        for partition in &left {
            let index = partition.id.index;
            let replicas = fences.leaderless.get(&index).cloned().unwrap_or_default();
            self.go_on_without(format!(
                "partition {index} has no leader (replicas on brokers {replicas:?}) and got no fence: before it comes back, make \
                 sure that no other Linkgate mirrors this topic, or records of the source could land behind those of clients"
            ));
            // After a restart, for one: the register cannot be read without a leader.
            if partition.known_end().is_none() {
                self.go_on_without(format!(
                    "partition {index}: it is not known where the mirror's log ends, which is recorded as -1; group \
                     offsets in it were not compared with its end"
                ));
            }
        }
        let end = |partition: &Arc<Partition>| {
            let fenced = fences.ends.get(&partition.id.index).copied();
            fenced.or_else(|| partition.known_end()).unwrap_or(-1)
        };
        Ok(self.partitions.iter().map(end).collect())
    }

    /// How far all in-sync replicas have these logs, once they have the fences or that takes too long; -1 where it is not known.
    async fn standing(&self, ends: &[i64]) -> Vec<i64> {
        let asked = self.partitions.iter().zip(ends).map(|(partition, end)| self.stands_at(partition, *end));
        join_all(asked).await
    }

    async fn stands_at(&self, partition: &Partition, end: i64) -> i64 {
        if end < 0 {
            return end;
        }
        let deadline = tokio::time::Instant::now() + REPLICATED_WITHIN;
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
            "partition {}: the in-sync replicas do not have its end at offset {end} yet; should its leader be lost before they \
             do, the fence is lost with it",
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
        let lines = lowering.within(CLAMP_WITHIN).await;
        lines.into_iter().for_each(|line| self.go_on_without(line));
    }

    async fn give_back_configs(&self) {
        let view = self.store.view();
        let Some(mirror) = view.mirrors.get(self.topic()) else { return };
        match tokio::time::timeout(CONFIGS_WITHIN, self.configs.give_back(mirror)).await {
            Ok(refused) => refused.into_iter().for_each(|error| self.go_on_without(error.message)),
            Err(_) => self.go_on_without(format!(
                "the topic keeps the configs of a mirror ({}): no answer within {} s",
                OWNED.join(", "),
                CONFIGS_WITHIN.as_secs()
            )),
        }
    }

    /// With other values than Linkgate's own the broker would refuse a fence, or rebuild it so that it is no longer
    /// recognised. Where they cannot be looked after, a refusal will tell.
    async fn own_configs(&self) {
        let why = match tokio::time::timeout(OWN_WITHIN, self.configs.own(&self.mirror)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        warn!(
            link = self.mirror.link,
            topic = self.topic(),
            why,
            "the configs that a fence needs could not be looked after"
        );
    }
}
