use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::wire::batch::testing::{batch, header};
use crate::wire::batch::{BatchHeader, CONTROL, DELETE_HORIZON, LOG_APPEND_TIME, TRANSACTIONAL};
use crate::wire::filler::is_filler;

const PRODUCER: i64 = (1 << 62) + 5;

fn target(next_offset: i64) -> Target {
    Target { next_offset, last_timestamp: -1, producer_id: PRODUCER }
}

fn data(base_offset: i64, count: i32) -> RawBatch {
    batch(header(base_offset, count), b"records")
}

fn transactional(base_offset: i64, count: i32, producer_id: i64) -> RawBatch {
    let header = header(base_offset, count);
    batch(BatchHeader { attributes: header.attributes | TRANSACTIONAL, producer_id, ..header }, b"records")
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

fn ranges(run: &ShapedRun) -> Vec<(i64, i64, bool)> {
    run.batches.iter().map(|b| (b.base_offset, b.next_offset, is_filler(&written(b)))).collect()
}

#[test]
fn data_is_forwarded_with_our_identifiers_and_an_untouched_payload() {
    let source = data(7, 3);
    let run = shape(&bytes_of(std::slice::from_ref(&source)), vec![], target(7));
    assert_eq!(ranges(&run), [(7, 10, false)]);
    let header = written(&run.batches[0]);
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (PRODUCER, 0, 7));
    assert_eq!(header.base_offset, 0);
    assert_eq!(run.batches[0].payload, source.payload());
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
    for batch in &run.batches {
        let header = written(batch);
        assert_eq!(header.attributes & (TRANSACTIONAL | CONTROL), 0);
        assert_eq!(header.producer_id, PRODUCER);
    }
}

#[test]
fn filler_takes_the_timestamp_of_the_record_before_it() {
    let run = shape(&bytes_of(&[marker(0, 5, COMMIT), data(1, 1), marker(2, 5, COMMIT)]), vec![], target(0));
    let stamps: Vec<i64> = run.batches.iter().map(|b| written(b).max_timestamp).collect();
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
    let ends: Vec<i64> = run.batches.iter().map(|b| b.next_offset).collect();
    assert_eq!(ends, [MAX_FILLER_OFFSETS, 2 * MAX_FILLER_OFFSETS, 2 * MAX_FILLER_OFFSETS + 17]);
}

#[test]
fn what_is_not_supported_stops_at_its_offset_after_what_comes_before() {
    let flagged = |flag: i16| {
        let header = header(1, 1);
        batch(BatchHeader { attributes: header.attributes | flag, ..header }, b"r")
    };
    let sparse = batch(BatchHeader { record_count: 2, ..header(1, 3) }, b"r");
    let old = {
        let mut bytes = BytesMut::from(&data(1, 1).bytes[..]);
        bytes[16] = 1;
        bytes.freeze()
    };
    let cases: [(Bytes, MirrorError, &str); 5] = [
        (
            flagged(LOG_APPEND_TIME).bytes,
            MirrorError::UnsupportedMirrorState,
            "offset 1 has timestamp type LogAppendTime",
        ),
        (
            flagged(DELETE_HORIZON).bytes,
            MirrorError::UnsupportedMirrorState,
            "log cleaner rewrote the batch at offset 1",
        ),
        (
            sparse.bytes,
            MirrorError::UnsupportedMirrorState,
            "the batch at offset 1 spans 3 offsets and holds 2",
        ),
        (data(4, 1).bytes, MirrorError::UnsupportedMirrorState, "source offsets 1 to 3 hold no records"),
        (old, MirrorError::UnsupportedMessageFormat, "at source offset 1"),
    ];
    for (second, error, text) in cases {
        let log = Bytes::from([&data(0, 1).bytes[..], &second[..]].concat());
        let run = shape(&log, vec![], target(0));
        assert_eq!(ranges(&run), [(0, 1, false)], "{text}");
        let stop = run.stop.unwrap();
        assert_eq!(stop.error, error, "{}", stop.reason);
        assert!(stop.reason.contains(text), "{}", stop.reason);
    }
}

#[test]
fn a_damaged_batch_stops_the_partition() {
    let mut bytes = BytesMut::from(&data(0, 1).bytes[..]);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let run = shape(&bytes.freeze(), vec![], target(0));
    assert!(run.batches.is_empty());
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
        for batch in &run.batches {
            let header = written(batch);
            prop_assert!(invariant::batch_is_next(next, batch.base_offset).is_ok());
            prop_assert!(invariant::sequence_is_offset(batch.base_offset, header.base_sequence).is_ok());
            prop_assert!(invariant::only_our_producer_id(PRODUCER, header.producer_id, header.attributes).is_ok());
            next = batch.next_offset;
        }
        prop_assert_eq!(next, at);
        let data: Vec<(i64, i64)> =
            ranges(&run).into_iter().filter(|(_, _, filler)| !filler).map(|(from, to, _)| (from, to)).collect();
        prop_assert_eq!(data, forwarded);
    }
}

#[test]
fn a_run_of_filler_is_taken_up_inside_an_aborted_batch_and_data_is_not() {
    let aborted = vec![AbortedTransaction { first_offset: 0, producer_id: 5 }];
    let log = bytes_of(&[transactional(0, 10, 5), data(10, 1)]);
    assert_eq!(ranges(&shape(&log, aborted, target(4))), [(4, 10, true), (10, 11, false)]);
    let inside = shape(&bytes_of(&[data(0, 10)]), vec![], target(4));
    assert!(inside.batches.is_empty());
    assert!(inside.stop.unwrap().reason.contains("offset 4 lies inside the source batch that begins at 0"));
}
