mod source_marks;

use bytes::BytesMut;
use proptest::prelude::*;

use crate::mirror::replication::shape::*;
use crate::wire::records::batch::testing::{batch, header, put_record, records};
use crate::wire::records::batch::{BatchHeader, CONTROL, DELETE_HORIZON, LOG_APPEND_TIME, TRANSACTIONAL};
use crate::wire::records::filler::{FILLER_BASE_TIMESTAMP, MIXED_BASE_TIMESTAMP, SENTINEL_TAIL, mark};

const PRODUCER: i64 = (1 << 62) + 5;

fn target(next_offset: i64) -> ShapeTarget {
    ShapeTarget {
        next_offset,
        last_timestamp: -1,
        producer_id: PRODUCER,
        unkeyed_below: 0,
        join_bytes: JOINED_BYTES,
    }
}

fn data(base_offset: i64, count: i32) -> RawBatch {
    batch(header(base_offset, count), &records(count))
}

fn transactional(base_offset: i64, count: i32, producer_id: i64) -> RawBatch {
    let header = header(base_offset, count);
    batch(
        BatchHeader { attributes: header.attributes | TRANSACTIONAL, producer_id, ..header },
        &records(count),
    )
}

/// A control batch as brokers write it: one record with the key (version 0, type).
fn marker(base_offset: i64, producer_id: i64, kind: u8) -> RawBatch {
    let header = header(base_offset, 1);
    let attributes = TRANSACTIONAL | CONTROL;
    // length 16, attributes, deltas, key length 4, key, value length 6, value, no headers; lengths zigzag
    let record = [32, 0, 0, 0, 8, 0, 0, 0, kind, 12, 0, 0, 0, 0, 0, 0, 0];
    batch(BatchHeader { attributes, producer_id, ..header }, &record)
}

const ABORT: u8 = 0;
const COMMIT: u8 = 1;

fn bytes_of(batches: &[RawBatch]) -> Bytes {
    let mut all = BytesMut::new();
    for batch in batches {
        all.extend_from_slice(&batch.bytes);
    }
    all.freeze()
}

fn written(shaped: &Shaped) -> BatchHeader {
    BatchHeader::parse(&[&shaped.header[..], &shaped.payload[..]].concat()).unwrap()
}

/// Returns first offset, next offset and whether it is an offset gap, for each piece.
fn ranges(run: &ShapeOutput) -> Vec<(i64, i64, bool)> {
    let range =
        |piece: &Piece| (piece.base_offset(), piece.next_offset(), matches!(piece, Piece::Nothing(_)));
    run.pieces.iter().map(range).collect()
}

/// Returns all batches as they are sent.
fn sent(run: &ShapeOutput) -> Vec<Shaped> {
    let mut all = Vec::new();
    for piece in &run.pieces {
        match piece {
            Piece::Batch(batch) => all.push(batch.clone()),
            Piece::Nothing(run) => {
                let mut run = *run;
                while run.from < run.to {
                    all.push(run.next_filler(PRODUCER, MAX_FILLER_OFFSETS));
                }
            }
        }
    }
    all
}

#[test]
fn data_is_forwarded_with_our_identifiers_and_an_untouched_payload() {
    let source = data(7, 3);
    let run = shape(&bytes_of(std::slice::from_ref(&source)), vec![], target(7));
    assert_eq!(ranges(&run), [(7, 10, false)]);
    let sent = sent(&run);
    let header = written(&sent[0]);
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (PRODUCER, 0, 7));
    assert_eq!(header.base_offset, 0);
    assert_eq!(sent[0].payload, source.payload());
    assert_eq!(run.stop, None);
}

#[test]
fn markers_and_aborted_data_become_filler_and_committed_data_does_not() {
    let log = [
        transactional(0, 2, 5),
        transactional(2, 3, 6),
        marker(5, 5, ABORT),
        transactional(6, 1, 5),
        marker(7, 6, COMMIT),
        marker(8, 5, COMMIT),
        data(9, 1),
    ];
    let aborted = vec![AbortedTransaction { first_offset: 0, producer_id: 5 }];
    let run = shape(&bytes_of(&log), aborted, target(0));
    let expected = [(0, 2, true), (2, 5, false), (5, 6, true), (6, 7, false), (7, 9, true), (9, 10, false)];
    assert_eq!(ranges(&run), expected);
    for batch in &sent(&run) {
        let header = written(batch);
        assert_eq!(header.attributes & (TRANSACTIONAL | CONTROL), 0);
        assert_eq!(header.producer_id, PRODUCER);
    }
}

#[test]
fn filler_takes_the_timestamp_of_the_record_before_it() {
    let run = shape(&bytes_of(&[marker(0, 5, COMMIT), data(1, 1), marker(2, 5, COMMIT)]), vec![], target(0));
    let stamps: Vec<i64> = sent(&run).iter().map(|b| written(b).max_timestamp).collect();
    assert_eq!(stamps, [-1, header(1, 1).max_timestamp, header(1, 1).max_timestamp]);
}

#[test]
fn long_offset_gaps_are_split_into_several_filler_batches() {
    let spans = [MAX_FILLER_OFFSETS, MAX_FILLER_OFFSETS, 17];
    let mut log = Vec::new();
    let mut at = 0;
    for span in spans {
        let count = i32::try_from(span).unwrap();
        log.push(transactional(at, count, 5));
        at += span;
    }
    let aborted = vec![AbortedTransaction { first_offset: 0, producer_id: 5 }];
    let run = shape(&bytes_of(&log), aborted, target(0));
    assert_eq!(run.pieces.len(), 1, "{:?}", run.pieces);
    let ends: Vec<i64> = sent(&run).iter().map(|b| b.next_offset).collect();
    assert_eq!(ends, [MAX_FILLER_OFFSETS, 2 * MAX_FILLER_OFFSETS, 2 * MAX_FILLER_OFFSETS + 17]);
}

#[test]
fn an_old_message_format_stops_the_partition_at_its_offset() {
    let mut old = BytesMut::from(&data(1, 1).bytes[..]);
    old[16] = 1;
    let log = Bytes::from([&data(0, 1).bytes[..], &old[..]].concat());
    let run = shape(&log, vec![], target(0));
    assert_eq!(ranges(&run), [(0, 1, false)]);
    let stop = run.stop.unwrap();
    assert_eq!(stop.error, MirrorError::UnsupportedMessageFormat, "{}", stop.reason);
    assert!(stop.reason.contains("at source offset 1"), "{}", stop.reason);
}

#[test]
fn gaps_and_emptied_batches_become_offset_gaps() {
    // Given what a cleaner leaves: a gap, a batch without records, another gap
    let emptied = batch(BatchHeader { record_count: 0, ..header(10, 5) }, b"");
    let log = bytes_of(&[data(2, 3), emptied, data(20, 1)]);
    let run = shape(&log, vec![], target(0));
    assert_eq!(ranges(&run), [(0, 2, true), (2, 5, false), (5, 20, true), (20, 21, false)]);
    assert_eq!(run.stop, None);
}

#[test]
fn a_gap_of_billions_of_offsets_costs_nothing_until_it_is_sent() {
    let run = shape(&data(2_000_000_000, 1).bytes, vec![], target(0));
    assert_eq!(ranges(&run), [(0, 2_000_000_000, true), (2_000_000_000, 2_000_000_001, false)]);
}

#[test]
fn a_sparse_batch_is_re_encoded_with_its_records_in_place() {
    let sparse = batch(BatchHeader { record_count: 2, ..header(7, 5) }, &records(2));
    let run = shape(&sparse.bytes, vec![], target(7));
    assert_eq!(ranges(&run), [(7, 12, false)]);
    let written = written(&sent(&run)[0]);
    assert_eq!((written.record_count, written.last_offset_delta, written.base_sequence), (5, 4, 7));
    assert_eq!(mark(&written), FillerKind::Mixed);
}

#[test]
fn a_batch_that_begins_before_the_position_is_cut_there() {
    let run = shape(&bytes_of(&[data(0, 10), data(10, 1)]), vec![], target(4));
    assert_eq!(ranges(&run), [(4, 10, false), (10, 11, false)]);
    let written = written(&sent(&run)[0]);
    assert_eq!((written.record_count, written.base_sequence, mark(&written)), (6, 4, FillerKind::Real));
}

#[test]
fn timestamps_set_by_the_broker_become_record_timestamps() {
    let given = header(0, 2);
    let stamped = batch(BatchHeader { attributes: given.attributes | LOG_APPEND_TIME, ..given }, &records(2));
    let run = shape(&stamped.bytes, vec![], target(0));
    let written = written(&sent(&run)[0]);
    assert!(!written.is_log_append_time());
    assert_eq!((written.base_timestamp, written.max_timestamp), (given.max_timestamp, given.max_timestamp));
}

#[test]
fn a_delete_horizon_is_cleared_and_the_payload_is_untouched() {
    let given = header(0, 2);
    let cleaned = batch(BatchHeader { attributes: given.attributes | DELETE_HORIZON, ..given }, &records(2));
    let run = shape(&cleaned.bytes, vec![], target(0));
    let sent = sent(&run);
    assert!(!written(&sent[0]).has_delete_horizon());
    assert_eq!(sent[0].payload, cleaned.payload());
}

#[test]
fn filler_of_a_source_that_is_a_mirror_is_an_offset_gap() {
    let theirs = WriterIds { producer_id: PRODUCER + 1, producer_epoch: 0, base_sequence: 1 };
    let filler = crate::wire::records::filler::filler(30, 5, theirs);
    let mut at_one = BytesMut::from(&filler[..]);
    at_one[..8].copy_from_slice(&1i64.to_be_bytes());
    let log = Bytes::from([&data(0, 1).bytes[..], &at_one[..], &data(31, 1).bytes[..]].concat());
    assert_eq!(ranges(&shape(&log, vec![], target(0))), [(0, 1, false), (1, 31, true), (31, 32, false)]);
}

#[test]
fn batches_that_decompress_to_many_bytes_are_mirrored_a_few_at_a_time() {
    // 40 MiB of zeros under a crafted base timestamp.
    let mut tail = vec![1];
    crate::wire::protocol::varint::put_varint(&mut tail, 40 << 20);
    tail.resize(tail.len() + (40 << 20) + 1, 0);
    let mut payload = Vec::new();
    put_record(&mut payload, 100, 0, &tail);
    let payload = crate::wire::records::compression::compress(Codec::Zstd, &payload).unwrap();
    let bomb = |offset| {
        let attributes = Codec::Zstd.attribute();
        let header = BatchHeader { attributes, base_timestamp: FILLER_BASE_TIMESTAMP, ..header(offset, 1) };
        batch(header, &payload)
    };
    let log = bytes_of(&[bomb(0), bomb(1), bomb(2), bomb(3)]);
    assert!(log.len() < 100_000 && is_heavy(&log, &target(0)) && !is_heavy(&data(0, 3).bytes, &target(0)));
    let run = shape(&log, vec![], target(0));
    assert_eq!((ranges(&run), &run.stop), (vec![(0, 1, false), (1, 2, false)], &None));
    let header = written(&sent(&run)[0]);
    assert_eq!((mark(&header), header.max_timestamp), (FillerKind::Real, FILLER_BASE_TIMESTAMP + 100));
    let rest = shape(&log, vec![], target(2));
    assert_eq!(ranges(&rest), [(2, 3, false), (3, 4, false)]);
}

#[test]
fn small_neighbouring_batches_are_joined_and_others_are_not() {
    let large = batch(header(5, 1), &vec![1; 200_000]);
    let zstd = {
        let payload = crate::wire::records::compression::compress(
            crate::wire::records::batch::Codec::Zstd,
            &records(1),
        )
        .unwrap();
        batch(BatchHeader { attributes: 4, ..header(8, 1) }, &payload)
    };
    let log = [
        data(0, 2),
        data(2, 1),
        data(3, 2),
        large,
        data(6, 1),
        data(7, 1),
        zstd,
        marker(9, 5, COMMIT),
        data(10, 1),
    ];
    let run = shape(&bytes_of(&log), vec![], target(0));
    let expected =
        [(0, 5, false), (5, 6, false), (6, 8, false), (8, 9, false), (9, 10, true), (10, 11, false)];
    assert_eq!(ranges(&run), expected);
    let joined = written(&sent(&run)[0]);
    assert_eq!((joined.record_count, joined.base_sequence, joined.last_offset_delta), (5, 0, 4));
}

#[test]
fn batches_that_cannot_be_joined_are_sent_alone() {
    let odd = batch(header(1, 1), b"no record");
    let run = shape(&bytes_of(&[data(0, 1), odd, data(2, 1)]), vec![], target(0));
    assert_eq!(ranges(&run), [(0, 1, false), (1, 2, false), (2, 3, false)]);
    assert_eq!(run.stop, None);
}

#[test]
fn records_without_a_key_are_left_out_of_a_compacted_topic() {
    let mut payload = records(2);
    // A third record: attributes, deltas, null key, empty value, no headers
    payload.extend_from_slice(&[12, 0, 0, 4, 1, 0, 0]);
    let run =
        shape(&batch(header(0, 3), &payload).bytes, vec![], ShapeTarget { unkeyed_below: 3, ..target(0) });
    assert_eq!((ranges(&run), run.unkeyed), (vec![(0, 3, false)], 1));
    assert_eq!(mark(&written(&sent(&run)[0])), FillerKind::Mixed);
}

#[test]
fn a_damaged_batch_stops_the_partition() {
    let mut bytes = BytesMut::from(&data(0, 1).bytes[..]);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let run = shape(&bytes.freeze(), vec![], target(0));
    assert!(run.pieces.is_empty());
    assert!(run.stop.unwrap().reason.contains("offset 0 is corrupt"));
}

#[test]
fn batches_before_the_position_and_a_partial_batch_at_the_end_are_ignored() {
    let tail = data(3, 1).bytes.slice(..30);
    let log = Bytes::from([&data(0, 2).bytes[..], &data(2, 1).bytes[..], &tail[..]].concat());
    let run = shape(&log, vec![], target(2));
    assert_eq!((ranges(&run), run.stop), (vec![(2, 3, false)], None));
}

proptest! {
    /// For any order of data, transactions and markers: every offset is covered once, in order, and exactly
    /// the offsets of committed data are forwarded.
    #[test]
    fn every_offset_is_covered_once(kinds in prop::collection::vec((0u8..4, 1i32..5), 1..40)) {
        let (mut log, mut at, mut forwarded, mut aborted) = (Vec::new(), 0i64, Vec::new(), Vec::new());
        for (kind, count) in kinds {
            match kind {
                0 => {
                    log.push(data(at, count));
                    forwarded.push((at, at + i64::from(count)));
                    at += i64::from(count);
                }
                1 => {
                    log.push(transactional(at, count, 5));
                    forwarded.push((at, at + i64::from(count)));
                    log.push(marker(at + i64::from(count), 5, COMMIT));
                    at += i64::from(count) + 1;
                }
                2 => {
                    aborted.push(AbortedTransaction { first_offset: at, producer_id: 6 });
                    log.push(transactional(at, count, 6));
                    log.push(marker(at + i64::from(count), 6, ABORT));
                    at += i64::from(count) + 1;
                }
                _ => {
                    log.push(marker(at, 7, COMMIT));
                    at += 1;
                }
            }
        }
        let run = shape(&bytes_of(&log), aborted, target(0));
        prop_assert!(run.stop.is_none());
        let mut next = 0;
        for batch in &sent(&run) {
            let header = written(batch);
            prop_assert!(invariant::batch_is_next(next, batch.base_offset).is_ok());
            prop_assert!(invariant::sequence_is_offset(batch.base_offset, header.base_sequence).is_ok());
            prop_assert!(invariant::only_our_producer_id(PRODUCER, header.producer_id, header.attributes).is_ok());
            next = batch.next_offset;
        }
        prop_assert_eq!(next, at);
        // Neighbouring batches may be joined, so offsets are compared, not batches.
        let offsets = |ranges: Vec<(i64, i64)>| ranges.into_iter().flat_map(|(from, to)| from..to).collect::<Vec<_>>();
        let data = ranges(&run).into_iter().filter(|(_, _, nothing)| !nothing).map(|(from, to, _)| (from, to));
        prop_assert_eq!(offsets(data.collect()), offsets(forwarded));
    }
}

#[test]
fn an_offset_gap_can_begin_inside_an_aborted_batch() {
    let aborted = vec![AbortedTransaction { first_offset: 0, producer_id: 5 }];
    let log = bytes_of(&[transactional(0, 10, 5), data(10, 1)]);
    assert_eq!(ranges(&shape(&log, aborted, target(4))), [(4, 10, true), (10, 11, false)]);
}

#[test]
fn a_batch_that_reaches_the_bound_keeps_its_records_without_a_key() {
    let mut payload = records(2);
    payload.extend_from_slice(&[12, 0, 0, 4, 1, 0, 0]);
    let run =
        shape(&batch(header(0, 3), &payload).bytes, vec![], ShapeTarget { unkeyed_below: 2, ..target(0) });
    assert_eq!((ranges(&run), run.unkeyed), (vec![(0, 3, false)], 0));
    assert_eq!(mark(&written(&sent(&run)[0])), FillerKind::Real);
}
