//! The truncation check: compares the end of a mirror with the source's log.
//!
//! While it runs, the engine names the leader epoch of the last copied batch in each fetch, and the source
//! reports when its log has diverged from that. A process that just started knows no epoch, and there are
//! other cases of doubt ([`crate::mirror::replication::partition`]'s `origin`). Then the last record of the mirror is compared
//! with the source's record at that offset: an unclean election or a restored disk leaves another record
//! there, or none. A mirror that ends in filler is compared at the record before it.

use std::time::Duration;

use state::model::MirrorError;
use tracing::{debug, info};

use crate::client::types::OffsetSpec;
use crate::client::{ClientError, Cluster, ErrorKind, Side};
use crate::mirror::log_bounds::{At, batch_at, list_offset, log_end_offset};
use crate::mirror::replication::failure::PartitionFailure;
use crate::mirror::replication::fetch::response::out_of_range::truncated;
use crate::mirror::replication::partition::Partition;
use crate::wire::protocol::error_code::ErrorCode;
use crate::wire::records::batch::RawBatch;
use crate::wire::records::fill_holes::MAX_DECOMPRESSED;
use crate::wire::records::filler::{FillerKind, mark};
use crate::wire::records::find_record::{RecordContent, last_record};

/// Time limit of a comparison.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of batches that are read, from the end of a mirror backwards, to find a record to compare.
const LOOK_BACK: usize = 16;

/// Result of a comparison.
#[derive(Debug, PartialEq, Eq)]
enum TruncationVerdict {
    /// Both sides have the same record at this offset. With the leader epoch of the source's batch.
    Same(i64, i32),
    /// The two sides have different records at this offset.
    Other(i64),
    /// The source's log ends at this offset, before the mirror's.
    Short(i64),
    /// Nothing can be compared: the mirror has filler here, or the source no longer has the record.
    Unknown,
}

/// Compares the record before `next`, the log end of the mirror, and reports the result to the partition.
pub(crate) async fn check(
    source: &Cluster,
    destination: &Cluster,
    link: &str,
    partition: &Partition,
    next: i64,
) {
    let attempt = partition.attempt();
    let (topic, index) = (partition.id.topic.as_str(), partition.id.index);
    match tokio::time::timeout(CHECK_TIMEOUT, compare(source, destination, partition, next)).await {
        // If filler follows the record, the epoch of the filler is not known.
        Ok(Ok(TruncationVerdict::Same(offset, epoch))) => {
            partition.truncation_checked(attempt, if offset == next - 1 { epoch } else { -1 });
        }
        Ok(Ok(TruncationVerdict::Unknown)) => partition.truncation_checked(attempt, -1),
        Ok(Ok(TruncationVerdict::Short(end))) => partition.fail(attempt, truncated(next, end)),
        Ok(Ok(TruncationVerdict::Other(offset))) => {
            info!(
                link,
                topic,
                partition = index,
                offset,
                "the source has a different record at the end of the mirror"
            );
            let failure = PartitionFailure {
                error: MirrorError::UnexpectedTruncation,
                reason: format!(
                    "the source has a different record at offset {offset}, the mirror's last one: the \
                     source log was truncated and written again"
                ),
            };
            partition.fail(attempt, failure);
        }
        Ok(Err(error)) => {
            debug!(link, topic, partition = index, %error, "the mirror's end cannot be compared with the source yet");
            let why = format!("the mirror's end cannot be compared with the source yet: {error}");
            partition.truncation_unclear(attempt, &why);
        }
        Err(_) => {
            let why = "the mirror's end cannot be compared with the source yet: no answer";
            partition.truncation_unclear(attempt, why);
        }
    }
}

async fn compare(
    source: &Cluster,
    destination: &Cluster,
    partition: &Partition,
    next: i64,
) -> Result<TruncationVerdict, ClientError> {
    let id = &partition.id;
    let (source_topic, index) = (id.source_topic.as_str(), id.index);
    let Some((offset, ours)) = last_of(destination, &id.topic, index, next).await? else {
        return Ok(TruncationVerdict::Unknown);
    };
    match batch_at(source, source_topic, index, offset).await? {
        At::Batch(there) => return Ok(judge(&ours, &there, offset)),
        At::Nothing | At::OutOfRange => {}
    }
    // Only what the source's high watermark had passed was ever copied, so an end at or below the offset
    // means a truncation. An end of -1 means a log without leader epochs.
    let end = log_end_offset(source, source_topic, index).await?;
    if (0..=offset).contains(&end) {
        return Ok(TruncationVerdict::Short(end));
    }
    if list_offset(source, source_topic, index, OffsetSpec::Earliest).await? > offset {
        return Ok(TruncationVerdict::Unknown);
    }
    // A new leader does not know yet how far its log is replicated.
    Err(not_visible(Side::Source, source_topic, index))
}

/// Returns the last record of a mirror that ends at `next`, and its offset. Returns `None` if a batch cannot
/// be read, or if the last [`LOOK_BACK`] batches hold nothing but filler.
async fn last_of(
    destination: &Cluster,
    topic: &str,
    index: i32,
    next: i64,
) -> Result<Option<(i64, RecordContent)>, ClientError> {
    let mut offset = next - 1;
    for look in 0..LOOK_BACK {
        let batch = match batch_at(destination, topic, index, offset).await? {
            At::Batch(batch) => batch,
            // The record is not replicated yet.
            At::Nothing if look == 0 => return Err(not_visible(Side::Destination, topic, index)),
            At::Nothing | At::OutOfRange => return Ok(None),
        };
        if mark(&batch.header) != FillerKind::Filler {
            match last_record(&batch, offset, MAX_DECOMPRESSED) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                // This check does not judge a batch that it cannot read; fetches and consumers will.
                Err(_) => return Ok(None),
            }
        }
        offset = batch.header.base_offset.min(offset) - 1;
        if offset < 0 {
            break;
        }
    }
    Ok(None)
}

fn not_visible(side: Side, topic: &str, partition: i32) -> ClientError {
    let code = ErrorCode::OFFSET_NOT_AVAILABLE;
    ClientError::new(side, ErrorKind::NoLeader { topic: topic.to_owned(), partition, code })
}

/// Judges the source's batch at the offset of our record. Pure. It does not judge a batch that it cannot
/// read.
fn judge(ours: &RecordContent, there: &RawBatch, offset: i64) -> TruncationVerdict {
    if there.header.base_offset > offset {
        return TruncationVerdict::Unknown;
    }
    if there.header.is_control() {
        return TruncationVerdict::Other(offset);
    }
    match last_record(there, offset, MAX_DECOMPRESSED) {
        Ok(Some((at, theirs))) if at == offset && theirs == *ours => {
            TruncationVerdict::Same(offset, there.header.partition_leader_epoch)
        }
        Ok(Some((at, _))) if at == offset => TruncationVerdict::Other(offset),
        Ok(_) | Err(_) => TruncationVerdict::Unknown,
    }
}

#[cfg(test)]
mod tests;
