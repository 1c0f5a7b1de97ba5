//! Promote: catches up with the end of the source, waits until that is replicated, fences, syncs a last time,
//! opens the topic.

use std::time::Duration;

use futures::future::join_all;
use state::invariant::{self, Broken};
use state::model::{Fencing, StopKind};

use crate::client::Cluster;
use crate::client::types::OffsetSpec;
use crate::mirror::replication::partition::{Partition, Phase};
use crate::mirror::stop::{NotYet, StopJob};

/// Interval between two looks at the progress.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Minimum interval between updates of the reason that is shown to operators.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// Time without progress on any partition after which the attempt starts over: it asks the source again for
/// its identity and its log ends.
const STALL_AFTER: Duration = Duration::from_secs(60);
/// Maximum pause between two requests for high watermarks.
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Maximum time that one attempt waits for the log starts.
const TRIM_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time that one attempt waits for the high watermark to reach the log end.
const REPLICATION_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of position recoveries because the destination's log goes on behind our last append.
const MAX_LOOKS: u32 = 3;

impl StopJob {
    /// Makes one attempt. If it is held up before the fences, mirroring goes on.
    ///
    /// Returns the log end offsets.
    pub(crate) async fn promote(&self) -> Result<Vec<i64>, NotYet> {
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
        // After a restart no append position was read. Group offsets are synced only up to the known log end.
        for (partition, end) in self.partitions.iter().zip(&ends) {
            partition.progress.update(|progress| progress.log_end_offset = *end);
        }
        self.last_offsets().await?;
        self.last_configs().await?;
        self.complete(StopKind::Promote, ends.clone()).await?;
        Ok(ends)
    }

    /// Waits until all partitions hold what the source holds now, have nothing queued or in flight, are
    /// replicated, and begin where the source's logs do.
    async fn catch_up(&self) -> Result<(), NotYet> {
        self.source_is_mirrored_whole().await?;
        let targets = self.ends(&self.source, "source", &self.mirror.source_topic).await?;
        self.stand_still(&targets).await?;
        self.trimmed().await?;
        self.settled(&targets).await
    }

    /// Fences all partitions and waits until the fences are replicated, so that a leader change cannot lose
    /// one.
    async fn fence_all(&self) -> Result<Vec<i64>, NotYet> {
        // With other config values the broker would refuse a fence, or rebuild it so that it is no longer
        // recognised.
        self.configs.own(&self.mirror).await.map_err(|error| {
            NotYet(format!("cannot set the configs that Linkgate needs while it mirrors: {error}"))
        })?;
        let ends = self.fence().await?;
        self.replicated(&ends).await?;
        self.record_fencing(Fencing::Done { log_end_offsets: ends.clone() }).await?;
        Ok(ends)
    }

    /// Waits until every partition has reached its target and has nothing queued or in flight. From then on,
    /// a partition comes back frozen after an interruption. Returns the log ends.
    async fn stand_still(&self, targets: &[i64]) -> Result<Vec<i64>, NotYet> {
        let ends = self.drained(targets).await?;
        self.partitions.iter().for_each(|partition| partition.close());
        Ok(ends)
    }

    pub(crate) async fn drained(&self, targets: &[i64]) -> Result<Vec<i64>, NotYet> {
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
                    // A leader change lost the end of the log.
                    Some(_) => partition.thaw(),
                    None => {}
                }
            }
            if ends.len() == targets.len() {
                if any_told {
                    self.waits.set(
                        self.topic(),
                        "all records are copied: waiting until they are replicated and fenced",
                    );
                }
                return Ok(ends);
            }
            if acknowledged != reached {
                (moved, reached) = (tokio::time::Instant::now(), acknowledged);
            }
            if moved.elapsed() >= STALL_AFTER {
                return Err(NotYet(self.what_lags(targets)));
            }
            if told.elapsed() >= PROGRESS_INTERVAL {
                (told, any_told) = (tokio::time::Instant::now(), true);
                self.waits.set(self.topic(), &self.what_lags(targets));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Names, for operators, a partition that lacks records of the source or has batches in flight, and what
    /// holds it back.
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
                format!("waiting for batches in flight to the destination: partition {}", partition.id.index)
            }
            None => "waiting for records".to_owned(),
        }
    }

    /// Waits until the high watermark has reached the log end on every partition. A high watermark beyond the
    /// log end means that another producer has appended. Then the append position is recovered again, which
    /// shows whether that was another Linkgate.
    async fn settled(&self, targets: &[i64]) -> Result<(), NotYet> {
        let deadline = tokio::time::Instant::now() + REPLICATION_TIMEOUT;
        let (mut looks, mut pause) = (0, POLL_INTERVAL);
        loop {
            let ends = self.stand_still(targets).await?;
            let marks = self.ends(&self.destination, "destination", self.topic()).await?;
            if looks < MAX_LOOKS && self.look_again_beyond(&ends, &marks) {
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
            pause = (pause * 2).min(MAX_POLL_INTERVAL);
        }
    }

    /// Resets the partitions whose high watermark lies beyond the log end, so that their append position is
    /// recovered again. Returns true if there are any.
    fn look_again_beyond(&self, ends: &[i64], marks: &[i64]) -> bool {
        let mut any = false;
        for (partition, (end, mark)) in self.partitions.iter().zip(ends.iter().zip(marks)) {
            if mark > end {
                partition.restart("the destination's log continues behind Linkgate's last append", None);
                any = true;
            }
        }
        any
    }

    /// Waits until the high watermarks have reached these log ends.
    async fn replicated(&self, ends: &[i64]) -> Result<(), NotYet> {
        match self.replicated_within(ends, REPLICATION_TIMEOUT).await? {
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

    /// Waits until the high watermarks have reached `ends`. Returns the current high watermarks if that takes
    /// longer than `within`.
    async fn replicated_within(&self, ends: &[i64], within: Duration) -> Result<Option<Vec<i64>>, NotYet> {
        let deadline = tokio::time::Instant::now() + within;
        let mut pause = POLL_INTERVAL;
        loop {
            let marks = self.ends(&self.destination, "destination", self.topic()).await?;
            if ends.iter().zip(&marks).all(|(end, mark)| mark >= end) {
                return Ok(None);
            }
            if tokio::time::Instant::now() >= deadline {
                return Ok(Some(marks));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_POLL_INTERVAL);
        }
    }

    /// Waits until every log begins where the source's log does. The link runner trims the logs. If the
    /// destination refuses that, the promote goes on: below that offset there is only filler, or records that
    /// the source no longer has.
    async fn trimmed(&self) -> Result<(), NotYet> {
        let deadline = tokio::time::Instant::now() + TRIM_TIMEOUT;
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
                Some(_) => tokio::time::sleep(MAX_POLL_INTERVAL).await,
            }
        }
    }

    /// Returns the high watermarks of all partitions, in partition order.
    async fn ends(&self, cluster: &Cluster, side: &str, topic: &str) -> Result<Vec<i64>, NotYet> {
        // The client combines these questions about single partitions with those of other topics.
        let asked = self.partitions.iter().map(|partition| async {
            let index = partition.id.index;
            let listed = cluster.list_offset(topic, index, OffsetSpec::Latest).await;
            listed.map(|listed| listed.offset).map_err(|error| {
                NotYet(format!("the {side}'s end of partition {index} cannot be read: {error}"))
            })
        });
        join_all(asked).await.into_iter().collect()
    }
}

/// Checks `promote-loses-nothing`. Returns the first partition that lacks records of the source or is not
/// replicated.
fn first_loss(targets: &[i64], ends: &[i64], marks: &[i64]) -> Option<Broken> {
    let rows = targets.iter().zip(ends.iter().zip(marks));
    rows.map(|(target, (end, mark))| invariant::promote_loses_nothing(*target, *end, *mark))
        .find_map(Result::err)
}
