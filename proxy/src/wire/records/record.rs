//! Iterates over the decompressed records of a v2 batch, without copying.
//!
//! Layout: Kafka's `DefaultRecord`. Every length is checked against the remaining bytes, also in headers. The
//! payload must hold exactly as many records as the batch header says.

use crate::wire::protocol::varint::{take_varint, take_varlong};

/// One record of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Attributes of the record. Kafka uses no bit of them yet.
    pub attributes: i8,
    /// Timestamp minus the base timestamp of the batch, in ms.
    pub timestamp_delta: i64,
    /// Offset minus the base offset of the batch: 0 to 2^31-1.
    pub offset_delta: i64,
    /// The key; `None` for null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` for null.
    pub value: Option<&'a [u8]>,
    /// Key, value and headers in wire format. They are copied unchanged when the record gets other deltas.
    pub tail: &'a [u8],
    /// True if the record has headers.
    pub has_headers: bool,
    /// The whole record in wire format, its length field included.
    pub wire: &'a [u8],
}

/// An error in the records of a batch. Positions count from the first byte of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A field is truncated, is longer than its record, or has an invalid length.
    #[error("record {index} at byte {at}: its {field} cannot be read")]
    Malformed {
        /// Number of records before this one.
        index: i32,
        /// Position of the record.
        at: usize,
        /// Name of the field.
        field: &'static str,
    },
    /// Bytes follow the last record.
    #[error("{remaining} bytes follow the {count} records of the batch")]
    Trailing {
        /// Number of records in the batch header.
        count: i32,
        /// Number of remaining bytes.
        remaining: usize,
    },
    /// The record count of the batch header is negative.
    #[error("the batch header has the invalid record count {count}")]
    Count {
        /// Record count in the batch header.
        count: i32,
    },
}

/// Iterates over the `count` records of `payload`, which must be decompressed.
///
/// After an error, the iteration ends.
#[must_use]
pub fn records(payload: &[u8], count: i32) -> Records<'_> {
    Records { rest: payload, length: payload.len(), index: 0, count, over: false }
}

/// Iterator that [`records`] returns.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
    length: usize,
    index: i32,
    count: i32,
    over: bool,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordView<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let read = self.read().transpose();
        self.over = !matches!(read, Some(Ok(_)));
        read
    }
}

impl<'a> Records<'a> {
    fn read(&mut self) -> Result<Option<RecordView<'a>>, RecordError> {
        let count = self.count;
        if count < 0 {
            return Err(RecordError::Count { count });
        }
        if self.index == count {
            return match self.rest.len() {
                0 => Ok(None),
                remaining => Err(RecordError::Trailing { count, remaining }),
            };
        }
        let at = self.length - self.rest.len();
        let (record, after) = take_record(self.rest).map_err(|field| RecordError::Malformed {
            index: self.index,
            at,
            field,
        })?;
        self.rest = after;
        self.index += 1;
        Ok(Some(record))
    }
}

/// Takes the record at the start of `bytes`, and returns it with the bytes after it. Fails with the name of
/// the field that cannot be read.
fn take_record(bytes: &[u8]) -> Result<(RecordView<'_>, &[u8]), &'static str> {
    let mut after = bytes;
    let mut rest = take_sized(&mut after).flatten().ok_or("length")?;
    let wire = &bytes[..bytes.len() - after.len()];
    let (attributes, behind) = rest.split_first().ok_or("attributes")?;
    rest = behind;
    let timestamp_delta = take_varlong(&mut rest).ok_or("timestamp delta")?;
    let offset_delta = take_varint(&mut rest).filter(|delta| *delta >= 0).ok_or("offset delta")?;
    let tail = rest;
    let key = take_sized(&mut rest).ok_or("key")?;
    let value = take_sized(&mut rest).ok_or("value")?;
    let headers = take_varint(&mut rest).and_then(|count| usize::try_from(count).ok());
    // A header has at least one byte for each of its two lengths.
    let headers = headers.filter(|count| *count <= rest.len() / 2).ok_or("header count")?;
    for _ in 0..headers {
        let _ = take_sized(&mut rest).flatten().ok_or("header key")?;
        let _ = take_sized(&mut rest).ok_or("header value")?;
    }
    if !rest.is_empty() {
        return Err("end");
    }
    let record = RecordView {
        attributes: attributes.cast_signed(),
        timestamp_delta,
        offset_delta: offset_delta.into(),
        key,
        value,
        tail,
        has_headers: headers > 0,
        wire,
    };
    Ok((record, after))
}

/// Takes a length and that number of bytes. Returns `None` if they cannot be read, and `Some(None)` for null:
/// a negative length. Writers use -1; brokers and consumers of Kafka take any.
fn take_sized<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let Ok(length) = usize::try_from(take_varint(rest)?) else { return Some(None) };
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(Some(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::protocol::varint::put_varint;

    fn record(timestamp_delta: i64, offset_delta: i64, tail: &[u8]) -> Vec<u8> {
        let mut body = vec![5];
        put_varint(&mut body, timestamp_delta);
        put_varint(&mut body, offset_delta);
        body.extend_from_slice(tail);
        let mut out = Vec::new();
        put_varint(&mut out, body.len() as i64);
        out.extend_from_slice(&body);
        out
    }

    /// Key "k", value null, one header "h" with a null value.
    const TAIL: &[u8] = &[2, b'k', 1, 2, 2, b'h', 1];

    #[test]
    fn records_read_back_unchanged() {
        let (first, second) = (record(-7, 0, TAIL), record(1 << 40, 9, &[1, 0, 0]));
        let payload = [first.clone(), second].concat();
        let read: Vec<_> = records(&payload, 2).map(Result::unwrap).collect();
        let expected = RecordView {
            attributes: 5,
            timestamp_delta: -7,
            offset_delta: 0,
            key: Some(b"k"),
            value: None,
            tail: TAIL,
            has_headers: true,
            wire: &first,
        };
        assert_eq!(read[0], expected);
        assert_eq!((read[1].timestamp_delta, read[1].offset_delta), (1 << 40, 9));
        assert_eq!((read[1].key, read[1].value, read[1].has_headers), (None, Some(&[][..]), false));
    }

    #[test]
    fn a_wrong_record_count_is_an_error_and_ends_the_iteration() {
        let payload = record(0, 0, TAIL);
        let end = |count| records(&payload, count).last().unwrap().unwrap_err();
        assert_eq!(end(2), RecordError::Malformed { index: 1, at: payload.len(), field: "length" });
        assert_eq!(end(0), RecordError::Trailing { count: 0, remaining: payload.len() });
        assert_eq!(end(-1), RecordError::Count { count: -1 });
        assert_eq!(end(i32::MAX), end(2));
        assert_eq!(records(&payload, i32::MAX).count(), 2);
        assert_eq!(records(&[], 0).count(), 0);
    }

    #[test]
    fn oversized_and_invalid_lengths_in_a_record_are_refused() {
        let refused = |tail: &[u8]| match records(&record(0, 0, tail), 1).next().unwrap() {
            Err(RecordError::Malformed { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(&[0xfe, 0xff, 0xff, 0xff, 0x0f, 1, 0]), "key");
        assert_eq!(refused(&[1, 6, b'v', 0]), "value");
        assert_eq!(refused(&[1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f]), "header count");
        assert_eq!(refused(&[1, 1, 1]), "header count");
        assert_eq!(refused(&[1, 1, 2, 1, 0]), "header key");
        assert_eq!(refused(&[1, 1, 2, 0, 8]), "header value");
        assert_eq!(refused(&[1, 1, 0, 9]), "end");
        for delta in [-1, i64::MIN] {
            let bytes = record(0, delta, &[1, 1, 0]);
            let error = records(&bytes, 1).next().unwrap().unwrap_err();
            assert_eq!(error, RecordError::Malformed { index: 0, at: 0, field: "offset delta" });
        }
        for length in [-1i64, -2, i64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, length);
            assert!(records(&bytes, 1).next().unwrap().is_err());
        }
    }

    #[test]
    fn any_negative_length_is_null_but_for_a_record_and_the_key_of_a_header() {
        let payload = record(0, 0, &[3, 5, 2, 2, b'h', 0xff, 0xff, 0xff, 0xff, 0x0f]);
        let read = records(&payload, 1).next().unwrap().unwrap();
        assert_eq!((read.key, read.value, read.has_headers), (None, None, true));
        let error = records(&record(0, 0, &[1, 1, 2, 3, 0]), 1).next().unwrap().unwrap_err();
        assert_eq!(error, RecordError::Malformed { index: 0, at: 0, field: "header key" });
    }

    proptest! {
        #[test]
        fn iterating_over_arbitrary_bytes_ends_and_never_reads_beyond_them(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..12], 0..200), count in -2i32..50,
        ) {
            let mut read = 0;
            for record in records(&bytes, count) {
                read += record.map_or(0, |record| record.wire.len());
            }
            prop_assert!(read <= bytes.len());
        }
    }
}
