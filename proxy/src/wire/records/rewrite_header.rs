//! Gives a source batch a new header. The payload stays unchanged and is not copied.
//!
//! For a large batch, the new CRC is computed from the old CRC and the changed header bytes (CRC-32C is
//! linear). So the payload is not read at all, and an error in it stays visible to the destination broker.
//! For a small batch it is cheaper to verify the old CRC and to compute the new one. Either way, a damaged
//! batch never gets a CRC that matches.

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::records::batch::{
    ATTRIBUTES_AT, CRC_AT, DELETE_HORIZON, HEADER_LEN, RawBatch, TRANSACTIONAL,
};

/// Minimum payload size, in bytes, for combining CRCs. One combination costs about 6 µs, as much as hashing
/// this many bytes.
const COMBINE_FROM: usize = 150 * 1024;

/// Producer ids that a batch of Linkgate has in place of those of the source producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterIds {
    /// Reserved producer id of the mirror.
    pub producer_id: i64,
    /// Producer epoch: 0 while the topic is mirrored, higher in a fence.
    pub producer_epoch: i16,
    /// Sequence number of the first record; see [`crate::wire::records::sequence::sequence_of`].
    pub base_sequence: i32,
}

/// The bytes of a batch do not match its CRC.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "batch at offset {base_offset} is damaged: the header has CRC {expected:#010x}, but the CRC of the \
     bytes is {found:#010x}"
)]
pub struct CrcMismatch {
    /// Offset of its first record.
    pub base_offset: i64,
    /// The CRC in its header.
    pub expected: u32,
    /// The CRC of its bytes.
    pub found: u32,
}

/// Checks that the bytes of a batch match its CRC.
///
/// # Errors
/// Fails if they do not match.
pub(crate) fn verify_crc(batch: &RawBatch) -> Result<(), CrcMismatch> {
    let found = crc32c::crc32c(batch.bytes.get(ATTRIBUTES_AT..).unwrap_or_default());
    let (base_offset, expected) = (batch.header.base_offset, batch.header.crc);
    if found == expected { Ok(()) } else { Err(CrcMismatch { base_offset, expected, found }) }
}

/// Returns the 61 bytes of the new header, and the payload, which is not copied.
///
/// The new header has base offset 0, leader epoch -1, no transactional and delete-horizon bits, `ids`, and
/// the matching CRC. The base timestamp of a cleaned batch stays, which is its delete horizon: the cleaner
/// counts the records' deltas from it (`MemoryRecordsBuilder`), so the timestamps are right also without the
/// bit.
///
/// # Errors
/// Fails if a small batch is damaged. A damaged large batch gets a CRC that does not match, and the
/// destination broker refuses it.
pub fn rewrite_header(batch: &RawBatch, ids: WriterIds) -> Result<(Bytes, Bytes), CrcMismatch> {
    let payload = batch.payload();
    let combine = payload.len() >= COMBINE_FROM;
    rewrite_header_by(batch, payload, ids, combine)
}

fn rewrite_header_by(
    batch: &RawBatch,
    payload: Bytes,
    ids: WriterIds,
    combine: bool,
) -> Result<(Bytes, Bytes), CrcMismatch> {
    let mut header = batch.header;
    header.base_offset = 0;
    header.partition_leader_epoch = -1;
    header.attributes &= !(TRANSACTIONAL | DELETE_HORIZON);
    header.producer_id = ids.producer_id;
    header.producer_epoch = ids.producer_epoch;
    header.base_sequence = ids.base_sequence;
    let mut new = header.to_bytes();

    let old_part = batch.bytes.get(ATTRIBUTES_AT..HEADER_LEN).unwrap_or_default();
    let new_crc = crc32c::crc32c(&new[ATTRIBUTES_AT..]);
    header.crc = if combine {
        // crc(h‖p) = shift(crc(h), |p|) ^ crc(p): the payload's share is the same under both headers.
        let changed = crc32c::crc32c(old_part) ^ new_crc;
        batch.header.crc ^ crc32c::crc32c_combine(changed, 0, payload.len())
    } else {
        let found = crc32c::crc32c_append(crc32c::crc32c(old_part), &payload);
        if found != batch.header.crc {
            let base_offset = batch.header.base_offset;
            return Err(CrcMismatch { base_offset, expected: batch.header.crc, found });
        }
        crc32c::crc32c_append(new_crc, &payload)
    };
    new[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&header.crc.to_be_bytes());

    let mut bytes = BytesMut::with_capacity(HEADER_LEN);
    bytes.put_slice(&new);
    Ok((bytes.freeze(), payload))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::records::batch::testing::{batch, header};
    use crate::wire::records::batch::{BatchHeader, CONTROL, LOG_APPEND_TIME};

    const IDS: WriterIds = WriterIds { producer_id: (1 << 62) + 5, producer_epoch: 0, base_sequence: 77 };

    fn join(parts: &(Bytes, Bytes)) -> RawBatch {
        RawBatch::parse(&[parts.0.clone(), parts.1.clone()].concat().into()).unwrap()
    }

    #[test]
    fn only_the_named_fields_change() {
        let mut given = header(1234, 5);
        given.attributes = TRANSACTIONAL | DELETE_HORIZON | CONTROL | LOG_APPEND_TIME | 3;
        let old = batch(given, b"some payload");
        let parts = rewrite_header(&old, IDS).unwrap();
        assert_eq!(parts.1.as_ptr(), old.payload().as_ptr(), "the payload was copied");
        let new = join(&parts);
        assert!(new.crc_matches());
        let expected = BatchHeader {
            base_offset: 0,
            partition_leader_epoch: -1,
            attributes: CONTROL | LOG_APPEND_TIME | 3,
            producer_id: IDS.producer_id,
            producer_epoch: 0,
            base_sequence: 77,
            crc: new.header.crc,
            ..old.header
        };
        assert_eq!(new.header, expected);
    }

    #[test]
    fn large_batches_take_the_combining_path_and_match() {
        for size in [COMBINE_FROM - 1, COMBINE_FROM, COMBINE_FROM + 1, 1 << 20] {
            let payload: Vec<u8> = (0..size).map(|i| (i * 31 % 251) as u8).collect();
            assert!(join(&rewrite_header(&batch(header(9, 3), &payload), IDS).unwrap()).crc_matches());
        }
    }

    #[test]
    fn damage_to_a_large_payload_stays_visible() {
        let payload = vec![7; COMBINE_FROM + 10];
        let good = batch(header(9, 3), &payload);
        let mut bytes = good.bytes.to_vec();
        bytes[HEADER_LEN + 1000] ^= 0x10;
        let damaged = RawBatch::parse(&bytes.into()).unwrap();
        assert!(!join(&rewrite_header(&damaged, IDS).unwrap()).crc_matches());
    }

    proptest! {
        #[test]
        fn both_paths_agree(
            payload in proptest::collection::vec(any::<u8>(), 0..2000),
            attributes in 0i16..128, pid in any::<i64>(), epoch in any::<i16>(), sequence in any::<i32>(),
        ) {
            let mut given = header(3, 4);
            given.attributes = attributes;
            let old = batch(given, &payload);
            let ids = WriterIds { producer_id: pid, producer_epoch: epoch, base_sequence: sequence };
            let combined = rewrite_header_by(&old, old.payload(), ids, true).unwrap();
            let computed = rewrite_header_by(&old, old.payload(), ids, false).unwrap();
            prop_assert_eq!(&combined, &computed);
            prop_assert!(join(&combined).crc_matches());
        }

        #[test]
        fn a_flipped_bit_never_comes_out_valid(
            payload in proptest::collection::vec(any::<u8>(), 0..500),
            at in any::<prop::sample::Index>(), bit in 0u8..8, combine in any::<bool>(),
        ) {
            let old = batch(header(3, 4), &payload);
            let mut bytes = old.bytes.to_vec();
            // The changed byte is in the CRC field or in the part that the CRC covers.
            let at = CRC_AT + at.index(bytes.len() - CRC_AT);
            bytes[at] ^= 1 << bit;
            if let Ok(damaged) = RawBatch::parse(&bytes.into())
                && let Ok(parts) = rewrite_header_by(&damaged, damaged.payload(), IDS, combine)
            {
                let new = [parts.0, parts.1].concat();
                let crc = u32::from_be_bytes(new[CRC_AT..ATTRIBUTES_AT].try_into().unwrap());
                prop_assert_ne!(crc32c::crc32c(&new[ATTRIBUTES_AT..]), crc);
            }
        }
    }
}
