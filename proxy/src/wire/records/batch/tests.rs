use super::testing::{batch, header};
use super::*;

#[test]
fn a_header_reads_back_as_written() {
    let mut given = header(41, 3);
    given.attributes = TRANSACTIONAL | CONTROL | DELETE_HORIZON | 4;
    let parsed = BatchHeader::parse(&given.to_bytes()).unwrap();
    assert_eq!(parsed, given);
    assert_eq!((parsed.last_offset(), parsed.next_offset(), parsed.total_len()), (43, 44, 61));
    assert!(parsed.is_transactional() && parsed.is_control() && parsed.has_delete_horizon());
    assert!(!parsed.is_log_append_time());
    assert_eq!(parsed.codec(), Codec::Zstd);
}

#[test]
fn impossible_headers_are_refused() {
    let good = header(0, 1);
    let refuse = |header: BatchHeader| BatchHeader::parse(&header.to_bytes()).unwrap_err();
    for length in [i32::MIN, -1, 0, 48] {
        assert_eq!(
            refuse(BatchHeader { batch_length: length, ..good }),
            BatchError::Length { offset: 0, length }
        );
    }
    for (base_offset, last_offset_delta) in [(-1, 0), (0, -1), (i64::MAX, 0), (i64::MAX - 5, 5)] {
        let error = refuse(BatchHeader { base_offset, last_offset_delta, ..good });
        assert_eq!(error, BatchError::Offsets { offset: base_offset, last_offset_delta });
    }
    let mut old = good.to_bytes();
    old[MAGIC_AT] = 1;
    assert_eq!(BatchHeader::parse(&old), Err(BatchError::Magic { offset: 0, magic: 1 }));
    for have in 0..HEADER_LEN {
        assert_eq!(BatchHeader::parse(&good.to_bytes()[..have]), Err(BatchError::Short { have }));
    }
}

#[test]
fn a_batch_is_a_slice_of_its_frame() {
    let one = batch(header(5, 2), b"payload");
    let mut frame = one.bytes.to_vec();
    frame.extend_from_slice(b"next");
    let frame = Bytes::from(frame);
    let raw = RawBatch::parse(&frame).unwrap();
    assert_eq!(raw.bytes.as_ptr(), frame.as_ptr());
    assert_eq!(&raw.payload()[..], b"payload");
    assert!(raw.crc_matches());
    assert_eq!(
        RawBatch::parse(&frame.slice(..one.bytes.len() - 1)),
        Err(BatchError::Short { have: one.bytes.len() - 1 })
    );
}
