//! Reads and writes the zigzag varints of v2 records (`ByteUtils.writeVarlong` of Kafka).

use crate::wire::protocol::primitive::put_unsigned_varint;

/// Returns the encoded size of `value`: 1 to 10 bytes.
#[must_use]
pub(crate) fn varint_len(value: i64) -> usize {
    (64 - (zigzag(value) | 1).leading_zeros()).div_ceil(7) as usize
}

/// Appends `value`.
pub fn put_varint(out: &mut Vec<u8>, value: i64) {
    put_unsigned_varint(out, zigzag(value));
}

/// Takes a value from the front of `rest`. Returns `None` if it is truncated or longer than ten bytes.
pub(crate) fn take_varint(rest: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_varint_reads_back_and_has_the_length_of_varint_len(value in any::<i64>(), shift in 0u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert_eq!(out.len(), varint_len(value));
            for cut in 0..out.len() {
                prop_assert_eq!(take_varint(&mut &out[..cut]), None);
            }
            out.push(7);
            let mut rest = &out[..];
            prop_assert_eq!(take_varint(&mut rest), Some(value));
            prop_assert_eq!(rest, &[7u8][..]);
        }
    }

    #[test]
    fn eleven_bytes_are_no_varint() {
        assert_eq!(take_varint(&mut &[0xff; 11][..]), None);
    }
}
