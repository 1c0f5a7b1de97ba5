use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::wire::batch::testing::{batch, header, put_record, records};
use crate::wire::batch::{BatchHeader, CONTROL, DELETE_HORIZON, LOG_APPEND_TIME, TRANSACTIONAL};
use crate::wire::filler::{FILLER_BASE_TIMESTAMP, MIXED_BASE_TIMESTAMP, SENTINEL_TAIL, mark};

const PRODUCER: i64 = (1 << 62) + 5;

fn target(next_offset: i64) -> Target {
    Target {
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

/// A control batch as brokers write it: one record whose key is (version 0, type).
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

/// First offset, next offset and whether it holds nothing, of each piece.
fn ranges(run: &ShapedRun) -> Vec<(i64, i64, bool)> {
    let range =
        |piece: &Piece| (piece.base_offset(), piece.next_offset(), matches!(piece, Piece::Nothing(_)));
    run.pieces.iter().map(range).collect()
}

/// All pieces as they are sent.
fn sent(run: &ShapedRun) -> Vec<Shaped> {
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
fn long_runs_of_filler_are_split() {
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
fn an_old_message_format_stops_at_its_offset_after_what_comes_before() {
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
fn gaps_and_emptied_batches_are_runs_of_nothing() {
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
    assert_eq!(mark(&written), Mark::Mixed);
}

#[test]
fn a_batch_begun_before_the_position_is_taken_up_inside() {
    let run = shape(&bytes_of(&[data(0, 10), data(10, 1)]), vec![], target(4));
    assert_eq!(ranges(&run), [(4, 10, false), (10, 11, false)]);
    let written = written(&sent(&run)[0]);
    assert_eq!((written.record_count, written.base_sequence, mark(&written)), (6, 4, Mark::Real));
}

#[test]
fn timestamps_that_the_broker_set_become_the_records_own() {
    let given = header(0, 2);
    let stamped = batch(BatchHeader { attributes: given.attributes | LOG_APPEND_TIME, ..given }, &records(2));
    let run = shape(&stamped.bytes, vec![], target(0));
    let written = written(&sent(&run)[0]);
    assert!(!written.is_log_append_time());
    assert_eq!((written.base_timestamp, written.max_timestamp), (given.max_timestamp, given.max_timestamp));
}

#[test]
fn a_delete_horizon_is_forgotten_and_the_payload_untouched() {
    let given = header(0, 2);
    let cleaned = batch(BatchHeader { attributes: given.attributes | DELETE_HORIZON, ..given }, &records(2));
    let run = shape(&cleaned.bytes, vec![], target(0));
    let sent = sent(&run);
    assert!(!written(&sent[0]).has_delete_horizon());
    assert_eq!(sent[0].payload, cleaned.payload());
}

#[test]
fn filler_of_a_source_that_is_a_mirror_itself_is_nothing() {
    let theirs = WriterIds { producer_id: PRODUCER + 1, producer_epoch: 0, base_sequence: 1 };
    let filler = crate::wire::filler::filler(30, 5, theirs);
    let mut at_one = BytesMut::from(&filler[..]);
    at_one[..8].copy_from_slice(&1i64.to_be_bytes());
    let log = Bytes::from([&data(0, 1).bytes[..], &at_one[..], &data(31, 1).bytes[..]].concat());
    assert_eq!(ranges(&shape(&log, vec![], target(0))), [(0, 1, false), (1, 31, true), (31, 32, false)]);
}

/// A batch with the mark of filler, of an id that is reserved to mirroring, over records of a producer.
fn forged(base_offset: i64, base_timestamp: i64, producer_id: i64, payload: &[u8], count: i32) -> RawBatch {
    batch(BatchHeader { base_timestamp, producer_id, ..header(base_offset, count) }, payload)
}

/// The records of what was sent: offset, timestamp, key to headers.
fn seen(run: &ShapedRun) -> Vec<(i64, i64, Vec<u8>)> {
    let mut all = Vec::new();
    for shaped in sent(run) {
        let whole = RawBatch::parse(&[&shaped.header[..], &shaped.payload[..]].concat().into()).unwrap();
        assert!(whole.crc_matches());
        let (header, payload) = (whole.header, whole.payload());
        let payload = crate::wire::compression::decompress(header.codec(), &payload, 1 << 20).unwrap();
        let records = crate::wire::record::records(&payload, header.record_count).map(Result::unwrap);
        all.extend(records.map(|record| {
            let timestamp = header.base_timestamp + record.timestamp_delta;
            (shaped.base_offset + record.offset_delta, timestamp, record.tail.to_vec())
        }));
    }
    all
}

#[test]
fn records_of_a_source_are_mirrored_whatever_their_header_claims() {
    let theirs = PRODUCER + 7;
    for base in [FILLER_BASE_TIMESTAMP, -0x4C47_4649_4C31, MIXED_BASE_TIMESTAMP] {
        for producer in [theirs, PRODUCER, 9] {
            let run = shape(&forged(0, base, producer, &records(3), 3).bytes, vec![], target(0));
            assert_eq!((ranges(&run), &run.stop), (vec![(0, 3, false)], &None));
            let expected: Vec<_> = (0..3).map(|at| (at, base, vec![2, b'k', 2, b'v', 0])).collect();
            assert_eq!(seen(&run), expected);
            // And no reader of the mirror takes it for filler.
            assert_eq!(mark(&written(&sent(&run)[0])), Mark::Real);
        }
    }
}

#[test]
fn filler_of_a_source_is_known_by_what_it_holds_in_any_codec() {
    let ids = WriterIds { producer_id: PRODUCER + 1, producer_epoch: 0, base_sequence: 0 };
    let ours = RawBatch::parse(&crate::wire::filler::filler(40, 5, ids)).unwrap();
    let plain = crate::wire::compression::decompress(ours.header.codec(), &ours.payload(), 1 << 20).unwrap();
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let payload = crate::wire::compression::compress(codec, &plain).unwrap();
        let again = batch(BatchHeader { attributes: codec.attribute(), ..ours.header }, &payload);
        assert_eq!(ranges(&shape(&again.bytes, vec![], target(0))), [(0, 40, true)], "{codec:?}");
    }
    // No mirror gave it such a sequence: then even these are records.
    let other = batch(BatchHeader { base_sequence: 3, attributes: 0, ..ours.header }, &plain);
    let run = shape(&other.bytes, vec![], target(0));
    assert_eq!((ranges(&run), seen(&run).len()), (vec![(0, 40, false)], 40));
    assert_eq!(mark(&written(&sent(&run)[0])), Mark::Real);
    // One record among the sentinels is a record.
    let mut mixed = plain[..plain.len() / 40 * 39].to_vec();
    let tail = [2, b'k', 2, b'v', 0];
    put_record(&mut mixed, 69, 39, &tail);
    let header = BatchHeader { attributes: 0, ..ours.header };
    let run = shape(&batch(header, &mixed).bytes, vec![], target(0));
    assert_eq!(run.stop, None);
    assert_eq!(seen(&run).last().unwrap(), &(39, 5, tail.to_vec()));
}

#[test]
fn a_source_record_that_looks_like_a_sentinel_is_mirrored_as_it_is_and_never_hidden() {
    let tail = SENTINEL_TAIL;
    let mut payload = records(1);
    put_record(&mut payload, 0, 1, &tail);
    // Dense and small beside another, then with a hole behind it.
    for (span, count) in [(2, 2), (5, 2)] {
        let header = BatchHeader { last_offset_delta: span - 1, ..header(0, count) };
        let log = bytes_of(&[batch(header, &payload), data(i64::from(span), 1)]);
        let run = shape(&log, vec![], target(0));
        let real: Vec<_> = sent(&run).into_iter().filter(|one| mark(&written(one)) == Mark::Real).collect();
        let first = &real[0];
        assert_eq!((first.base_offset, first.next_offset), (0, 2), "{span}");
        assert_eq!(seen(&run)[1].2, tail);
    }
}

#[test]
fn a_small_batch_that_becomes_large_is_mirrored_and_only_so_much_of_an_answer_at_once() {
    // 40 MiB of zeros under a crafted base timestamp.
    let mut tail = vec![1];
    crate::wire::varint::put_varint(&mut tail, 40 << 20);
    tail.resize(tail.len() + (40 << 20) + 1, 0);
    let mut payload = Vec::new();
    put_record(&mut payload, 100, 0, &tail);
    let payload = crate::wire::compression::compress(Codec::Zstd, &payload).unwrap();
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
    assert_eq!((mark(&header), header.max_timestamp), (Mark::Real, FILLER_BASE_TIMESTAMP + 100));
    let rest = shape(&log, vec![], target(2));
    assert_eq!(ranges(&rest), [(2, 3, false), (3, 4, false)]);
}

#[test]
fn small_neighbours_travel_together_and_others_alone() {
    let large = batch(header(5, 1), &vec![1; 200_000]);
    let zstd = {
        let payload =
            crate::wire::compression::compress(crate::wire::batch::Codec::Zstd, &records(1)).unwrap();
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
fn what_cannot_be_joined_travels_alone() {
    let odd = batch(header(1, 1), b"no record");
    let run = shape(&bytes_of(&[data(0, 1), odd, data(2, 1)]), vec![], target(0));
    assert_eq!(ranges(&run), [(0, 1, false), (1, 2, false), (2, 3, false)]);
    assert_eq!(run.stop, None);
}

#[test]
fn records_without_a_key_are_left_out_where_the_topic_is_compacted() {
    let mut payload = records(2);
    // A third one: attributes, deltas, null key, empty value, no headers
    payload.extend_from_slice(&[12, 0, 0, 4, 1, 0, 0]);
    let run = shape(&batch(header(0, 3), &payload).bytes, vec![], Target { unkeyed_below: 3, ..target(0) });
    assert_eq!((ranges(&run), run.unkeyed), (vec![(0, 3, false)], 1));
    assert_eq!(mark(&written(&sent(&run)[0])), Mark::Mixed);
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
fn batches_before_the_position_and_a_cut_tail_are_passed_over() {
    let tail = data(3, 1).bytes.slice(..30);
    let log = Bytes::from([&data(0, 2).bytes[..], &data(2, 1).bytes[..], &tail[..]].concat());
    let run = shape(&log, vec![], target(2));
    assert_eq!((ranges(&run), run.stop), (vec![(2, 3, false)], None));
}

proptest! {
    /// Whatever the order of data, transactions and markers: every offset is covered once, in order, and exactly the
    /// offsets of committed data are forwarded.
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
        // Neighbours may have been joined: offsets count, not batches.
        let offsets = |ranges: Vec<(i64, i64)>| ranges.into_iter().flat_map(|(from, to)| from..to).collect::<Vec<_>>();
        let data = ranges(&run).into_iter().filter(|(_, _, nothing)| !nothing).map(|(from, to, _)| (from, to));
        prop_assert_eq!(offsets(data.collect()), offsets(forwarded));
    }
}

#[test]
fn a_run_of_filler_is_taken_up_inside_an_aborted_batch() {
    let aborted = vec![AbortedTransaction { first_offset: 0, producer_id: 5 }];
    let log = bytes_of(&[transactional(0, 10, 5), data(10, 1)]);
    assert_eq!(ranges(&shape(&log, aborted, target(4))), [(4, 10, true), (10, 11, false)]);
}

#[test]
fn what_ends_at_or_behind_the_bound_keeps_its_records_without_a_key() {
    let mut payload = records(2);
    payload.extend_from_slice(&[12, 0, 0, 4, 1, 0, 0]);
    let run = shape(&batch(header(0, 3), &payload).bytes, vec![], Target { unkeyed_below: 2, ..target(0) });
    assert_eq!((ranges(&run), run.unkeyed), (vec![(0, 3, false)], 0));
    assert_eq!(mark(&written(&sent(&run)[0])), Mark::Real);
}
