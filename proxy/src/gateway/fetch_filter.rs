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
