//! Reads the logs of one topic in pieces of bounded size, and reports the tallies so far.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use crate::client::admin::Isolation;
use crate::client::types::OffsetSpec;
use crate::client::{ClientError, Cluster, Connection};
use crate::mirror::filler_report::counts::PartitionFiller;
use crate::mirror::pause_after;
use crate::wire::protocol::error_code::ErrorCode;
use crate::wire::records::walk::walk;

/// Maximum size of one read, in bytes. The broker sends one whole batch even if it is larger.
const READ_BYTES: i32 = 1 << 20;
/// Last Fetch version that identifies topics by name.
const FETCH_VERSION: i16 = 12;
/// Number of consecutive failed reads of a partition after which the census fails.
const FAILURES: u32 = 10;
/// Maximum pause after a read.
const MAX_REST: Duration = Duration::from_secs(1);

/// Scan of the logs of one topic.
pub(crate) struct Scan {
    pub(crate) destination: Cluster,
    pub(crate) topic: String,
    pub(crate) partitions: u32,
    /// Log end offset of the stopped mirror, by partition: filler lies only below it. Empty while the topic
    /// is mirrored.
    pub(crate) stopped_at: Vec<i64>,
}

/// Result of one read.
enum ScanRead {
    /// Whole batches. Empty if there is nothing at or after the offset.
    Records(Bytes),
    /// The log now begins beyond the offset.
    BelowStart,
}

/// Reasons why a read returned nothing.
enum ReadError {
    /// The leader may have moved or may not be ready. A retry may succeed.
    Later(String),
    /// A retry cannot succeed.
    Never(String),
}

impl Scan {
    /// Reads all partitions, one after another. Passes the tallies so far to `tell` after every read.
    ///
    /// # Errors
    /// Returns the reason why the scan cannot be finished.
    pub(crate) async fn run(&self, tell: impl Fn(&[PartitionFiller])) -> Result<(), String> {
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
                        // An error here is ignored: the next read reports it.
                        let _refreshed =
                            self.destination.metadata(Some(std::slice::from_ref(&self.topic))).await;
                    }
                }
                tell(&tallies);
                tokio::time::sleep(began.elapsed().min(MAX_REST)).await;
            }
        }
        Ok(())
    }

    /// Looks up the start of each log, and the offset below which filler can be.
    async fn bounds(&self) -> Result<Vec<PartitionFiller>, String> {
        let starts = self.offsets(OffsetSpec::Earliest).await?;
        let mut ends = self.stopped_at.clone();
        // The end of the mirror is not known for every partition.
        if ends.len() != starts.len() || ends.iter().any(|end| *end < 0) {
            ends = self.offsets(OffsetSpec::Latest).await?;
        }
        Ok(starts.into_iter().zip(ends).map(|(start, end)| PartitionFiller::new(start, end)).collect())
    }

    async fn offsets(&self, spec: OffsetSpec) -> Result<Vec<i64>, String> {
        let partitions = i32::try_from(self.partitions).unwrap_or(i32::MAX);
        let wanted = (0..partitions).map(|partition| (self.topic.clone(), partition, spec)).collect();
        let answers = self.destination.list_offsets(wanted, Isolation::ReadUncommitted).await;
        let offsets = answers.into_values().map(|answer| answer.map(|listed| listed.offset));
        offsets.collect::<Result<_, ClientError>>().map_err(|error| error.to_string())
    }

    /// Reads and counts once.
    async fn step(
        &self,
        connection: &mut Option<Connection>,
        partition: i32,
        tally: &mut PartitionFiller,
    ) -> Result<(), ReadError> {
        match self.read(connection, partition, tally.scanned_to).await? {
            ScanRead::Records(records) => {
                let before = tally.scanned_to;
                for batch in walk(&records) {
                    let batch = batch.map_err(|error| ReadError::Never(error.to_string()))?;
                    tally.count(&batch.header);
                }
                if tally.scanned_to == before {
                    // Compaction may have left no batch at the end of the log.
                    tally.finish();
                }
            }
            ScanRead::BelowStart => {
                let start = self.log_start(partition).await?;
                if start <= tally.scanned_to {
                    return Err(ReadError::Later(format!("offset {} is out of range", tally.scanned_to)));
                }
                // Start over: the batches counted so far may be gone too.
                *tally = PartitionFiller::new(start, tally.end);
            }
        }
        Ok(())
    }

    async fn log_start(&self, partition: i32) -> Result<i64, ReadError> {
        let starts = self.offsets(OffsetSpec::Earliest).await.map_err(ReadError::Later)?;
        let start = usize::try_from(partition).ok().and_then(|index| starts.get(index).copied());
        start.ok_or_else(|| ReadError::Never("the topic has fewer partitions now".to_owned()))
    }

    /// Asks the leader on a separate connection, so that no other request waits behind a read from a slow
    /// disk.
    async fn read(
        &self,
        connection: &mut Option<Connection>,
        partition: i32,
        offset: i64,
    ) -> Result<ScanRead, ReadError> {
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
        let found = found.ok_or_else(|| ReadError::Later("the broker's response has no partition".into()))?;
        match ErrorCode(found.error_code) {
            ErrorCode::NONE => Ok(ScanRead::Records(found.records.unwrap_or_default())),
            ErrorCode::OFFSET_OUT_OF_RANGE => Ok(ScanRead::BelowStart),
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
