//! Reads the logs of one topic, a bounded piece at a time, and tells what it has seen so far.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::tally::PartitionTally;
use crate::client::admin::{Isolation, OffsetSpec};
use crate::client::{ClientError, Cluster, Connection};
use crate::mirror::pause_after;
use crate::wire::error_code::ErrorCode;
use crate::wire::walk::walk;

/// Bytes of one read. The broker sends one whole batch even when that is larger.
const READ_BYTES: i32 = 1 << 20;
/// Last Fetch version that names topics.
const FETCH_VERSION: i16 = 12;
/// Reads of a partition that may fail in a row before the census does.
const FAILURES: u32 = 10;
/// Longest pause after a read.
const REST: Duration = Duration::from_secs(1);

/// The logs of one topic.
pub(super) struct Scan {
    pub(super) destination: Cluster,
    pub(super) topic: String,
    pub(super) partitions: u32,
    /// Where its mirror ended, by partition: no filler stands behind. Empty while it is mirrored.
    pub(super) stopped_at: Vec<i64>,
}

/// What one read brought.
enum Read {
    /// Whole batches, or none when there is nothing at or after the offset.
    Records(Bytes),
    /// The log begins further on by now.
    BelowStart,
}

/// Why a read brought nothing.
enum ReadError {
    /// The leader may be elsewhere, or not ready.
    Later(String),
    /// It will not get better.
    Never(String),
}

impl Scan {
    /// Reads all partitions, one after another; `tell` gets what has been found after every read.
    ///
    /// # Errors
    /// Why it cannot be finished.
    pub(super) async fn run(&self, tell: impl Fn(&[PartitionTally])) -> Result<(), String> {
        let mut tallies = self.bounds().await?;
        tell(&tallies);
        for index in 0..tallies.len() {
            let partition = i32::try_from(index).unwrap_or(i32::MAX);
            let mut failures = 0;
            let mut connection = None;
            while let Some(tally) = tallies.get_mut(index).filter(|tally| !tally.is_read()) {
                let began = Instant::now();
                match self.step(&mut connection, partition, tally).await {
                    Ok(()) => failures = 0,
                    Err(ReadError::Never(reason)) => return Err(format!("partition {partition}: {reason}")),
                    Err(ReadError::Later(reason)) => {
                        failures += 1;
                        if failures >= FAILURES {
                            return Err(format!("partition {partition}: {reason}"));
                        }
                        connection = None;
                        tokio::time::sleep(pause_after(failures)).await;
                        // When nobody answers, the next read says so itself.
                        let _refreshed =
                            self.destination.metadata(Some(std::slice::from_ref(&self.topic))).await;
                    }
                }
                tell(&tallies);
                tokio::time::sleep(began.elapsed().min(REST)).await;
            }
        }
        Ok(())
    }

    /// Where each log begins, and where filler can be at most.
    async fn bounds(&self) -> Result<Vec<PartitionTally>, String> {
        let starts = self.offsets(OffsetSpec::Earliest).await?;
        let mut ends = self.stopped_at.clone();
        // It is not known of all partitions where mirroring ended.
        if ends.len() != starts.len() || ends.iter().any(|end| *end < 0) {
            ends = self.offsets(OffsetSpec::Latest).await?;
        }
        Ok(starts.into_iter().zip(ends).map(|(start, end)| PartitionTally::new(start, end)).collect())
    }

    async fn offsets(&self, spec: OffsetSpec) -> Result<Vec<i64>, String> {
        let partitions = i32::try_from(self.partitions).unwrap_or(i32::MAX);
        let wanted = (0..partitions).map(|partition| (self.topic.clone(), partition, spec)).collect();
        let answers = self.destination.list_offsets(wanted, Isolation::ReadUncommitted).await;
        let offsets = answers.into_values().map(|answer| answer.map(|listed| listed.offset));
        offsets.collect::<Result<_, ClientError>>().map_err(|error| error.to_string())
    }

    /// One read.
    async fn step(
        &self,
        connection: &mut Option<Connection>,
        partition: i32,
        tally: &mut PartitionTally,
    ) -> Result<(), ReadError> {
        match self.read(connection, partition, tally.scanned_to).await? {
            Read::Records(records) => {
                let before = tally.scanned_to;
                for batch in walk(&records) {
                    let batch = batch.map_err(|error| ReadError::Never(error.to_string()))?;
                    tally.count(&batch.header);
                }
                if tally.scanned_to == before {
                    // The cleaner leaves no batch at the end of some logs.
                    tally.finish();
                }
            }
            Read::BelowStart => {
                let start = self.log_start(partition).await?;
                if start <= tally.scanned_to {
                    return Err(ReadError::Later(format!("offset {} is out of range", tally.scanned_to)));
                }
                // What was counted may be gone, too.
                *tally = PartitionTally::new(start, tally.end);
            }
        }
        Ok(())
    }

    async fn log_start(&self, partition: i32) -> Result<i64, ReadError> {
        let starts = self.offsets(OffsetSpec::Earliest).await.map_err(ReadError::Later)?;
        let start = usize::try_from(partition).ok().and_then(|index| starts.get(index).copied());
        start.ok_or_else(|| ReadError::Never("the topic has fewer partitions by now".to_owned()))
    }

    /// Asks the leader on a connection of its own, so that nobody else waits behind a read from a slow disk.
    async fn read(
        &self,
        connection: &mut Option<Connection>,
        partition: i32,
        offset: i64,
    ) -> Result<Read, ReadError> {
        let later = |error: ClientError| ReadError::Later(error.to_string());
        let open = match connection.take() {
            Some(open) => open,
            None => {
                let leader = self.destination.partition(&self.topic, partition).await.map_err(later)?.leader;
                self.destination.dedicated(leader).await.map_err(later)?
            }
        };
        let response =
            open.call_at_most(self.request(partition, offset), FETCH_VERSION).await.map_err(|error| {
                if error.retriable() { later(error) } else { ReadError::Never(error.to_string()) }
            })?;
        *connection = Some(open);
        ErrorCode(response.error_code).ok().map_err(|code| ReadError::Later(code.name().to_owned()))?;
        let found = response.responses.into_iter().flat_map(|topic| topic.partitions).next();
        let found = found.ok_or_else(|| ReadError::Later("the broker's answer names no partition".into()))?;
        match ErrorCode(found.error_code) {
            ErrorCode::NONE => Ok(Read::Records(found.records.unwrap_or_default())),
            ErrorCode::OFFSET_OUT_OF_RANGE => Ok(Read::BelowStart),
            code if code.retriable() => Err(ReadError::Later(code.name().to_owned())),
            code => Err(ReadError::Never(code.name().to_owned())),
        }
    }

    fn request(&self, partition: i32, offset: i64) -> FetchRequest {
        let wanted = FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(offset)
            .with_current_leader_epoch(-1)
            .with_last_fetched_epoch(-1)
            .with_log_start_offset(-1)
            .with_partition_max_bytes(READ_BYTES);
        let topic = TopicName(StrBytes::from_string(self.topic.clone()));
        FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_bytes(READ_BYTES)
            .with_session_epoch(-1)
            .with_topics(vec![FetchTopic::default().with_topic(topic).with_partitions(vec![wanted])])
    }
}
