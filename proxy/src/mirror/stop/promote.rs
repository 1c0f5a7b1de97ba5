//! Promote: catch up with the source as it was when asked, wait until that is replicated, fence, sync a last time, open.

use std::time::Duration;

use futures::future::join_all;
use state::invariant::{self, Broken};
use state::model::{Fencing, Stop};

use super::{NotYet, StopJob};
use crate::client::Cluster;
use crate::client::admin::OffsetSpec;
use crate::mirror::partition::{Partition, Phase};

/// How often progress is looked at.
const POLL: Duration = Duration::from_millis(5);
/// How often it is shown what is waited for.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Where no partition gets on for so long, the attempt starts over: it asks anew who the source is, and what it holds.
const STANDS_STILL: Duration = Duration::from_secs(60);
/// The longest pause between two questions about high watermarks.
const LONGEST_POLL: Duration = Duration::from_millis(100);
/// How long one attempt waits for the log starts.
const TRIMMED_WITHIN: Duration = Duration::from_secs(10);
/// How long one attempt waits for the high watermark to reach the log end.
const REPLICATED_WITHIN: Duration = Duration::from_secs(10);
/// So often a register is read again because the destination's log goes on behind our last append.
const LOOKS: u32 = 3;

impl StopJob {
    /// One attempt. Whatever holds it up before the fences, mirroring goes on meanwhile.
    ///
    /// Returns the log end offsets.
    pub(super) async fn promote(&self) -> Result<Vec<i64>, NotYet> {
        let ends = match self.fencing() {
            Fencing::Done { log_end_offsets } if log_end_offsets.len() == self.partitions.len() => {
                log_end_offsets
            }
            Fencing::Done { .. } | Fencing::Begun => self.fence_all().await?,
            Fencing::NotYet => {
                let caught_up = self.catch_up().await;
                let begun = match caught_up {
                    Ok(()) => self.record_fencing(Fencing::Begun).await,
                    held_up => held_up,
                };
                if begun.is_err() {
                    self.partitions.iter().for_each(|partition| partition.thaw());
                }
                begun?;
                self.fence_all().await?
            }
        };
        // After a restart no register was read, and group offsets are synced up to what is known.
        for (partition, end) in self.partitions.iter().zip(&ends) {
            partition.progress.update(|progress| progress.log_end_offset = *end);
        }
        self.last_offsets().await?;
        self.last_configs().await?;
        self.complete(Stop::Promote, ends.clone()).await?;
        Ok(ends)
    }

    /// All partitions have what the source holds now, stand still, are replicated, and begin where the source's do.
    async fn catch_up(&self) -> Result<(), NotYet> {
        self.source_is_mirrored_whole().await?;
        let targets = self.ends(&self.source, "source", &self.mirror.source_topic).await?;
        self.stand_still(&targets).await?;
        self.trimmed().await?;
        self.settled(&targets).await
    }

    /// Fences all partitions and waits until the fences are replicated: a leader change must not lose one.
    async fn fence_all(&self) -> Result<Vec<i64>, NotYet> {
        // With other values the broker would refuse a fence, or rebuild it so that it is no longer recognised.
        self.configs
            .own(&self.mirror)
            .await
            .map_err(|error| NotYet(format!("configs that Linkgate needs while it mirrors: {error}")))?;
        let ends = self.fence().await?;
        self.replicated(&ends).await?;
        self.record_fencing(Fencing::Done { log_end_offsets: ends.clone() }).await?;
        Ok(ends)
    }

    /// Waits until every partition has reached its target and has nothing queued or in flight. From then on a partition
    /// that is interrupted comes back to a standstill. Returns the log ends.
    async fn stand_still(&self, targets: &[i64]) -> Result<Vec<i64>, NotYet> {
        let ends = self.drained(targets).await?;
        self.partitions.iter().for_each(|partition| partition.close());
        Ok(ends)
    }

    pub(super) async fn drained(&self, targets: &[i64]) -> Result<Vec<i64>, NotYet> {
        let mut told = tokio::time::Instant::now();
        let (mut moved, mut reached, mut any_told) = (told, 0, false);
        loop {
            let mut ends = Vec::with_capacity(targets.len());
            let mut acknowledged = 0_i64;
            for (partition, target) in self.partitions.iter().zip(targets) {
                if let Phase::Failed(failure) = partition.phase() {
                    return Err(NotYet(format!("partition {}: {}", partition.id.index, failure.reason)));
                }
                let end = partition.acknowledged();
                acknowledged = acknowledged.wrapping_add(end.unwrap_or(-1));
                if end.is_some_and(|end| end >= *target) {
                    partition.freeze();
                }
                match partition.drained_at() {
                    Some(end) if end >= *target => ends.push(end),
                    // A leader change has cost the log its end.
                    Some(_) => partition.thaw(),
                    None => {}
                }
            }
            if ends.len() == targets.len() {
                if any_told {
                    self.waits.set(
                        self.topic(),
                        "all records are there: waiting until they are replicated and fenced",
                    );
                }
                return Ok(ends);
            }
            if acknowledged != reached {
                (moved, reached) = (tokio::time::Instant::now(), acknowledged);
            }
            if moved.elapsed() >= STANDS_STILL {
                return Err(NotYet(self.what_lags(targets)));
            }
            if told.elapsed() >= TELL_EVERY {
                (told, any_told) = (tokio::time::Instant::now(), true);
                self.waits.set(self.topic(), &self.what_lags(targets));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Which partition still lacks records of the source, or has some under way, and what holds it back; for people.
    fn what_lags(&self, targets: &[i64]) -> String {
        let rows = || self.partitions.iter().zip(targets);
        let at = |partition: &Partition| partition.acknowledged().unwrap_or(-1);
        if let Some((partition, target)) = rows().find(|(partition, target)| at(partition) < **target) {
            let (index, at) = (partition.id.index, at(partition));
            let held = partition.progress.held().map_or_else(String::new, |held| {
                format!(", behind an open transaction of the source at offset {}", held.offset)
            });
            return format!("waiting for records: partition {index} is at offset {at} of {target}{held}");
        }
        match rows().find(|(partition, _)| partition.drained_at().is_none()) {
            Some((partition, _)) => {
                format!("waiting for what is on its way to the destination: partition {}", partition.id.index)
            }
            None => "waiting for records".to_owned(),
        }
    }

    /// Waits until the high watermark has reached the log end on every partition. A high watermark beyond it says that
    /// somebody else has appended: the register is read again, which tells whether that was another Linkgate.
    async fn settled(&self, targets: &[i64]) -> Result<(), NotYet> {
        let deadline = tokio::time::Instant::now() + REPLICATED_WITHIN;
        let (mut looks, mut pause) = (0, POLL);
        loop {
            let ends = self.stand_still(targets).await?;
            let marks = self.ends(&self.destination, "destination", self.topic()).await?;
            if looks < LOOKS && self.look_again_beyond(&ends, &marks) {
                looks += 1;
                continue;
            }
            match first_loss(targets, &ends, &marks) {
                None => return Ok(()),
                Some(broken) if tokio::time::Instant::now() >= deadline => {
                    return Err(NotYet(format!("waiting for replication: {}", broken.what)));
                }
                Some(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(LONGEST_POLL);
        }
    }

    /// Has the registers read again of partitions whose high watermark lies beyond the log end; whether there are any.
    fn look_again_beyond(&self, ends: &[i64], marks: &[i64]) -> bool {
        let mut any = false;
        for (partition, (end, mark)) in self.partitions.iter().zip(ends.iter().zip(marks)) {
            if mark > end {
                partition.reset("the destination's log goes on behind our last append", None);
                any = true;
            }
        }
        any
    }

    /// Waits until the high watermarks have reached these log ends.
    async fn replicated(&self, ends: &[i64]) -> Result<(), NotYet> {
        match self.replicated_within(ends, REPLICATED_WITHIN).await? {
            None => Ok(()),
            Some(marks) => Err(NotYet(self.late(ends, &marks))),
        }
    }

    fn late(&self, ends: &[i64], marks: &[i64]) -> String {
        for (partition, (end, mark)) in self.partitions.iter().zip(ends.iter().zip(marks)) {
            if mark < end {
                let index = partition.id.index;
                return format!(
                    "waiting for replication: partition {index} ends at {end}, its high watermark is {mark}"
                );
            }
        }
        "waiting for replication".to_owned()
    }

    /// Waits for the high watermarks to reach `ends`; where they are when they did not `within` that time.
    async fn replicated_within(&self, ends: &[i64], within: Duration) -> Result<Option<Vec<i64>>, NotYet> {
        let deadline = tokio::time::Instant::now() + within;
        let mut pause = POLL;
        loop {
            let marks = self.ends(&self.destination, "destination", self.topic()).await?;
            if ends.iter().zip(&marks).all(|(end, mark)| mark >= end) {
                return Ok(None);
            }
            if tokio::time::Instant::now() >= deadline {
                return Ok(Some(marks));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_POLL);
        }
    }

    /// Waits until every log begins where the source's does. The link runner trims. Where the destination will not have it
    /// so, the promote goes on: what lies below is filler, or records that the source no longer has.
    async fn trimmed(&self) -> Result<(), NotYet> {
        let deadline = tokio::time::Instant::now() + TRIMMED_WITHIN;
        loop {
            let mut late = None;
            for partition in &self.partitions {
                match partition.starts_where_it_should() {
                    Ok(true) => {}
                    Ok(false) => late = Some(partition.id.index),
                    Err(reason) => self.go_on_without(format!("partition {}: {reason}", partition.id.index)),
                }
            }
            match late {
                None => return Ok(()),
                Some(index) if tokio::time::Instant::now() >= deadline => {
                    return Err(NotYet(format!(
                        "the log start of partition {index} does not follow the source yet"
                    )));
                }
                Some(_) => tokio::time::sleep(LONGEST_POLL).await,
            }
        }
    }

    /// High watermarks of all partitions, in order.
    async fn ends(&self, cluster: &Cluster, side: &str, topic: &str) -> Result<Vec<i64>, NotYet> {
        // Single questions travel together with those of other topics.
        let asked = self.partitions.iter().map(|partition| async {
            let index = partition.id.index;
            let listed = cluster.list_offset(topic, index, OffsetSpec::Latest).await;
            listed.map(|listed| listed.offset).map_err(|error| {
                NotYet(format!("the {side} does not tell the end of partition {index}: {error}"))
            })
        });
        join_all(asked).await.into_iter().collect()
    }
}

/// The first partition that the mirror holds less of than a promote may lose, or has not replicated.
fn first_loss(targets: &[i64], ends: &[i64], marks: &[i64]) -> Option<Broken> {
    let rows = targets.iter().zip(ends.iter().zip(marks));
    rows.map(|(target, (end, mark))| invariant::promote_loses_nothing(*target, *end, *mark))
        .find_map(Result::err)
}
