//! Promote: catch up with the source as it was when asked, wait until that is replicated, sync a last time, open.

use std::time::Duration;

use state::invariant;
use state::model::Stop;

use super::{NotYet, StopJob};
use crate::client::Cluster;
use crate::client::admin::{Isolation, OffsetSpec};
use crate::mirror::partition::Phase;

/// How often progress is looked at.
const POLL: Duration = Duration::from_millis(5);
/// How long one attempt waits for the log starts.
const TRIMMED_WITHIN: Duration = Duration::from_secs(10);
/// How long one attempt waits for the high watermark to reach the log end.
const REPLICATED_WITHIN: Duration = Duration::from_secs(10);

impl StopJob {
    /// One attempt. Whatever holds it up before the last step, mirroring goes on meanwhile.
    ///
    /// Returns the log end offsets.
    pub(super) async fn promote(&self) -> Result<Vec<i64>, NotYet> {
        let attempt = self.catch_up_and_open().await;
        // A fenced log takes no more appends; and once configs are the source's, none should be tried.
        let past_return = self.configs.is_opening(&self.mirror) || self.is_any_fenced();
        if attempt.is_err() && !past_return {
            self.partitions.iter().for_each(|partition| partition.thaw());
        }
        attempt
    }

    fn is_any_fenced(&self) -> bool {
        self.partitions.iter().any(|partition| partition.is_fenced())
    }

    async fn catch_up_and_open(&self) -> Result<Vec<i64>, NotYet> {
        // An earlier attempt that wrote a fence, or got to the configs, had caught up.
        let caught_up = self.is_any_fenced() || self.configs.is_opening(&self.mirror);
        let mut ends = if caught_up {
            self.drain(&vec![0; self.partitions.len()]).await?
        } else {
            let targets = self.ends(&self.source, "source", &self.mirror.source_topic).await?;
            self.drain(&targets).await?
        };
        // From here on a partition that is interrupted comes back to a standstill.
        self.partitions.iter().for_each(|partition| partition.close());
        self.replicated(&ends).await?;
        self.trimmed().await?;
        // Before the configs become the source's: some would make the broker refuse or rebuild a fence.
        if self.is_any_fenced()
            || !self.partitions.iter().all(|partition| partition.all_appends_accounted_for())
        {
            ends = self.fence().await?;
            self.replicated(&ends).await?;
        }
        self.offsets
            .final_sync(&self.mirror.link, self.topic())
            .await
            .map_err(|error| NotYet(format!("group offsets: {error}")))?;
        self.standing_at(&ends)?;
        self.configs
            .final_sync(&self.mirror.link, self.topic())
            .await
            .map_err(|error| NotYet(format!("topic configs: {error}")))?;
        self.standing_at(&ends)?;
        self.complete(Stop::Promote, ends.clone()).await?;
        Ok(ends)
    }

    /// Nothing may have moved while the last syncs ran.
    fn standing_at(&self, ends: &[i64]) -> Result<(), NotYet> {
        let moved =
            self.partitions.iter().zip(ends).any(|(partition, end)| partition.drained_at() != Some(*end));
        if moved { Err(NotYet("a partition was interrupted; looking again".to_owned())) } else { Ok(()) }
    }

    /// Waits until every partition has what the source had, and nothing queued or in flight.
    async fn drain(&self, targets: &[i64]) -> Result<Vec<i64>, NotYet> {
        loop {
            let mut ends = Vec::with_capacity(targets.len());
            for (partition, target) in self.partitions.iter().zip(targets) {
                if let Phase::Failed(failure) = partition.phase() {
                    return Err(NotYet(format!("partition {}: {}", partition.id.index, failure.reason)));
                }
                if partition.acknowledged().is_some_and(|end| end >= *target) {
                    partition.freeze();
                }
                match partition.drained_at() {
                    // A fence was written when everything before it was there.
                    Some(end) if end >= *target || partition.is_fenced() => ends.push(end),
                    Some(_) => partition.thaw(),
                    None => {}
                }
            }
            if ends.len() == targets.len() {
                return Ok(ends);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until the high watermark has reached the log end on every partition.
    async fn replicated(&self, ends: &[i64]) -> Result<(), NotYet> {
        let deadline = tokio::time::Instant::now() + REPLICATED_WITHIN;
        loop {
            let marks = self.ends(&self.destination, "destination", self.topic()).await?;
            let checks = ends
                .iter()
                .zip(&marks)
                .map(|(end, mark)| invariant::promote_loses_nothing(*end, *end, *mark));
            match checks.collect::<Result<(), _>>() {
                Ok(()) => return Ok(()),
                Err(broken) if tokio::time::Instant::now() >= deadline => {
                    return Err(NotYet(format!("waiting for replication: {}", broken.what)));
                }
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Waits until every log begins where the source's does. The link runner trims.
    async fn trimmed(&self) -> Result<(), NotYet> {
        let deadline = tokio::time::Instant::now() + TRIMMED_WITHIN;
        loop {
            let late = self.partitions.iter().find(|partition| !partition.starts_where_it_should());
            match late {
                None => return Ok(()),
                Some(partition) if tokio::time::Instant::now() >= deadline => {
                    let index = partition.id.index;
                    return Err(NotYet(format!(
                        "the log start of partition {index} does not follow the source yet"
                    )));
                }
                Some(_) => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// High watermarks of all partitions, in order.
    async fn ends(&self, cluster: &Cluster, side: &str, topic: &str) -> Result<Vec<i64>, NotYet> {
        let asked = self
            .partitions
            .iter()
            .map(|partition| (topic.to_owned(), partition.id.index, OffsetSpec::Latest));
        let answers = cluster.list_offsets(asked.collect(), Isolation::ReadUncommitted).await;
        self.partitions
            .iter()
            .map(|partition| {
                let index = partition.id.index;
                match answers.get(&(topic.to_owned(), index)) {
                    Some(Ok(listed)) => Ok(listed.offset),
                    Some(Err(error)) => {
                        Err(NotYet(format!("the {side} does not tell the end of partition {index}: {error}")))
                    }
                    None => Err(NotYet(format!("the {side} does not tell the end of partition {index}"))),
                }
            })
            .collect()
    }
}
