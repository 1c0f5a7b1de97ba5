//! Which batches of a fetched partition a read_committed consumer sees.
//!
//! The broker bounds a read_committed response by the last stable offset and sends along the aborted transactions that
//! touch it; leaving their batches out is the client's work. This is the bookkeeping of Kafka's `CompletedFetch`.

use std::collections::BTreeSet;

use super::batch::{BatchError, Codec, RawBatch};
use super::varint::take_varint;

/// A transaction that was aborted, as a Fetch response lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AbortedTransaction {
    /// Its first offset in the partition.
    pub first_offset: i64,
    /// Its producer.
    pub producer_id: i64,
}

/// What a control batch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// A transaction of its producer was committed.
    Commit,
    /// A transaction of its producer was aborted.
    Abort,
    /// Something else (KRaft's own records, an emptied batch): of no interest to consumers.
    Other,
}

/// What a batch is to a read_committed consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchKind {
    /// Records to deliver.
    Data,
    /// Records of an aborted transaction: never delivered.
    Aborted,
    /// No records for clients.
    Control {
        /// What it says.
        marker: Marker,
    },
}

/// Says for the batches of one partition of one Fetch response, given in order, what each is.
#[derive(Debug, Clone)]
pub struct CommittedFilter {
    /// Not yet begun at the offset reached, latest first.
    ahead: Vec<AbortedTransaction>,
    /// Producers with an aborted transaction open at the offset reached.
    aborting: BTreeSet<i64>,
}

impl CommittedFilter {
    /// The filter for a partition whose response lists these aborted transactions, in any order.
    #[must_use]
    pub fn new(aborted: impl IntoIterator<Item = AbortedTransaction>) -> Self {
        let mut ahead: Vec<_> = aborted.into_iter().collect();
        ahead.sort_unstable_by(|a, b| b.cmp(a));
        CommittedFilter { ahead, aborting: BTreeSet::new() }
    }

    /// What the next batch is.
    ///
    /// # Errors
    /// [`BatchError::Marker`] for a control batch that cannot be read: going on could deliver aborted records.
    pub fn classify(&mut self, batch: &RawBatch) -> Result<BatchKind, BatchError> {
        let header = &batch.header;
        while let Some(next) = self.ahead.last().filter(|next| next.first_offset <= header.last_offset()) {
            let _ = self.aborting.insert(next.producer_id);
            let _ = self.ahead.pop();
        }
        if header.is_control() {
            let marker = marker_of(batch)?;
            if marker == Marker::Abort {
                let _ = self.aborting.remove(&header.producer_id);
            }
            return Ok(BatchKind::Control { marker });
        }
        if header.is_transactional() && self.aborting.contains(&header.producer_id) {
            return Ok(BatchKind::Aborted);
        }
        Ok(BatchKind::Data)
    }
}

/// The type in the first record's key of a control batch (`ControlRecordType`: version, then type, both i16).
fn marker_of(batch: &RawBatch) -> Result<Marker, BatchError> {
    let wrong = |what| BatchError::Marker { offset: batch.header.base_offset, what };
    if batch.header.record_count == 0 {
        return Ok(Marker::Other);
    }
    if batch.header.codec() != Codec::None {
        return Err(wrong("it is compressed"));
    }
    let payload = batch.payload();
    let key = first_key(&payload).ok_or(wrong("its record cannot be read"))?;
    let kind = key.get(2..4).ok_or(wrong("its key is too short"))?;
    Ok(match kind {
        [0, 0] => Marker::Abort,
        [0, 1] => Marker::Commit,
        _ => Marker::Other,
    })
}

fn first_key(mut rest: &[u8]) -> Option<&[u8]> {
    let length = usize::try_from(take_varint(&mut rest)?).ok()?;
    let mut record = rest.get(..length)?;
    let (_attributes, after) = record.split_first()?;
    record = after;
    let _timestamp_delta = take_varint(&mut record)?;
    let _offset_delta = take_varint(&mut record)?;
    let length = usize::try_from(take_varint(&mut record)?).ok()?;
    record.get(..length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::batch::testing::{batch, header};
    use super::super::batch::{CONTROL, TRANSACTIONAL};
    use super::*;

    fn data(offset: i64, count: i32, producer_id: i64) -> RawBatch {
        let mut header = header(offset, count);
        header.producer_id = producer_id;
        header.attributes = TRANSACTIONAL;
        batch(header, b"records")
    }

    fn marker(offset: i64, producer_id: i64, kind: u8) -> RawBatch {
        let mut header = header(offset, 1);
        header.producer_id = producer_id;
        header.attributes = TRANSACTIONAL | CONTROL;
        // length 16: attributes, deltas, key of 4, value of 6, no headers
        let record = [32, 0, 0, 0, 8, 0, 0, 0, kind, 12, 0, 0, 0, 0, 0, 0, 0];
        batch(header, &record)
    }

    fn aborted(producer_id: i64, first_offset: i64) -> AbortedTransaction {
        AbortedTransaction { producer_id, first_offset }
    }

    fn kinds(filter: &mut CommittedFilter, batches: &[RawBatch]) -> Vec<BatchKind> {
        batches.iter().map(|batch| filter.classify(batch).unwrap()).collect()
    }

    #[test]
    fn interleaved_transactions_are_told_apart() {
        use BatchKind::{Aborted, Control, Data};
        // Given two producers: 1 aborts, then commits; 2 commits, then aborts.
        let batches = [
            data(0, 2, 1),
            data(2, 3, 2),
            marker(5, 1, 0),
            data(6, 1, 1),
            marker(7, 2, 1),
            data(8, 1, 2),
            marker(9, 1, 1),
            marker(10, 2, 0),
            data(11, 1, 2),
        ];
        let mut filter = CommittedFilter::new([aborted(2, 8), aborted(1, 0)]);
        let (abort, commit) = (Control { marker: Marker::Abort }, Control { marker: Marker::Commit });
        assert_eq!(
            kinds(&mut filter, &batches),
            [Aborted, Data, abort, Data, commit, Aborted, commit, abort, Data]
        );
    }

    #[test]
    fn batches_outside_transactions_are_data_whatever_their_producer() {
        let mut plain = data(3, 1, 1);
        plain.header.attributes = 0;
        let mut filter = CommittedFilter::new([aborted(1, 0)]);
        assert_eq!(kinds(&mut filter, &[data(0, 1, 1), plain]), [BatchKind::Aborted, BatchKind::Data]);
    }

    #[test]
    fn a_transaction_that_begins_inside_a_batch_counts_for_that_batch() {
        let mut filter = CommittedFilter::new([aborted(1, 4)]);
        assert_eq!(kinds(&mut filter, &[data(0, 5, 1)]), [BatchKind::Aborted]);
    }

    #[test]
    fn other_and_emptied_control_batches_are_control() {
        let mut empty = marker(1, 1, 0);
        empty.header.record_count = 0;
        let other = BatchKind::Control { marker: Marker::Other };
        assert_eq!(kinds(&mut CommittedFilter::new([]), &[marker(0, 1, 2), empty]), [other, other]);
    }

    #[test]
    fn an_unreadable_marker_is_an_error() {
        let good = marker(8, 1, 0);
        for cut in 0..9 {
            let header = good.header;
            let damaged = batch(header, &good.payload()[..cut]);
            let error = CommittedFilter::new([]).classify(&damaged).unwrap_err();
            assert!(matches!(error, BatchError::Marker { offset: 8, .. }), "{error}");
        }
        let mut compressed = good.header;
        compressed.attributes |= 4;
        assert!(CommittedFilter::new([]).classify(&batch(compressed, &good.payload())).is_err());
    }

    proptest! {
        #[test]
        fn any_control_payload_is_survived(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut header = header(0, 1);
            header.attributes = CONTROL;
            let _ = CommittedFilter::new([]).classify(&batch(header, &payload));
        }
    }
}
