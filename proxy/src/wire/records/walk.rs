//! Iterates over the batches of a `records` field, without copying.
//!
//! A broker cuts a Fetch response at its byte limit, in the middle of a batch. Such a truncated batch ends
//! the walk silently, and the next fetch brings the whole batch. Any other bytes that are not a v2 batch are
//! an error, and the walk ends after it.

use bytes::Bytes;

use crate::wire::records::batch::{BatchError, HEADER_LEN, RawBatch};

/// Number of bytes up to and including the magic byte. Every message format has that byte at the same
/// position.
const MAGIC_END: usize = 17;

/// Iterates over the whole batches of `records`.
pub fn walk(records: &Bytes) -> Walk {
    Walk { rest: records.clone() }
}

/// Iterator that [`walk`] returns.
#[derive(Debug, Clone)]
pub struct Walk {
    rest: Bytes,
}

impl Walk {
    /// Returns the number of bytes not yet walked. At the end, that is the truncated batch.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }
}

impl Iterator for Walk {
    type Item = Result<RawBatch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.len() < MAGIC_END {
            return None;
        }
        match RawBatch::parse(&self.rest) {
            Ok(batch) => {
                self.rest = self.rest.slice(batch.bytes.len()..);
                Some(Ok(batch))
            }
            // A v2 batch, but truncated: a part of the header or of the records is missing.
            Err(BatchError::Short { .. }) => None,
            Err(error) => {
                self.rest = Bytes::new();
                Some(Err(error))
            }
        }
    }
}

/// Returns `length` bytes that look like the front of a truncated batch. No walk takes a batch from them, and
/// no client takes a record.
///
/// But one client takes the leader epoch: librdkafka stores it with its position, which is before such a
/// batch (`rdkafka_msgset_reader.c`). When the leader has changed, it asks for the end offset of that epoch
/// (KIP-320). An epoch older than the position's epoch looks like a truncated log: the client then stops
/// there, or goes back and reads everything again.
#[must_use]
pub(crate) fn cut_batch(length: usize, leader_epoch: i32) -> Bytes {
    let mut bytes = vec![0; length];
    // `batchLength` does not count the bytes before itself. So a batch with this value is always longer than
    // the bytes here.
    let claims = i32::try_from(length.max(HEADER_LEN)).unwrap_or(i32::MAX);
    let fields = [0; 8].into_iter().chain(claims.to_be_bytes()).chain(leader_epoch.to_be_bytes()).chain([2]);
    for (byte, field) in bytes.iter_mut().zip(fields) {
        *byte = field;
    }
    bytes.into()
}

const _: () = assert!(MAGIC_END < HEADER_LEN);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::records::batch::testing::{batch, header};

    fn three() -> Vec<RawBatch> {
        vec![batch(header(0, 2), b"aaaa"), batch(header(2, 1), b""), batch(header(10, 5), &[9; 300])]
    }

    fn joined(batches: &[RawBatch]) -> Bytes {
        batches.iter().flat_map(|batch| batch.bytes.clone()).collect::<Vec<u8>>().into()
    }

    #[test]
    fn whole_batches_are_returned_and_a_truncated_one_ends_the_walk() {
        let batches = three();
        let all = joined(&batches);
        for cut in 0..=all.len() {
            let walked: Result<Vec<_>, _> = walk(&all.slice(..cut)).collect();
            let mut end = 0;
            let whole = batches.iter().take_while(|batch| {
                end += batch.bytes.len();
                end <= cut
            });
            assert_eq!(walked.unwrap(), whole.cloned().collect::<Vec<_>>(), "cut at {cut}");
        }
    }

    #[test]
    fn a_batch_of_an_old_format_is_an_error_with_its_offset() {
        let mut bytes = joined(&three()).to_vec();
        let second = 61 + 4;
        bytes[second + 16] = 1;
        let walked: Vec<_> = walk(&bytes.into()).collect();
        assert_eq!(walked.len(), 2);
        assert!(walked[0].is_ok());
        assert_eq!(walked[1], Err(BatchError::Magic { offset: 2, magic: 1 }));
    }

    #[test]
    fn a_short_v0_message_is_not_taken_for_a_truncated_batch() {
        let mut message = vec![0; 34];
        message[7] = 8;
        message[16] = 0;
        let walked: Vec<_> = walk(&message.into()).collect();
        assert_eq!(walked, [Err(BatchError::Magic { offset: 8, magic: 0 })]);
    }

    #[test]
    fn a_cut_batch_of_any_length_ends_the_walk() {
        for length in (0..200).chain([100_000]) {
            let bytes = cut_batch(length, 7);
            assert_eq!(bytes.len(), length);
            assert!(length < 16 || bytes[12..16] == [0, 0, 0, 7], "{length}");
            let mut cut = walk(&bytes);
            assert_eq!(cut.next(), None, "{length}");
            assert_eq!(cut.remaining(), length);
        }
    }

    proptest! {
        #[test]
        fn a_walk_over_arbitrary_bytes_ends(bytes in proptest::collection::vec(any::<u8>(), 0..400), magic in any::<bool>()) {
            let mut bytes = bytes;
            if magic && bytes.len() > 16 {
                bytes[16] = 2;
            }
            let bytes = Bytes::from(bytes);
            let mut walked = 0;
            for raw in walk(&bytes) {
                walked += raw.map_or(0, |batch| batch.bytes.len());
            }
            prop_assert!(walked <= bytes.len());
        }
    }
}
