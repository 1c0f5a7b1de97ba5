//! Text about both batches at an offset, header and record, to find out why they differ.

use super::Sides;
use crate::read::records::Batch;
use crate::read::{raw, show};

/// Returns the batches of both sides at `offset`, as text.
///
/// # Panics
/// Panics if a side cannot be read.
#[must_use]
pub fn both(sides: &Sides, topic: &str, partition: i32, offset: i64) -> String {
    let of = |bootstrap: &str| {
        let all = raw(bootstrap, topic, partition);
        let at = all.iter().position(|batch| batch.next_offset() > offset);
        at.map_or_else(|| "nothing at or after it".to_owned(), |n| text(&all[n], offset))
    };
    format!(
        "first difference in {topic}-{partition} at offset {offset}\n  source: {}\n  mirror: {}",
        of(&sides.source),
        of(&sides.mirror)
    )
}

fn text(batch: &Batch, offset: i64) -> String {
    let record = batch.records.iter().find(|r| r.offset >= offset);
    format!(
        "batch {}..={} attributes {:#06x} base timestamp {} producer {} epoch {} sequence {} with {} records; {}",
        batch.base_offset,
        batch.next_offset() - 1,
        batch.attributes,
        batch.base_timestamp,
        batch.producer_id,
        batch.producer_epoch,
        batch.base_sequence,
        batch.records.len(),
        show(record)
    )
}
