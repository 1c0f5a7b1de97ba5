//! Random batches: each theme distorts one property; the rest is random as well.

use fastrand::Rng;
use linkgate_tests::produce::crafted::{Crafted, CraftedRecord};
use linkgate_tests::produce::raw_batch::now_ms;

/// The property that a theme distorts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    /// No distortion: only random records and codecs.
    Plain,
    /// Reserved producer ids, with any epoch and sequence.
    ReservedId,
    /// Base timestamps that are marks of filler and mixed batches, under any producer id.
    MagicTimestamp,
    /// Reserved id and mark: the header of Linkgate's own batches.
    OwnHeader,
    /// Records that look like sentinels.
    Sentinels,
    /// Attribute bits that a producer should not set.
    Attributes,
    /// Arbitrary timestamps, and deltas that overflow.
    Timestamps,
    /// Sequences at the ends of their range, and arbitrary epochs.
    Sequences,
    /// Large, highly compressible values.
    Large,
    /// Thousands of very small records.
    Many,
    /// A maximum timestamp in the header that no record has.
    LyingHeader,
    /// Batches with at most two records.
    Empty,
}

pub(crate) const THEMES: [Theme; 12] = [
    Theme::Plain,
    Theme::ReservedId,
    Theme::MagicTimestamp,
    Theme::OwnHeader,
    Theme::Sentinels,
    Theme::Attributes,
    Theme::Timestamps,
    Theme::Sequences,
    Theme::Large,
    Theme::Many,
    Theme::LyingHeader,
    Theme::Empty,
];

impl Theme {
    /// Name of the topic for the theme.
    pub(crate) fn topic(&self) -> &'static str {
        match self {
            Theme::Plain => "plain",
            Theme::ReservedId => "reserved-id",
            Theme::MagicTimestamp => "magic",
            Theme::OwnHeader => "own-header",
            Theme::Sentinels => "sentinels",
            Theme::Attributes => "attributes",
            Theme::Timestamps => "timestamps",
            Theme::Sequences => "sequences",
            Theme::Large => "large",
            Theme::Many => "many",
            Theme::LyingHeader => "lying-header",
            Theme::Empty => "empty",
        }
    }
}

/// The lowest reserved producer id.
const RESERVED: i64 = 1 << 62;
/// Marks of filler, of filler as earlier versions wrote it, and of mixed batches.
const MAGIC: [i64; 3] = [-64, -0x4C47_4649_4C31, -0x4C_474D_5831];
/// Key of a sentinel.
const SENTINEL: &[u8] = b"\0LGFILL\0";

/// Makes the next batch of a theme. The broker decides whether it accepts the batch.
pub(crate) fn next(theme: Theme, rng: &mut Rng) -> Crafted {
    let count = match theme {
        Theme::Many => rng.usize(1..20_000),
        Theme::Empty => rng.usize(0..3),
        Theme::Large => rng.usize(1..4),
        _ => rng.usize(1..40),
    };
    let records = (0..count).map(|n| record(theme, rng, n)).collect();
    let mut batch = Crafted::new(records);
    batch.codec = rng.i16(0..5);
    match theme {
        Theme::ReservedId => batch = batch.by(reserved(rng), rng.i16(0..4), rng.i32(0..1_000)),
        Theme::MagicTimestamp => {
            batch.base_timestamp = MAGIC[rng.usize(0..MAGIC.len())];
            if rng.bool() {
                batch = batch.by(rng.i64(0..1_000_000), 0, rng.i32(0..10));
            }
        }
        Theme::OwnHeader => {
            batch.base_timestamp = MAGIC[rng.usize(0..MAGIC.len())];
            batch = batch.by(reserved(rng), rng.i16(0..3), rng.i32(0..100));
        }
        Theme::Sentinels if rng.bool() => {
            batch.base_timestamp = MAGIC[rng.usize(0..MAGIC.len())];
            // Not the sequence that a mirror gives the offset: with it the source would look like a mirror
            // itself, and such records would count as holes.
            batch = batch.by(reserved(rng), 0, rng.i32(1_000_000..2_000_000));
        }
        Theme::Attributes => {
            batch.attributes = rng.i16(..) & !7;
            if rng.bool() {
                // Delete horizon, log append time, or both.
                batch.attributes = [0x40, 0x08, 0x48][rng.usize(0..3)];
            }
            if rng.bool() {
                batch = batch.by(rng.i64(0..1_000_000), 0, 0);
            }
        }
        Theme::Timestamps => batch.base_timestamp = rng.i64(..),
        Theme::Sequences => {
            let sequence = [0, i32::MAX, i32::MAX - 3, rng.i32(0..)][rng.usize(0..4)];
            batch = batch.by(rng.i64(0..1_000_000), [0, 1, i16::MAX][rng.usize(0..3)], sequence);
        }
        Theme::LyingHeader => batch.max_timestamp = rng.i64(..),
        _ => {}
    }
    batch
}

/// Returns a reserved producer id: near the ids that a journal makes, the highest one, or any.
fn reserved(rng: &mut Rng) -> i64 {
    match rng.u8(0..3) {
        0 => RESERVED + rng.i64(0..100),
        1 => i64::MAX,
        _ => rng.i64(RESERVED..),
    }
}

fn record(theme: Theme, rng: &mut Rng, n: usize) -> CraftedRecord {
    let timestamp = match theme {
        Theme::Timestamps => [-1, 0, 1, now_ms(), now_ms() - 86_400_000][rng.usize(0..5)],
        _ => now_ms() - rng.i64(0..60_000),
    };
    if theme == Theme::Sentinels && rng.bool() {
        return CraftedRecord { timestamp, key: Some(SENTINEL.to_vec()), ..CraftedRecord::default() };
    }
    let bytes = |rng: &mut Rng, most: usize| -> Option<Vec<u8>> {
        match rng.u8(0..6) {
            0 => None,
            1 => Some(Vec::new()),
            _ => Some((0..rng.usize(0..most)).map(|_| rng.u8(..)).collect()),
        }
    };
    let (key, value) = match theme {
        Theme::Many => (None, None),
        Theme::Large => (Some(n.to_be_bytes().to_vec()), Some(vec![0; rng.usize(0..200_000)])),
        _ => (bytes(rng, 20), bytes(rng, 60)),
    };
    let headers = match rng.u8(0..10) {
        0 => vec![(String::new(), None), (String::new(), Some(vec![])), ("same".into(), bytes(rng, 5))],
        _ => Vec::new(),
    };
    CraftedRecord { timestamp, key, value, headers }
}
