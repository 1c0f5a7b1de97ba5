//! Decides which batches of a fetched partition a read_committed consumer sees.
//!
//! The broker ends a read_committed response at the last stable offset and lists the aborted transactions
//! that overlap it. The client must leave out their batches. This is the bookkeeping of Kafka's
//! `CompletedFetch`.

use std::collections::BTreeSet;

use crate::wire::protocol::varint::{take_varint, take_varlong};
use crate::wire::records::batch::{BatchError, Codec, RawBatch};

/// An aborted transaction, as a Fetch response lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AbortedTransaction {
    /// First offset of the transaction in the partition.
    pub first_offset: i64,
    /// Producer id of the transaction.
    pub producer_id: i64,
}

/// Kind of a control batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ControlKind {
    /// Commits a transaction of its producer.
    Commit,
    /// Aborts a transaction of its producer.
    Abort,
    /// Something else that consumers ignore: one of KRaft's own records, or an emptied batch.
    Other,
}

/// Kind of a batch for a read_committed consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchKind {
    /// The consumer delivers its records.
    Data,
    /// The batch belongs to an aborted transaction: its records are never delivered.
    Aborted,
    /// A control batch: it has no records for clients.
    Control {
        /// Kind of the control batch.
        marker: ControlKind,
    },
}

/// Filter that classifies the batches of one partition of one Fetch response, in their order.
#[derive(Debug, Clone)]
pub(crate) struct CommittedFilter {
    /// Aborted transactions that begin after the offset reached; the latest comes first.
    ahead: Vec<AbortedTransaction>,
    /// Producers that have an aborted transaction open at the offset reached.
    aborting: BTreeSet<i64>,
}

impl CommittedFilter {
    /// Creates the filter for a partition whose response lists these aborted transactions, in any order.
    #[must_use]
    pub(crate) fn new(aborted: impl IntoIterator<Item = AbortedTransaction>) -> Self {
        let mut ahead: Vec<_> = aborted.into_iter().collect();
        ahead.sort_unstable_by(|a, b| b.cmp(a));
        CommittedFilter { ahead, aborting: BTreeSet::new() }
    }

    /// Classifies the next batch.
    ///
    /// # Errors
    /// Fails with [`BatchError::Marker`] if a control batch cannot be read. To continue could deliver aborted
    /// records.
    pub(crate) fn classify(&mut self, batch: &RawBatch) -> Result<BatchKind, BatchError> {
        let header = &batch.header;
        while let Some(next) = self.ahead.last().filter(|next| next.first_offset <= header.last_offset()) {
            let _ = self.aborting.insert(next.producer_id);
            let _ = self.ahead.pop();
        }
        if header.is_control() {
            let marker = marker_of(batch)?;
            if marker == ControlKind::Abort {
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

/// Reads the type from the first record's key of a control batch (`ControlRecordType`: version, then type,
/// both i16).
fn marker_of(batch: &RawBatch) -> Result<ControlKind, BatchError> {
    let wrong = |what| BatchError::Marker { offset: batch.header.base_offset, what };
    if batch.header.record_count == 0 {
        return Ok(ControlKind::Other);
    }
    if batch.header.codec() != Codec::None {
        return Err(wrong("it is compressed"));
    }
    let payload = batch.payload();
    let key = first_key(&payload).ok_or(wrong("its record cannot be read"))?;
    let kind = key.get(2..4).ok_or(wrong("its key is too short"))?;
    Ok(match kind {
        [0, 0] => ControlKind::Abort,
        [0, 1] => ControlKind::Commit,
        _ => ControlKind::Other,
    })
}

fn first_key(mut rest: &[u8]) -> Option<&[u8]> {
    let length = usize::try_from(take_varint(&mut rest)?).ok()?;
    let mut record = rest.get(..length)?;
    let (_attributes, after) = record.split_first()?;
    record = after;
    let _timestamp_delta = take_varlong(&mut record)?;
    let _offset_delta = take_varint(&mut record)?;
    let length = usize::try_from(take_varint(&mut record)?).ok()?;
    record.get(..length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::records::batch::testing::{batch, header};
    use crate::wire::records::batch::{CONTROL, TRANSACTIONAL};

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
        // Length 16: attributes, deltas, key of 4 bytes, value of 6 bytes, no headers.
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
        // Producer 1 aborts, then commits. Producer 2 commits, then aborts.
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
        let (abort, commit) =
            (Control { marker: ControlKind::Abort }, Control { marker: ControlKind::Commit });
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
        let other = BatchKind::Control { marker: ControlKind::Other };
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
        fn arbitrary_control_payloads_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut header = header(0, 1);
            header.attributes = CONTROL;
            let _ = CommittedFilter::new([]).classify(&batch(header, &payload));
        }
    }
}
