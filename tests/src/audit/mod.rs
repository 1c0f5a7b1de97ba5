//! The audit compares a mirror, read through the gateway, with the log of the source.
//!
//! | module | content |
//! |---|---|
//! | [`verdict`] | differences, counted by kind, with the first examples |
//! | [`exact`] | logs that must be equal, record by record |
//! | [`compacted`] | logs that cleaners thin out on both sides at different times |
//! | [`seen`] | the part of a record that a reading client keeps |
//! | [`evidence`] | both batches at the first offset that differs |

pub mod compacted;
pub mod evidence;
pub mod exact;
pub mod seen;
pub mod verdict;

pub use seen::Seen;
pub use verdict::Verdict;

use crate::read;
use crate::read::records::Record;

/// Addresses at which both sides are read.
#[derive(Debug, Clone)]
pub struct Sides {
    /// `bootstrap.servers` of the source.
    pub source: String,
    /// `bootstrap.servers` of the gateway.
    pub mirror: String,
}

/// Compares one partition of a mirror topic, read with both isolation levels. `witnessed` is what a client
/// has read from the source while it was written; only a compacted topic needs it. Returns the verdict and
/// the log of the source.
///
/// # Panics
/// Panics if a side cannot be read.
#[must_use]
pub fn partition(
    sides: &Sides,
    topic: &str,
    partition: i32,
    witnessed: Option<&[Seen]>,
) -> (Verdict, Vec<Seen>) {
    let source = read::partition(&sides.source, topic, partition);
    let committed = read::partition(&sides.mirror, topic, partition);
    // On the mirror both isolation levels see the same: nothing uncommitted ever reaches it.
    let uncommitted: Vec<Record> = read::raw(&sides.mirror, topic, partition)
        .into_iter()
        .filter(|batch| !batch.is_control())
        .flat_map(|batch| batch.records)
        .collect();
    let mut verdict = Verdict::default();
    if source.high_watermark != committed.high_watermark {
        verdict.end(source.high_watermark, committed.high_watermark);
    }
    match witnessed {
        None => {
            if source.log_start != committed.log_start {
                verdict.start(source.log_start, committed.log_start);
            }
            verdict.absorb("read_committed", exact::compare(&source.records, &committed.records));
            verdict.absorb("read_uncommitted", exact::compare(&source.records, &uncommitted));
        }
        Some(seen) => {
            verdict.absorb("read_committed", compacted::compare(&source.records, &committed.records, seen));
            verdict.absorb("read_uncommitted", compacted::compare(&source.records, &uncommitted, seen));
        }
    }
    verdict.records = source.records.len();
    if let Some(offset) = verdict.first_offset() {
        verdict.note(evidence::both(sides, topic, partition, offset));
    }
    (verdict, source.records.iter().map(Seen::of).collect())
}
