//! Whether the source still is the log that the mirror is a copy of.
//!
//! While it runs, the engine gives the leader epoch of the last copied batch with each fetch, and the source tells when its log
//! has diverged from that. A process that just started knows no epoch. It compares the last record of the mirror with what
//! the source has at that offset: an unclean election, or a restored disk, leaves another record there, or none.

use std::time::Duration;

use state::model::MirrorError;
use tracing::{debug, info};

use super::log_bounds::{At, batch_at};
use super::partition::{Failure, Partition};
use crate::client::{ClientError, Cluster, ErrorKind, Side};
use crate::wire::batch::RawBatch;
use crate::wire::densify::MAX_DECOMPRESSED;
use crate::wire::filler::{Mark, mark};
use crate::wire::lookup::record_at;

/// An answer later than this does not count.
const WITHIN: Duration = Duration::from_secs(10);

/// What a comparison says.
#[derive(Debug, PartialEq, Eq)]
enum Lineage {
    /// One record on both sides; the leader epoch of the source's batch.
    Same(i32),
    /// Two records at one offset.
    Other,
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
    match tokio::time::timeout(WITHIN, compare(source, destination, partition, next - 1)).await {
        Ok(Ok(Lineage::Same(epoch))) => partition.lineage_checked(attempt, epoch),
        Ok(Ok(Lineage::Unknown)) => partition.lineage_checked(attempt, -1),
        Ok(Ok(Lineage::Other)) => {
            let offset = next - 1;
            info!(
                link,
                topic,
                partition = index,
                offset,
                "the source has another record at the mirror's end"
            );
            partition.fail(Failure {
                error: MirrorError::UnexpectedTruncation,
                reason: format!(
                    "the record at offset {offset}, the mirror's last one, is not what the source has there: the source log was truncated and written anew"
                ),
            });
        }
        Ok(Err(error)) => {
            debug!(link, topic, partition = index, %error, "the mirror's end cannot be compared with the source yet");
            partition.lineage_unclear(&format!(
                "the mirror's end cannot be compared with the source yet: {error}"
            ));
        }
        Err(_) => {
            partition.lineage_unclear("the mirror's end cannot be compared with the source yet: no answer")
        }
    }
}

async fn compare(
    source: &Cluster,
    destination: &Cluster,
    partition: &Partition,
    offset: i64,
) -> Result<Lineage, ClientError> {
    let id = &partition.id;
    let here = match batch_at(destination, &id.topic, id.index, offset).await? {
        At::Batch(batch) => batch,
        At::OutOfRange => return Ok(Lineage::Unknown),
        // Not replicated yet.
        At::Nothing => {
            let kind = ErrorKind::NoLeader {
                topic: id.topic.clone(),
                partition: id.index,
                code: crate::wire::error_code::ErrorCode::OFFSET_NOT_AVAILABLE,
            };
            return Err(ClientError::new(Side::Destination, kind));
        }
    };
    // The fetch that follows tells of a source that does not reach here.
    let At::Batch(there) = batch_at(source, &id.source_topic, id.index, offset).await? else {
        return Ok(Lineage::Unknown);
    };
    Ok(judge(&here, &there, offset))
}

/// Pure. A batch that cannot be read is left to those who have to.
fn judge(here: &RawBatch, there: &RawBatch, offset: i64) -> Lineage {
    if mark(&here.header) == Mark::Filler || there.header.base_offset > offset {
        return Lineage::Unknown;
    }
    let Ok(Some(ours)) = record_at(here, offset, MAX_DECOMPRESSED) else { return Lineage::Unknown };
    if there.header.is_control() {
        return Lineage::Other;
    }
    match record_at(there, offset, MAX_DECOMPRESSED) {
        Ok(Some(theirs)) if theirs == ours => Lineage::Same(there.header.partition_leader_epoch),
        Ok(Some(_)) => Lineage::Other,
        Ok(None) | Err(_) => Lineage::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::batch::testing::{batch, header, records};
    use crate::wire::batch::{BatchHeader, CONTROL};

    fn at(base_offset: i64, count: i32, shift: i64) -> RawBatch {
        let header = header(base_offset, count);
        batch(BatchHeader { base_timestamp: header.base_timestamp + shift, ..header }, &records(count))
    }

    #[test]
    fn one_record_on_both_sides_is_one_lineage_whatever_the_batches() {
        assert_eq!(judge(&at(4, 3, 0), &at(5, 2, 0), 6), Lineage::Same(7));
    }

    #[test]
    fn another_record_or_a_marker_is_another_lineage() {
        assert_eq!(judge(&at(4, 3, 0), &at(5, 2, 1), 6), Lineage::Other);
        let marker = batch(BatchHeader { attributes: CONTROL, ..header(6, 1) }, &records(1));
        assert_eq!(judge(&at(4, 3, 0), &marker, 6), Lineage::Other);
    }

    #[test]
    fn where_either_side_has_no_record_nothing_is_known() {
        let gone = at(9, 1, 0);
        assert_eq!(judge(&at(4, 3, 0), &gone, 6), Lineage::Unknown);
        let ids =
            crate::wire::rehead::WriterIds { producer_id: 1 << 62, producer_epoch: 0, base_sequence: 0 };
        let filler = RawBatch::parse(&crate::wire::filler::filler(7, 5, ids)).unwrap();
        assert_eq!(judge(&filler, &at(5, 2, 0), 6), Lineage::Unknown);
    }
}
