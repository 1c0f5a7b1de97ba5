//! Pieces that shaping makes of a source log: batches and offset gaps.

use std::sync::OnceLock;

use bytes::Bytes;

use crate::wire::records::batch::BatchHeader;
use crate::wire::records::filler::{FillerTemplate, filler, is_magic};
use crate::wire::records::rewrite_header::WriterIds;
use crate::wire::records::sequence::sequence_of;

/// Maximum number of offsets in one filler batch; larger batches cost the broker more per offset.
pub(crate) const MAX_FILLER_OFFSETS: i64 = 100_000;
/// Bytes that a queued offset gap charges to the byte budget: about its own size in memory.
const RUN_BYTES: usize = 96;

/// A batch ready to be appended at `base_offset`.
#[derive(Debug, Clone)]
pub struct Shaped {
    /// First offset.
    pub base_offset: i64,
    /// Last offset + 1.
    pub next_offset: i64,
    /// Leader epoch of the last source batch in it; -1 if the source did not say.
    pub epoch: i32,
    /// Rewritten header of 61 bytes. Empty if Linkgate encoded the batch: then `payload` holds all of it.
    pub header: Bytes,
    /// Rest of the batch, as the source wrote it; the whole batch if `header` is empty.
    pub payload: Bytes,
    /// True if several source batches were joined into this one.
    pub joined: bool,
    /// True if the batch is all filler.
    pub filler: bool,
}

impl Shaped {
    /// Returns the largest timestamp of the records, from the batch header. Returns `None` for filler and
    /// mixed batches, whose timestamps may differ between attempts.
    #[must_use]
    pub fn max_timestamp(&self) -> Option<i64> {
        let header = if self.header.is_empty() { &self.payload } else { &self.header };
        let header = BatchHeader::parse(header).ok()?;
        (!is_magic(header.base_timestamp)).then_some(header.max_timestamp)
    }

    /// Returns the size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.header.len() + self.payload.len()
    }
}

/// An offset gap: the offsets from `from` up to `to` (exclusive), which hold nothing for a reader. It becomes
/// filler when it is sent, one batch at a time, since a gap may be billions of offsets long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetGap {
    /// First offset.
    pub from: i64,
    /// Last offset + 1.
    pub to: i64,
    /// Timestamp of its filler, in milliseconds: that of the record before it; -1 if there is none.
    pub timestamp: i64,
    /// Leader epoch of the source batch before it or in it; -1 if not known.
    pub epoch: i32,
}

impl OffsetGap {
    /// Takes the first filler batch off the gap, for at most `most` offsets. The gap then begins behind that
    /// batch.
    pub fn next_filler(&mut self, producer_id: i64, most: i64) -> Shaped {
        let base_offset = self.from;
        let count = (self.to - self.from).clamp(0, most.clamp(1, MAX_FILLER_OFFSETS));
        let ids = WriterIds { producer_id, producer_epoch: 0, base_sequence: sequence_of(base_offset) };
        let (header, payload) = match template() {
            // The template has no timestamp. Long gaps usually lie before the first record or in place of
            // lost ones, where that disturbs nothing.
            template if count == i64::from(template.count()) => template.batch(ids),
            _ => (Bytes::new(), filler(u32::try_from(count).unwrap_or(0), self.timestamp, ids)),
        };
        self.from += count;
        Shaped {
            base_offset,
            next_offset: self.from,
            epoch: self.epoch,
            header,
            payload,
            joined: false,
            filler: true,
        }
    }
}

/// Returns the largest filler batch. It is made once, since a long gap repeats it.
pub(crate) fn template() -> &'static FillerTemplate {
    static TEMPLATE: OnceLock<FillerTemplate> = OnceLock::new();
    TEMPLATE.get_or_init(|| FillerTemplate::new(u32::try_from(MAX_FILLER_OFFSETS).unwrap_or(0), -1))
}

/// One element of a window.
#[derive(Debug, Clone)]
pub enum Piece {
    /// A batch.
    Batch(Shaped),
    /// An offset gap.
    Nothing(OffsetGap),
}

impl Piece {
    /// Returns the first offset.
    #[must_use]
    pub fn base_offset(&self) -> i64 {
        match self {
            Piece::Batch(batch) => batch.base_offset,
            Piece::Nothing(run) => run.from,
        }
    }

    /// Returns the last offset + 1.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        match self {
            Piece::Batch(batch) => batch.next_offset,
            Piece::Nothing(run) => run.to,
        }
    }

    /// Returns the bytes held while the piece is queued.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Piece::Batch(batch) => batch.size(),
            Piece::Nothing(_) => RUN_BYTES,
        }
    }
}
