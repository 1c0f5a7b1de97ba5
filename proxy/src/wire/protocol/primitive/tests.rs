//! Tests that invalid lengths and counts are refused, and that written values read back the same.

use proptest::prelude::*;

use crate::wire::protocol::primitive::*;

fn reader(bytes: &[u8]) -> Reader {
    Reader::new(Bytes::copy_from_slice(bytes))
}

#[test]
fn integers_read_big_endian() {
    let mut r = reader(&[0xff, 0x01, 0x02, 0, 0, 0, 7, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!((r.i8().unwrap(), r.i16().unwrap(), r.i32().unwrap()), (-1, 0x102, 7));
    assert_eq!(r.i64().unwrap(), i64::MIN);
    assert!(r.finish().is_ok());
    assert!(matches!(r.i8(), Err(WireError::Truncated { needed: 1, remaining: 0, .. })));
}

#[test]
fn a_varint_of_more_than_five_bytes_is_refused() {
    for last in [0x0f, 0x1f, 0x7f] {
        assert_eq!(reader(&[0xff, 0xff, 0xff, 0xff, last]).unsigned_varint().unwrap(), u32::MAX);
    }
    let endless = reader(&[0x80; 64]).unsigned_varint();
    assert_eq!(endless, Err(WireError::VarintTooLong { at: 0 }));
}

#[test]
fn an_invalid_string_length_is_refused() {
    assert!(matches!(reader(&[0x7f, 0xff, b'x']).string(false), Err(WireError::Truncated { .. })));
    assert!(matches!(
        reader(&[0xff, 0xff, 0xff, 0xff, 0x0f, b'x']).string(true),
        Err(WireError::Truncated { .. })
    ));
    assert!(matches!(reader(&[0xff, 0xfe]).string(false), Err(WireError::IllegalLength { .. })));
    assert!(matches!(reader(&[0xff, 0xff]).string(false), Err(WireError::IllegalLength { .. })));
    assert!(matches!(reader(&[0, 1, 0xff]).string(false), Err(WireError::NotUtf8 { .. })));
    assert_eq!(reader(&[0xff, 0xff]).nullable_string(false), Ok(None));
    assert_eq!(reader(&[0]).nullable_string(true), Ok(None));
    assert_eq!(reader(&[3, b'h', b'i']).string(true).unwrap().as_str(), "hi");
}

#[test]
fn an_invalid_bytes_length_is_refused() {
    assert!(matches!(
        reader(&[0x7f, 0xff, 0xff, 0xff, 1]).nullable_bytes(false),
        Err(WireError::Truncated { .. })
    ));
    assert!(matches!(
        reader(&[0x80, 0, 0, 0, 1]).nullable_bytes(false),
        Err(WireError::IllegalLength { .. })
    ));
    assert_eq!(reader(&[0, 0, 0, 1, 9]).nullable_bytes(false), Ok(Some(4..5)));
}

#[test]
fn an_oversized_array_count_is_refused() {
    for bytes in [&[0x7f, 0xff, 0xff, 0xff][..], &[0xff, 0xff, 0xff, 0xff, 0x0f]] {
        let compact = bytes.len() == 5;
        assert!(matches!(reader(bytes).count(compact, 1), Err(WireError::CountTooLarge { .. })));
        assert!(matches!(reader(bytes).count(compact, 0), Err(WireError::CountTooLarge { .. })));
        assert!(matches!(reader(bytes).count(compact, usize::MAX), Err(WireError::CountTooLarge { .. })));
    }
    assert_eq!(reader(&[0, 0, 0, 2, 1, 1]).count(false, 1), Ok(2));
    assert!(reader(&[0, 0, 0, 2, 1]).count(false, 1).is_err());
}

#[test]
fn an_oversized_tagged_field_is_refused() {
    assert!(matches!(
        reader(&[0xff, 0xff, 0xff, 0xff, 0x0f]).skip_tags(),
        Err(WireError::CountTooLarge { .. })
    ));
    assert!(matches!(reader(&[1, 0, 0xff, 0xff, 0x03]).skip_tags(), Err(WireError::Truncated { .. })));
    let mut seen = Vec::new();
    reader(&[2, 0, 1, 9, 5, 0]).tags(|tag, range| seen.push((tag, range))).unwrap();
    assert_eq!(seen, [(0, 3..4), (5, 6..6)]);
}

proptest! {
    #[test]
    fn strings_round_trip(text in "\\PC{0,40}", compact: bool) {
        let mut out = BytesMut::new();
        put_string(&mut out, compact, &text);
        let mut r = Reader::new(out.freeze());
        let read = r.string(compact).unwrap();
        prop_assert_eq!(read.as_str(), &text);
        prop_assert!(r.finish().is_ok());
    }
}
