//! Whether the source still is the log that the mirror is a copy of.
//!
//! While it runs, the engine gives the leader epoch of the last copied batch with each fetch, and the source tells when its log
//! has diverged from that. A process that just started knows no epoch, and others are in doubt ([`super::partition`]'s `origin`). Then
//! the last record of the mirror is compared with what the source has at that offset: an unclean election, or a restored disk,
//! leaves another record there, or none. A mirror that ends in filler is compared at the record before it.

use std::time::Duration;

use state::model::MirrorError;
use tracing::{debug, info};

use super::fetched::truncated;
use super::log_bounds::{At, batch_at, list_offset, log_end_offset};
use super::partition::{Failure, Partition};
use crate::client::admin::OffsetSpec;
use crate::client::{ClientError, Cluster, ErrorKind, Side};
use crate::wire::batch::RawBatch;
use crate::wire::densify::MAX_DECOMPRESSED;
use crate::wire::error_code::ErrorCode;
use crate::wire::filler::{Mark, mark};
use crate::wire::lookup::{Content, last_record};

/// An answer later than this does not count.
const WITHIN: Duration = Duration::from_secs(10);
/// Batches of a mirror that are looked at, from its end backwards, for a record that can be compared.
const LOOK_BACK: usize = 16;

/// What a comparison says.
#[derive(Debug, PartialEq, Eq)]
enum Lineage {
    /// One record on both sides, at this offset; the leader epoch of the source's batch.
    Same(i64, i32),
    /// Two records at this offset.
    Other(i64),
    /// The source's log ends here, before the mirror's does.
    Short(i64),
    /// Nothing to compare: filler here, or the source no longer has the record.
    Unknown,
}

/// Compares the record before `next`, where the mirror's log ends, and tells the partition.
pub(super) async fn check(
    source: &Cluster,
    destination: &Cluster,
    link: &str,
    partition: &Partition,
    next: i64,
) {
    let attempt = partition.attempt();
    let (topic, index) = (partition.id.topic.as_str(), partition.id.index);
    match tokio::time::timeout(WITHIN, compare(source, destination, partition, next)).await {
        // What stands behind is filler: of its epoch nothing is known.
        Ok(Ok(Lineage::Same(offset, epoch))) => {
            partition.lineage_checked(attempt, if offset == next - 1 { epoch } else { -1 });
        }
        Ok(Ok(Lineage::Unknown)) => partition.lineage_checked(attempt, -1),
        Ok(Ok(Lineage::Short(end))) => partition.fail_attempt(attempt, truncated(next, end)),
        Ok(Ok(Lineage::Other(offset))) => {
            info!(
                link,
                topic,
                partition = index,
                offset,
                "the source has another record at the mirror's end"
            );
            let failure = Failure {
                error: MirrorError::UnexpectedTruncation,
                reason: format!(
                    "the record at offset {offset}, the mirror's last one, is not what the source has there: the source log was truncated and written anew"
                ),
            };
            partition.fail_attempt(attempt, failure);
        }
        Ok(Err(error)) => {
            debug!(link, topic, partition = index, %error, "the mirror's end cannot be compared with the source yet");
            let why = format!("the mirror's end cannot be compared with the source yet: {error}");
            partition.lineage_unclear(attempt, &why);
        }
        Err(_) => {
            let why = "the mirror's end cannot be compared with the source yet: no answer";
            partition.lineage_unclear(attempt, why);
        }
    }
}

async fn compare(
    source: &Cluster,
    destination: &Cluster,
    partition: &Partition,
    next: i64,
) -> Result<Lineage, ClientError> {
    let id = &partition.id;
    let (source_topic, index) = (id.source_topic.as_str(), id.index);
    let Some((offset, ours)) = last_of(destination, &id.topic, index, next).await? else {
        return Ok(Lineage::Unknown);
    };
    match batch_at(source, source_topic, index, offset).await? {
        At::Batch(there) => return Ok(judge(&ours, &there, offset)),
        At::Nothing | At::OutOfRange => {}
    }
    // Only what its high watermark had passed was ever copied, so an end at or below is a truncation; -1 is no end,
    // but a log without leader epochs.
    let end = log_end_offset(source, source_topic, index).await?;
    if (0..=offset).contains(&end) {
        return Ok(Lineage::Short(end));
    }
    if list_offset(source, source_topic, index, OffsetSpec::Earliest).await? > offset {
        return Ok(Lineage::Unknown);
    }
    // A leader that is new has yet to learn how far its log is replicated.
    Err(not_visible(Side::Source, source_topic, index))
}

/// The last record of a mirror that ends at `next`, and its offset; `None` where filler, or what cannot be read, stands there for longer than
/// is looked back.
async fn last_of(
    destination: &Cluster,
    topic: &str,
    index: i32,
    next: i64,
) -> Result<Option<(i64, Content)>, ClientError> {
    let mut offset = next - 1;
    for look in 0..LOOK_BACK {
        let batch = match batch_at(destination, topic, index, offset).await? {
            At::Batch(batch) => batch,
            // Not replicated yet.
            At::Nothing if look == 0 => return Err(not_visible(Side::Destination, topic, index)),
            At::Nothing | At::OutOfRange => return Ok(None),
        };
        if mark(&batch.header) != Mark::Filler {
            match last_record(&batch, offset, MAX_DECOMPRESSED) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                // A batch that cannot be read is left to those who have to.
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

/// Pure. A batch that cannot be read is left to those who have to.
fn judge(ours: &Content, there: &RawBatch, offset: i64) -> Lineage {
    if there.header.base_offset > offset {
        return Lineage::Unknown;
    }
    if there.header.is_control() {
        return Lineage::Other(offset);
    }
    match last_record(there, offset, MAX_DECOMPRESSED) {
        Ok(Some((at, theirs))) if at == offset && theirs == *ours => {
            Lineage::Same(offset, there.header.partition_leader_epoch)
        }
        Ok(Some((at, _))) if at == offset => Lineage::Other(offset),
        Ok(_) | Err(_) => Lineage::Unknown,
    }
}

#[cfg(test)]
mod tests;
