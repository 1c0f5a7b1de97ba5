//! Where a source batch with holes is cut into pieces: bounded work for any offsets.

use super::{DensifyError, Keeping, placed};
use crate::wire::batch::BatchHeader;

/// Offsets of the longest hole that is filled with sentinels; a longer one is a piece of its own, which filler covers more
/// cheaply.
const MAX_HOLE: i64 = 1000;
/// Most sentinels in all pieces of one source batch; holes beyond are pieces of their own.
const MAX_SENTINELS: i64 = 1_000_000;
/// Most pieces: some hundred times as many as a batch of a million records can need.
const MAX_PIECES: usize = 10_000;
/// Bytes that a piece may always have: a little less than what brokers take by default (`max.message.bytes`).
const SAFE_BYTES: usize = 1_000_000;

/// Most bytes of a sentinel in a mixed batch.
const SENTINEL_BYTES: usize = 1 + 1 + 10 + 5 + 11;
/// What the timestamp delta of a record may grow by.
const GROWTH: usize = 6;

/// One piece to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) base_offset: i64,
    pub(super) next_offset: i64,
    /// Records that stay; 0 for a hole.
    pub(super) records: usize,
    /// Records that went because they have no key.
    pub(super) unkeyed: usize,
    /// Bytes of its records, at most.
    pub(super) size: usize,
}

impl Piece {
    /// Whether it has records and holes.
    pub(super) fn is_mixed(&self) -> bool {
        self.records > 0 && self.next_offset - self.base_offset != self.records as i64
    }
}

/// The pieces of a batch from `from` on, in order and without gaps.
pub(super) fn plan(
    header: &BatchHeader,
    payload: &[u8],
    keeping: Keeping,
) -> Result<Vec<Piece>, DensifyError> {
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
    // The whole batch is read, also below `from`: damage there is damage.
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
    /// Offsets of the longest hole that is filled with sentinels.
    max_hole: i64,
    /// Bytes that a piece may have.
    room: usize,
    sentinels: i64,
    /// Not yet counted in a piece.
    unkeyed: usize,
    /// Up to here, offsets are in a piece.
    next: i64,
    open: Option<Piece>,
    pieces: Vec<Piece>,
}

impl Planner<'_> {
    /// The next record that stays.
    fn record(&mut self, offset: i64, size: usize) -> Result<(), DensifyError> {
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
        let piece = self.open.get_or_insert(Piece {
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

    /// What is left behind the last record.
    fn finish(&mut self) -> Result<(), DensifyError> {
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

    /// Bytes of the sentinels of a hole; `None` where it must stand alone.
    fn hole_size(&self, hole: i64) -> Option<usize> {
        let small = hole <= self.max_hole && self.sentinels + hole <= MAX_SENTINELS;
        if small { usize::try_from(hole).ok().map(|hole| hole * SENTINEL_BYTES) } else { None }
    }

    fn close(&mut self) -> Result<(), DensifyError> {
        self.open.take().map_or(Ok(()), |piece| self.push(piece))
    }

    fn push_hole(&mut self, end: i64) -> Result<(), DensifyError> {
        let unkeyed = std::mem::take(&mut self.unkeyed);
        let piece = Piece { base_offset: self.next, next_offset: end, records: 0, unkeyed, size: 0 };
        self.next = end;
        self.push(piece)
    }

    fn push(&mut self, piece: Piece) -> Result<(), DensifyError> {
        if self.pieces.len() == MAX_PIECES {
            let (offset, span) = (self.header.base_offset, i64::from(self.header.last_offset_delta) + 1);
            return Err(DensifyError::TooSparse { offset, span, limit: MAX_PIECES });
        }
        self.pieces.push(piece);
        Ok(())
    }
}
