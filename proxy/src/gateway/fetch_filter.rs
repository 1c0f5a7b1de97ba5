//! Hides filler in the records of one partition.
//!
//! Filler stands for source offsets that hold no record. Where a real batch follows in the same response it is left out:
//! clients know such gaps from compaction. A run of filler at the end becomes one control batch over the whole run, which
//! every client steps over; without it, a client would ask for the same offset for ever.

use bytes::Bytes;

use crate::wire::batch::RawBatch;
use crate::wire::filler::{control_run, is_filler};
use crate::wire::walk::walk;

/// What a client gets instead of the records.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filtered {
    /// The records, in pieces.
    pub(super) pieces: Vec<Bytes>,
    /// Filler batches that are not among them.
    pub(super) hidden: usize,
}

/// The records without their filler; `None` where there is none and nothing changes.
///
/// A part of a batch at the end, where the broker reached its byte limit, is left out too once anything else is: the
/// client asks for it again in any case. Old message formats have no filler, so a walk that meets one ends there.
pub(super) fn hide_filler(records: &Bytes) -> Option<Filtered> {
    let mut filtered = Filtered { pieces: Vec::new(), hidden: 0 };
    let mut run: Option<Run> = None;
    // Start and end of the real batches not yet among the pieces: neighbours stay one piece.
    let (mut kept, mut at) = (0, 0);
    let mut walk = walk(records);
    for batch in walk.by_ref() {
        let Ok(batch) = batch else {
            // What cannot be walked is the client's to judge: everything from here on goes through.
            at = records.len();
            run = None;
            break;
        };
        let end = at + batch.bytes.len();
        if is_filler(&batch.header) {
            if kept < at {
                filtered.pieces.push(records.slice(kept..at));
            }
            kept = end;
            filtered.hidden += 1;
            run = Some(Run::extended(run, &batch));
        } else {
            run = None;
        }
        at = end;
    }
    if filtered.hidden == 0 {
        return None;
    }
    if kept < at {
        filtered.pieces.push(records.slice(kept..at));
    }
    if let Some(run) = run {
        filtered.pieces.push(control_run(
            run.base_offset,
            run.next_offset - run.base_offset,
            run.leader_epoch,
        ));
    }
    Some(filtered)
}

/// Filler batches one after another.
struct Run {
    base_offset: i64,
    next_offset: i64,
    leader_epoch: i32,
}

impl Run {
    /// The epoch is that of the last batch: clients keep it for the position behind the run.
    fn extended(run: Option<Run>, batch: &RawBatch) -> Run {
        let header = &batch.header;
        Run {
            base_offset: run.map_or(header.base_offset, |run| run.base_offset),
            next_offset: header.next_offset(),
            leader_epoch: header.partition_leader_epoch,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::wire::batch::BatchHeader;

    /// A batch of `count` offsets; what is in it does not matter to the filter.
    fn batch_at(
        base_offset: i64,
        count: i32,
        base_timestamp: i64,
        producer_id: i64,
        attributes: i16,
    ) -> Bytes {
        let header = BatchHeader {
            base_offset,
            batch_length: 49 + 20,
            partition_leader_epoch: 4,
            crc: 0,
            attributes,
            last_offset_delta: count - 1,
            base_timestamp,
            max_timestamp: base_timestamp,
            producer_id,
            producer_epoch: 0,
            base_sequence: 0,
            record_count: count,
        };
        let mut out = BytesMut::from(&header.to_bytes()[..]);
        out.extend_from_slice(&[7; 20]);
        out.freeze()
    }

    pub(in super::super) fn real_at(base_offset: i64, count: i32) -> Bytes {
        batch_at(base_offset, count, 1_700_000_000_000, 5, 0)
    }

    pub(in super::super) fn filler_at(base_offset: i64, count: i32) -> Bytes {
        batch_at(base_offset, count, crate::wire::filler::FILLER_BASE_TIMESTAMP, 1 << 62, 0)
    }

    fn filtered(batches: &[Bytes]) -> Option<Vec<u8>> {
        hide_filler(&batches.concat().into()).map(|filtered| filtered.pieces.concat())
    }

    #[test]
    fn filler_that_a_record_follows_is_dropped() {
        let (a, b) = (real_at(0, 3), real_at(10, 1));
        let at_start = [filler_at(0, 4), filler_at(4, 6), b.clone()];
        assert_eq!(filtered(&at_start).unwrap(), b);
        let in_the_middle = [a.clone(), filler_at(3, 7), b.clone()];
        assert_eq!(filtered(&in_the_middle).unwrap(), [a, b].concat());
    }

    #[test]
    fn a_run_at_the_end_becomes_one_control_batch_over_the_run() {
        let (a, b) = (real_at(0, 3), real_at(5, 1));
        let sent = [a.clone(), filler_at(3, 2), b.clone(), filler_at(6, 1), filler_at(7, 100)];
        let control = control_run(6, 101, 4);
        assert_eq!(filtered(&sent).unwrap(), [a, b, control.clone()].concat());
        let header = BatchHeader::parse(&control).unwrap();
        assert_eq!((header.base_offset, header.next_offset()), (6, 107));
        assert!(header.is_control());
    }

    #[test]
    fn only_filler_becomes_a_control_batch_so_that_clients_move_on() {
        assert_eq!(filtered(&[filler_at(40, 2), filler_at(42, 8)]).unwrap(), control_run(40, 10, 4));
    }

    #[test]
    fn a_cut_batch_behind_filler_is_dropped() {
        let cut = real_at(9, 4).slice(..70);
        assert_eq!(filtered(&[filler_at(0, 9), cut.clone()]).unwrap(), control_run(0, 9, 4));
        let sent = [filler_at(0, 9), real_at(9, 4), cut];
        assert_eq!(filtered(&sent).unwrap(), real_at(9, 4));
    }

    #[test]
    fn filler_itself_may_be_cut() {
        let cut = filler_at(4, 9).slice(..65);
        assert_eq!(filtered(&[real_at(0, 4), cut.clone()]), None);
        assert_eq!(filtered(&[filler_at(0, 4), cut]).unwrap(), control_run(0, 4, 4));
    }

    #[test]
    fn compressed_filler_is_known_by_its_header() {
        let zstd = batch_at(0, 1000, crate::wire::filler::FILLER_BASE_TIMESTAMP, 1 << 62, 4);
        assert_eq!(filtered(&[zstd]).unwrap(), control_run(0, 1000, 4));
    }

    #[test]
    fn without_filler_nothing_changes() {
        assert_eq!(filtered(&[]), None);
        assert_eq!(filtered(&[real_at(0, 3), real_at(3, 1)]), None);
        // One mark alone is not enough: a client can write it.
        let timestamp_only = batch_at(0, 1, crate::wire::filler::FILLER_BASE_TIMESTAMP, 77, 0);
        let producer_only = batch_at(1, 1, 1_700_000_000_000, 1 << 62, 0);
        assert_eq!(filtered(&[timestamp_only, producer_only]), None);
    }

    #[test]
    fn what_cannot_be_walked_goes_through() {
        let mut old = real_at(5, 1).to_vec();
        old[16] = 1;
        let old = Bytes::from(old);
        assert_eq!(filtered(std::slice::from_ref(&old)), None);
        assert_eq!(filtered(&[filler_at(0, 5), old.clone()]).unwrap(), old);
    }

    #[test]
    fn a_run_of_one_offset_and_the_largest_one_are_whole() {
        assert_eq!(filtered(&[filler_at(3, 1)]).unwrap(), control_run(3, 1, 4));
        let huge = [filler_at(0, i32::MAX), filler_at(i64::from(i32::MAX), i32::MAX)];
        assert_eq!(filtered(&huge).unwrap(), control_run(0, 2 * i64::from(i32::MAX), 4));
    }
}
