//! What shaping makes of a source log: batches, and runs of offsets that hold nothing.

use std::sync::OnceLock;

use bytes::Bytes;

use crate::wire::batch::BatchHeader;
use crate::wire::filler::{FillerTemplate, filler, is_magic};
use crate::wire::rehead::WriterIds;
use crate::wire::sequence::sequence_of;

/// Most offsets that one filler batch covers; larger ones cost the broker more per offset.
pub const MAX_FILLER_OFFSETS: i64 = 100_000;
/// What a queued run counts for in the byte budget, about its own size in memory.
const RUN_BYTES: usize = 96;

/// A batch ready to be appended at `base_offset`.
#[derive(Debug, Clone)]
pub struct Shaped {
    /// First offset.
    pub base_offset: i64,
    /// Last offset + 1.
    pub next_offset: i64,
    /// Leader epoch of the last source batch in it; -1 when the source did not say.
    pub epoch: i32,
    /// The 61-byte header, rewritten. Empty for what was encoded anew, which is all payload.
    pub header: Bytes,
    /// The rest, as the source wrote it.
    pub payload: Bytes,
    /// Several source batches in one.
    pub joined: bool,
    /// Nothing but filler.
    pub filler: bool,
}

impl Shaped {
    /// Largest timestamp of its records, as its header says; `None` where there is filler among them, whose timestamps may
    /// differ between attempts.
    #[must_use]
    pub fn max_timestamp(&self) -> Option<i64> {
        let header = if self.header.is_empty() { &self.payload } else { &self.header };
        let header = BatchHeader::parse(header).ok()?;
        (!is_magic(header.base_timestamp)).then_some(header.max_timestamp)
    }

    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.header.len() + self.payload.len()
    }
}

/// Offsets that hold nothing for a reader: from `from` up to and without `to`. They become filler when they are sent, a
/// batch at a time: a run may be billions long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// First offset.
    pub from: i64,
    /// Last offset + 1.
    pub to: i64,
    /// Timestamp that its filler carries, in milliseconds: that of the record before it; -1 when there is none.
    pub timestamp: i64,
    /// Leader epoch of the source batch before it or in it; -1 when not known.
    pub epoch: i32,
}

impl Run {
    /// The filler batch that begins the run, for no more than `most` offsets; the run then begins behind it.
    pub fn next_filler(&mut self, producer_id: i64, most: i64) -> Shaped {
        let base_offset = self.from;
        let count = (self.to - self.from).clamp(0, most.clamp(1, MAX_FILLER_OFFSETS));
        let ids = WriterIds { producer_id, producer_epoch: 0, base_sequence: sequence_of(base_offset) };
        let (header, payload) = match template() {
            // Long runs are before the first record or in place of lost ones: no timestamp disturbs nothing there.
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

/// The largest filler batch, made once: a long run repeats it.
pub(super) fn template() -> &'static FillerTemplate {
    static TEMPLATE: OnceLock<FillerTemplate> = OnceLock::new();
    TEMPLATE.get_or_init(|| FillerTemplate::new(u32::try_from(MAX_FILLER_OFFSETS).unwrap_or(0), -1))
}

/// One step of a shaped log.
#[derive(Debug, Clone)]
pub enum Piece {
    /// Records.
    Batch(Shaped),
    /// None.
    Nothing(Run),
}

impl Piece {
    /// First offset.
    #[must_use]
    pub fn base_offset(&self) -> i64 {
        match self {
            Piece::Batch(batch) => batch.base_offset,
            Piece::Nothing(run) => run.from,
        }
    }

    /// Last offset + 1.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        match self {
            Piece::Batch(batch) => batch.next_offset,
            Piece::Nothing(run) => run.to,
        }
    }

    /// Bytes held while it is queued.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Piece::Batch(batch) => batch.size(),
            Piece::Nothing(_) => RUN_BYTES,
        }
    }
}
