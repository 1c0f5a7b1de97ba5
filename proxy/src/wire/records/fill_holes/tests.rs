use crate::wire::records::batch::Codec;
use crate::wire::records::compression::decompress;
use crate::wire::records::record::records;
use crate::wire::records::rewrite_header::CrcMismatch;
use proptest::prelude::*;

use crate::wire::records::batch::testing::{batch, header};
use crate::wire::records::batch::{BatchHeader, CONTROL, DELETE_HORIZON, LOG_APPEND_TIME, TRANSACTIONAL};
use crate::wire::records::compression::compress;
use crate::wire::records::fill_holes::*;
use crate::wire::records::filler::{FillerKind, SENTINEL_KEY, mark};
use crate::wire::records::record_writer::put_record;

const IDS: WriterIds = WriterIds { producer_id: (1 << 62) + 5, producer_epoch: 0, base_sequence: 100 };
const OPTIONS: FillHolesOptions = FillHolesOptions { limit: 1 << 20, drop_unkeyed: false };
const BASE: i64 = 1_700_000_000_000;

/// A record for a test: offset delta, timestamp, key, value, and true for a header.
type Rec = (i64, i64, Option<&'static [u8]>, Option<&'static [u8]>, bool);

fn tail(key: Option<&[u8]>, value: Option<&[u8]>, header: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for field in [key, value] {
        crate::wire::protocol::varint::put_varint(&mut out, field.map_or(-1, |field| field.len() as i64));
        out.extend_from_slice(field.unwrap_or_default());
    }
    out.extend_from_slice(if header { &[2, 2, b'h', 1] } else { &[0] });
    out
}

fn source(base_offset: i64, span: i32, codec: Codec, given: &[Rec]) -> RawBatch {
    let mut payload = Vec::new();
    for (delta, timestamp, key, value, header) in given {
        put_record(&mut payload, 0, timestamp - BASE, *delta, &tail(*key, *value, *header));
    }
    let header = BatchHeader {
        attributes: codec.attribute(),
        base_timestamp: BASE,
        max_timestamp: given.iter().map(|record| record.1).max().unwrap_or(-1),
        record_count: given.len() as i32,
        ..header(base_offset, span)
    };
    batch(header, &compress(codec, &payload).unwrap())
}

fn keyed(delta: i64) -> Rec {
    (delta, BASE + delta, Some(b"k"), Some(b"v"), delta % 2 == 1)
}

/// Reads a batch: its header, and offset delta, timestamp and tail of each record.
fn read(bytes: &Bytes) -> (BatchHeader, Vec<(i64, i64, Vec<u8>)>) {
    let batch = RawBatch::parse(bytes).unwrap();
    assert!(batch.crc_matches());
    let header = batch.header;
    assert_eq!(header.total_len(), bytes.len());
    let payload = decompress(header.codec(), &batch.payload(), 64 << 20).unwrap();
    let read: Vec<_> = records(&payload, header.record_count)
        .map(Result::unwrap)
        .map(|record| (record.offset_delta, timestamp_of(&header, &record), record.tail.to_vec()))
        .collect();
    (header, read)
}

fn one(pieces: Vec<Dense>) -> Dense {
    assert_eq!(pieces.len(), 1, "{pieces:?}");
    pieces.into_iter().next().unwrap()
}

#[test]
fn holes_get_sentinels_and_records_stay_as_they_were_in_every_codec() {
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let given = [keyed(1), keyed(2), (5, -1, Some(b""), None, true)];
        let source = source(40, 8, codec, &given);
        let dense = one(fill_holes(&source, 40, 77, IDS, OPTIONS).unwrap());
        assert_eq!((dense.base_offset, dense.next_offset, dense.records), (40, 48, 3));
        assert!(dense.mixed);
        assert_eq!(dense.last_timestamp, -1);
        let (header, records) = read(&dense.bytes);
        assert_eq!((header.record_count, header.last_offset_delta, header.codec()), (8, 7, codec));
        assert_eq!((header.base_offset, header.partition_leader_epoch), (0, -1));
        assert_eq!((header.producer_id, header.base_sequence), (IDS.producer_id, 100));
        assert_eq!((mark(&header), header.max_timestamp), (FillerKind::Mixed, BASE + 2));
        let hole = tail(Some(&SENTINEL_KEY), None, false);
        let real = |rec: Rec| (rec.0, rec.1, tail(rec.2, rec.3, rec.4));
        let expected = [
            (0, 77, hole.clone()),
            real(keyed(1)),
            real(keyed(2)),
            (3, BASE + 2, hole.clone()),
            (4, BASE + 2, hole.clone()),
            real(given[2]),
            (6, -1, hole.clone()),
            (7, -1, hole),
        ];
        assert_eq!(records, expected);
    }
}

#[test]
fn a_position_inside_a_dense_batch_drops_lower_offsets_and_is_not_mixed() {
    let source = source(10, 4, Codec::Zstd, &[keyed(0), keyed(1), keyed(2), keyed(3)]);
    let dense = one(fill_holes(&source, 12, 5, IDS, OPTIONS).unwrap());
    assert_eq!((dense.base_offset, dense.next_offset, dense.records, dense.mixed), (12, 14, 2, false));
    let (header, records) = read(&dense.bytes);
    assert_eq!((mark(&header), header.base_timestamp), (FillerKind::Real, BASE + 2));
    assert_eq!(
        records.iter().map(|record| (record.0, record.1)).collect::<Vec<_>>(),
        [(0, BASE + 2), (1, BASE + 3)]
    );
}

#[test]
fn log_append_time_becomes_each_records_own_timestamp() {
    let mut source = source(0, 2, Codec::None, &[keyed(0), keyed(1)]);
    source.header.attributes |= LOG_APPEND_TIME | TRANSACTIONAL;
    source.header.max_timestamp = BASE + 9999;
    let source = batch(source.header, &source.payload());
    let dense = one(fill_holes(&source, 0, 5, IDS, OPTIONS).unwrap());
    let (header, records) = read(&dense.bytes);
    assert_eq!((header.attributes, header.max_timestamp, dense.mixed), (0, BASE + 9999, false));
    assert!(records.iter().all(|record| record.1 == BASE + 9999));
    assert_eq!(dense.last_timestamp, BASE + 9999);
}

#[test]
fn a_delete_horizon_is_a_base_timestamp_like_any_other() {
    let mut source = source(0, 3, Codec::Lz4, &[keyed(0), keyed(2)]);
    source.header.attributes |= DELETE_HORIZON;
    let source = batch(source.header, &source.payload());
    let (header, records) = read(&one(fill_holes(&source, 0, 5, IDS, OPTIONS).unwrap()).bytes);
    assert!(!header.has_delete_horizon());
    assert_eq!(records.iter().map(|record| record.1).collect::<Vec<_>>(), [BASE, BASE, BASE + 2]);
}

#[test]
fn records_without_a_key_become_holes_if_drop_unkeyed_is_set() {
    let given = [keyed(0), (1, BASE, None, Some(&b"v"[..]), false), keyed(2)];
    let source = source(0, 3, Codec::None, &given);
    let dropped =
        one(fill_holes(&source, 0, 5, IDS, FillHolesOptions { drop_unkeyed: true, ..OPTIONS }).unwrap());
    assert_eq!((dropped.records, dropped.unkeyed, dropped.mixed), (2, 1, true));
    let taken = one(fill_holes(&source, 0, 5, IDS, OPTIONS).unwrap());
    assert_eq!((taken.records, taken.unkeyed, taken.mixed), (3, 0, false));
}

#[test]
fn a_batch_with_only_holes_yields_no_bytes() {
    let sentinel = (1, BASE, Some(&SENTINEL_KEY[..]), None, false);
    for given in [&[][..], &[sentinel]] {
        // Sentinels count as holes, because the header below makes the source a mirror.
        let source = source(7, 5, Codec::Gzip, given);
        let mut header = source.header;
        header.producer_id = IDS.producer_id + 1;
        header.attributes |= DELETE_HORIZON;
        (header.producer_epoch, header.base_sequence) = (0, 7);
        let source = batch(header, &source.payload());
        let dense = one(fill_holes(&source, 8, 33, IDS, OPTIONS).unwrap());
        assert_eq!((dense.base_offset, dense.next_offset, dense.records), (8, 12, 0));
        assert_eq!((dense.last_timestamp, dense.mixed), (33, false));
        assert!(dense.bytes.is_empty());
    }
}

#[test]
fn a_record_with_the_sentinels_key_and_more_is_real() {
    let key = Some(&SENTINEL_KEY[..]);
    let given = [(0, BASE, key, Some(&b""[..]), false), (1, BASE, key, None, true)];
    let dense = one(fill_holes(&source(0, 2, Codec::None, &given), 0, 5, IDS, OPTIONS).unwrap());
    assert_eq!((dense.records, dense.mixed), (2, false));
}

#[test]
fn a_dense_batch_with_a_magic_base_timestamp_does_not_come_out_marked() {
    for magic in [crate::wire::records::filler::FILLER_BASE_TIMESTAMP, MIXED_BASE_TIMESTAMP] {
        let given = [(0, magic, Some(&b"k"[..]), Some(&b"v"[..]), false)];
        let dense = one(fill_holes(&source(0, 1, Codec::None, &given), 0, 5, IDS, OPTIONS).unwrap());
        let (header, records) = read(&dense.bytes);
        assert_eq!((mark(&header), records[0].1), (FillerKind::Real, magic));
    }
}

#[test]
fn a_long_hole_becomes_its_own_piece_and_costs_no_memory() {
    let given = [keyed(0), keyed(2), (i64::from(i32::MAX) - 1, BASE, Some(&b"k"[..]), None, false)];
    let pieces = fill_holes(&source(5, i32::MAX, Codec::Zstd, &given), 5, -1, IDS, OPTIONS).unwrap();
    let last = 5 + i64::from(i32::MAX);
    let ranges: Vec<_> = pieces.iter().map(|p| (p.base_offset, p.next_offset, p.records, p.mixed)).collect();
    assert_eq!(ranges, [(5, 8, 2, true), (8, last - 1, 0, false), (last - 1, last, 1, false)]);
    assert_eq!(read(&pieces[0].bytes).0.base_sequence, 100);
    let sequence = read(&pieces[2].bytes).0.base_sequence;
    assert_eq!(sequence, sequence_of(100 + i64::from(i32::MAX) - 1));
    assert!(pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>() < 1000);
}

#[test]
fn too_many_long_holes_are_refused() {
    let given: Vec<_> = (0..20_000).map(|at| keyed(at * 2_000)).collect();
    let error = fill_holes(&source(0, 40_000_000, Codec::Zstd, &given), 0, -1, IDS, OPTIONS).unwrap_err();
    assert!(matches!(error, RecordsError::TooSparse { limit: 10_000, .. }), "{error}");
}

#[test]
fn many_holes_are_split_into_pieces_that_a_broker_accepts() {
    let given: Vec<_> = (0..3_000).map(|at| keyed(at * 900)).collect();
    let span = 3_000 * 900;
    let pieces = fill_holes(&source(0, span, Codec::None, &given), 0, -1, IDS, OPTIONS).unwrap();
    let mut next = 0;
    for piece in &pieces {
        assert_eq!(piece.base_offset, next);
        assert!(piece.bytes.len() <= 1_000_100, "{} bytes", piece.bytes.len());
        next = piece.next_offset;
    }
    assert_eq!(next, i64::from(span));
    assert_eq!(pieces.iter().map(|piece| piece.records).sum::<usize>(), 3_000);
    let sentinels: i64 = pieces
        .iter()
        .filter(|piece| piece.records > 0)
        .map(|piece| piece.next_offset - piece.base_offset - piece.records as i64)
        .sum();
    assert!(sentinels <= 1_000_000);
}

#[test]
fn pieces_with_a_very_large_record_are_not_larger_than_the_source() {
    static LARGE: [u8; 1_500_000] = [7; 1_500_000];
    let given = [keyed(0), (3, BASE + 3, Some(&b"k"[..]), Some(&LARGE[..]), false)];
    let source = source(0, 6, Codec::None, &given);
    let pieces = fill_holes(&source, 0, -1, IDS, FillHolesOptions { limit: 2 << 20, ..OPTIONS }).unwrap();
    for piece in &pieces {
        assert!(piece.bytes.len() <= source.bytes.len());
    }
    assert_eq!(pieces.iter().map(|piece| piece.records).sum::<usize>(), 2);
}

#[test]
fn invalid_batches_are_refused_with_their_offset() {
    let good = source(40, 4, Codec::Gzip, &[keyed(0), keyed(3)]);
    let refused = |batch: &RawBatch, from| fill_holes(batch, from, -1, IDS, OPTIONS).unwrap_err();
    for from in [39, 44] {
        assert!(matches!(
            refused(&good, from),
            RecordsError::Outside { base_offset: 40, last_offset: 43, .. }
        ));
    }
    let control = batch(BatchHeader { attributes: CONTROL, ..good.header }, &good.payload());
    assert!(matches!(refused(&control, 40), RecordsError::Control { offset: 40 }));
    let mut bytes = good.bytes.to_vec();
    bytes[70] ^= 1;
    let damaged = RawBatch::parse(&bytes.into()).unwrap();
    assert!(matches!(refused(&damaged, 40), RecordsError::Damaged(CrcMismatch { base_offset: 40, .. })));
    let counted = batch(BatchHeader { record_count: 3, ..good.header }, &good.payload());
    assert!(matches!(refused(&counted, 40), RecordsError::Records { offset: 40, .. }));
    let short = batch(BatchHeader { last_offset_delta: 2, ..good.header }, &good.payload());
    assert!(matches!(refused(&short, 40), RecordsError::OutOfPlace { offset: 40, delta: 3, .. }));
    let twice = source(40, 4, Codec::None, &[keyed(2), keyed(2)]);
    assert!(matches!(refused(&twice, 40), RecordsError::OutOfPlace { delta: 2, next: 3, .. }));
    let large = fill_holes(&good, 40, -1, IDS, FillHolesOptions { limit: 8, ..OPTIONS }).unwrap_err();
    assert!(matches!(large, RecordsError::Compression { offset: 40, .. }) && large.to_string().contains('8'));
}

proptest! {
    #[test]
    fn every_offset_is_covered_once_and_every_record_is_kept(
        gaps in prop::collection::vec(prop_oneof![4 => 0i64..3, 1 => 0i64..3000], 0..30),
        behind in 0i64..2000, skip in 0.0f64..1.0,
    ) {
        let mut at = -1;
        let given: Vec<_> = gaps.iter().map(|gap| { at += gap + 1; keyed(at) }).collect();
        let span = at + 1 + behind.max(i64::from(given.is_empty()));
        let source = source(1000, span as i32, Codec::None, &given);
        let from = 1000 + (span as f64 * skip) as i64;
        let pieces = fill_holes(&source, from, 3, IDS, OPTIONS).unwrap();
        let (mut next, mut seen) = (from, Vec::new());
        for piece in &pieces {
            prop_assert_eq!(piece.base_offset, next);
            next = piece.next_offset;
            if piece.records == 0 {
                prop_assert!(piece.bytes.is_empty());
                continue;
            }
            let (header, records) = read(&piece.bytes);
            prop_assert_eq!(records.len() as i64, piece.next_offset - piece.base_offset);
            prop_assert_eq!(header.base_sequence, sequence_of(100 + piece.base_offset - from));
            prop_assert_eq!(piece.mixed, mark(&header) == FillerKind::Mixed);
            let hole = tail(Some(&SENTINEL_KEY), None, false);
            let real = records.into_iter().filter(|record| record.2 != hole);
            seen.extend(real.map(|record| (record.0 + piece.base_offset, record.1, record.2)));
        }
        prop_assert_eq!(next, 1000 + span);
        let expected: Vec<_> = given.iter().filter(|rec| 1000 + rec.0 >= from)
            .map(|rec| (1000 + rec.0, rec.1, tail(rec.2, rec.3, rec.4))).collect();
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn arbitrary_payloads_never_panic(
        payload in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..12], 0..200),
        codec in 0i16..8, count in -1i32..20, span in 1i32..i32::MAX, from in 0i64..20,
    ) {
        let header = BatchHeader { attributes: codec, record_count: count, last_offset_delta: span - 1, ..header(0, 1) };
        let _ = fill_holes(&batch(header, &payload), from, -1, IDS, OPTIONS);
    }
}
