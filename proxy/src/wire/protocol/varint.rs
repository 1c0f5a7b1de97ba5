//! Reads and writes the varints of the Kafka protocol and of v2 records, as Kafka's `ByteUtils` does.
//!
//! A value of 32 bits has at most five bytes, one of 64 bits at most ten. Bits of the last byte that do not fit
//! are dropped, and a value may have more bytes than it needs. A stricter reader would refuse records that
//! brokers keep and consumers read; any other reader would see other values than they do.

use bytes::BufMut;

/// Reads an unsigned value of 32 bits. `next` returns its bytes, one after another. Returns `None` if it has
/// more than five.
pub(crate) fn read_unsigned_varint<E>(next: impl FnMut() -> Result<u8, E>) -> Result<Option<u32>, E> {
    Ok(read::<5, E>(next)?.map(|value| value as u32))
}

/// Reads a zigzag value of 32 bits, like [`read_unsigned_varint`].
pub(crate) fn read_varint<E>(next: impl FnMut() -> Result<u8, E>) -> Result<Option<i32>, E> {
    let value = read_unsigned_varint(next)?;
    Ok(value.map(|value| (value >> 1).cast_signed() ^ -(value & 1).cast_signed()))
}

/// Reads a zigzag value of 64 bits, like [`read_unsigned_varint`], of at most ten bytes.
pub(crate) fn read_varlong<E>(next: impl FnMut() -> Result<u8, E>) -> Result<Option<i64>, E> {
    let value = read::<10, E>(next)?;
    Ok(value.map(|value| (value >> 1).cast_signed() ^ -(value & 1).cast_signed()))
}

fn read<const MOST: u32, E>(mut next: impl FnMut() -> Result<u8, E>) -> Result<Option<u64>, E> {
    let mut value = 0;
    for index in 0..MOST {
        let byte = next()?;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// Takes a zigzag value of 32 bits from the front of `rest`. Returns `None` if it is truncated or too long.
pub(crate) fn take_varint(rest: &mut &[u8]) -> Option<i32> {
    read_varint(|| take_byte(rest)).ok().flatten()
}

/// Takes a zigzag value of 64 bits from the front of `rest`. Returns `None` if it is truncated or too long.
pub(crate) fn take_varlong(rest: &mut &[u8]) -> Option<i64> {
    read_varlong(|| take_byte(rest)).ok().flatten()
}

fn take_byte(rest: &mut &[u8]) -> Result<u8, ()> {
    let (byte, after) = rest.split_first().ok_or(())?;
    *rest = after;
    Ok(*byte)
}

/// Appends an unsigned value.
pub fn put_unsigned_varint(out: &mut impl BufMut, value: impl Into<u64>) {
    let mut rest = value.into();
    while rest >= 0x80 {
        out.put_u8((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

/// Appends a zigzag value. Values of 32 and of 64 bits are written alike.
pub fn put_varint(out: &mut Vec<u8>, value: i64) {
    put_unsigned_varint(out, zigzag(value));
}

/// Returns the encoded size of a zigzag value: 1 to 10 bytes.
#[must_use]
pub(crate) fn varint_len(value: i64) -> usize {
    (64 - (zigzag(value) | 1).leading_zeros()).div_ceil(7) as usize
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unsigned(mut bytes: &[u8]) -> Option<u32> {
        read_unsigned_varint(|| take_byte(&mut bytes)).ok().flatten()
    }

    fn short(mut bytes: &[u8]) -> Option<i32> {
        take_varint(&mut bytes)
    }

    fn long(mut bytes: &[u8]) -> Option<i64> {
        take_varlong(&mut bytes)
    }

    /// The same value with `more` bytes more than it needs.
    fn overlong(bytes: &[u8], more: usize) -> Vec<u8> {
        let mut longer = bytes.to_vec();
        *longer.last_mut().unwrap() |= 0x80;
        longer.resize(bytes.len() + more, 0x80);
        *longer.last_mut().unwrap() &= 0x7f;
        longer
    }

    proptest! {
        #[test]
        fn a_value_reads_back_has_the_length_of_varint_len_and_cannot_be_truncated(
            value in any::<i64>(), shift in 0u32..64,
        ) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert_eq!(out.len(), varint_len(value));
            for cut in 0..out.len() {
                prop_assert_eq!((short(&out[..cut]), long(&out[..cut])), (None, None));
            }
            out.push(7);
            let mut rest = &out[..];
            prop_assert_eq!(take_varlong(&mut rest), Some(value));
            prop_assert_eq!(rest, &[7u8][..]);
            if let Ok(value) = i32::try_from(value) {
                rest = &out[..];
                prop_assert_eq!(take_varint(&mut rest), Some(value));
                prop_assert_eq!(rest, &[7u8][..]);
            }
        }

        #[test]
        fn an_unsigned_value_reads_back_and_cannot_be_truncated(value in any::<u32>(), shift in 0u32..32) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_unsigned_varint(&mut out, value);
            prop_assert_eq!(unsigned(&out), Some(value));
            for cut in 0..out.len() {
                prop_assert_eq!(unsigned(&out[..cut]), None);
            }
        }

        #[test]
        fn a_value_may_have_more_bytes_than_it_needs_up_to_the_most_of_its_type(
            value in any::<i32>(), shift in 0u32..32, more in 1usize..9,
        ) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_varint(&mut out, value.into());
            let longer = overlong(&out, more);
            let fits = |most: usize| longer.len() <= most;
            prop_assert_eq!(short(&longer), fits(5).then_some(value));
            prop_assert_eq!(long(&longer), fits(10).then_some(value.into()));
            prop_assert_eq!(unsigned(&longer).is_some(), fits(5));
        }

        #[test]
        fn bits_that_do_not_fit_are_dropped(bytes in prop::collection::vec(any::<u8>(), 0..13)) {
            let length = bytes.iter().position(|byte| byte & 0x80 == 0).map(|last| last + 1);
            let all = bytes[..length.unwrap_or_default()].iter().rev();
            let bits = all.fold(0u128, |bits, byte| bits << 7 | u128::from(byte & 0x7f));
            let fits = |most: usize| length.is_some_and(|length| length <= most);
            prop_assert_eq!(unsigned(&bytes), fits(5).then_some(bits as u32));
            let sign = |odd: bool| if odd { -1 } else { 0 };
            let expected = (bits as u32 >> 1) as i32 ^ sign(bits & 1 == 1);
            prop_assert_eq!(short(&bytes), fits(5).then_some(expected));
            let expected = (bits as u64 >> 1) as i64 ^ i64::from(sign(bits & 1 == 1));
            prop_assert_eq!(long(&bytes), fits(10).then_some(expected));
        }
    }
}
