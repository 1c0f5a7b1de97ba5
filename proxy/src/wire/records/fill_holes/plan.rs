//! Plans how a source batch with holes is cut into pieces. The work is bounded, whatever the offsets are.

use crate::wire::records::batch::BatchHeader;
use crate::wire::records::fill_holes::Keeping;
use crate::wire::records::read::{RecordsError, placed};

/// Length of the longest hole that is filled with sentinels, in offsets. A longer hole becomes a piece of its
/// own, because filler covers it more cheaply.
const MAX_HOLE: i64 = 1000;
/// Maximum number of sentinels in all pieces of one source batch. Further holes become pieces of their own.
const MAX_SENTINELS: i64 = 1_000_000;
/// Maximum number of pieces: about a hundred times more than a batch of a million records can need.
const MAX_PIECES: usize = 10_000;
/// Size that every piece may have, in bytes: a little less than brokers accept by default
/// (`max.message.bytes`).
const SAFE_BYTES: usize = 1_000_000;

/// Maximum size of a sentinel in a mixed batch, in bytes.
const SENTINEL_BYTES: usize = 1 + 1 + 10 + 5 + 11;
/// Number of bytes by which a record may grow, because its timestamp delta changes.
const GROWTH: usize = 6;

/// One piece to write: a batch, or a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HolePiece {
    pub(crate) base_offset: i64,
    pub(crate) next_offset: i64,
    /// Number of records that stay; 0 for a hole.
    pub(crate) records: usize,
    /// Number of records that are left out because they have no key.
    pub(crate) unkeyed: usize,
    /// Estimated maximum size of its records, in bytes.
    pub(crate) size: usize,
}

impl HolePiece {
    /// Returns true if the piece has both records and holes.
    pub(crate) fn is_mixed(&self) -> bool {
        self.records > 0 && self.next_offset - self.base_offset != self.records as i64
    }
}

/// Returns the pieces of a batch from `from` on, in order and without gaps.
pub(super) fn plan(
    header: &BatchHeader,
    payload: &[u8],
    keeping: Keeping,
) -> Result<Vec<HolePiece>, RecordsError> {
    let from = keeping.from;
    let mut planner = Planner {
        header,
        max_hole: if keeping.alike { 0 } else { MAX_HOLE },
        room: payload.len().max(SAFE_BYTES),
        sentinels: 0,
        unkeyed: 0,
        next: from,
        open: None,
        pieces: Vec::new(),
    };
    // The whole batch is read, also the records below `from`: damage there is an error too.
    for record in placed(header, payload) {
        let record = record?;
        let offset = header.base_offset + record.offset_delta;
        if offset < from || keeping.is_hole(&record) {
            continue;
        }
        match keeping.is_unkeyed(&record) {
            true => planner.unkeyed += 1,
            false => planner.record(offset, record.wire.len() + GROWTH)?,
        }
    }
    planner.finish()?;
    Ok(planner.pieces)
}

struct Planner<'a> {
    header: &'a BatchHeader,
    /// Length of the longest hole that is filled with sentinels, in offsets.
    max_hole: i64,
    /// Maximum size of a piece, in bytes.
    room: usize,
    sentinels: i64,
    /// Records without a key that no piece counts yet.
    unkeyed: usize,
    /// First offset that is not in a piece yet.
    next: i64,
    open: Option<HolePiece>,
    pieces: Vec<HolePiece>,
}

impl Planner<'_> {
    /// Adds the next record that stays.
    fn record(&mut self, offset: i64, size: usize) -> Result<(), RecordsError> {
        let hole = offset - self.next;
        let hole_size = self.hole_size(hole);
        let room = self.room;
        let fits = |used: usize| hole_size.is_some_and(|hole| used + hole + size <= room);
        if self.open.is_some_and(|piece| !fits(piece.size)) {
            self.close()?;
        }
        if hole > 0 && self.open.is_none() && !fits(0) {
            self.push_hole(offset)?;
        }
        let hole = offset - self.next;
        let base_offset = self.next;
        let piece = self.open.get_or_insert(HolePiece {
            base_offset,
            next_offset: base_offset,
            records: 0,
            unkeyed: 0,
            size: 0,
        });
        piece.next_offset = offset + 1;
        piece.records += 1;
        piece.unkeyed += std::mem::take(&mut self.unkeyed);
        piece.size += size + if hole > 0 { hole_size.unwrap_or(0) } else { 0 };
        self.sentinels += hole;
        self.next = offset + 1;
        Ok(())
    }

    /// Adds the offsets after the last record.
    fn finish(&mut self) -> Result<(), RecordsError> {
        let end = self.header.next_offset();
        let hole = end - self.next;
        let (size, room) = (self.hole_size(hole), self.room);
        match (&mut self.open, size) {
            (Some(piece), Some(size)) if piece.size + size <= room => {
                piece.next_offset = end;
                piece.size += size;
                piece.unkeyed += std::mem::take(&mut self.unkeyed);
                self.next = end;
                self.close()
            }
            _ => {
                self.close()?;
                if hole > 0 { self.push_hole(end) } else { Ok(()) }
            }
        }
    }

    /// Returns the size of the sentinels for a hole, in bytes; `None` if the hole must be a piece of its own.
    fn hole_size(&self, hole: i64) -> Option<usize> {
        let small = hole <= self.max_hole && self.sentinels + hole <= MAX_SENTINELS;
        if small { usize::try_from(hole).ok().map(|hole| hole * SENTINEL_BYTES) } else { None }
    }

    fn close(&mut self) -> Result<(), RecordsError> {
        self.open.take().map_or(Ok(()), |piece| self.push(piece))
    }

    fn push_hole(&mut self, end: i64) -> Result<(), RecordsError> {
        let unkeyed = std::mem::take(&mut self.unkeyed);
        let piece = HolePiece { base_offset: self.next, next_offset: end, records: 0, unkeyed, size: 0 };
        self.next = end;
        self.push(piece)
    }

    fn push(&mut self, piece: HolePiece) -> Result<(), RecordsError> {
        if self.pieces.len() == MAX_PIECES {
            let (offset, span) = (self.header.base_offset, i64::from(self.header.last_offset_delta) + 1);
            return Err(RecordsError::TooSparse { offset, span, limit: MAX_PIECES });
        }
        self.pieces.push(piece);
        Ok(())
    }
}
