//! Mirrors generated source logs and reads them through the gateway, at the wire level. A consumer of the
//! destination must read the same records at the same offsets as a read_committed consumer of the source.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "source_logs/destination.rs"]
mod destination;
#[path = "source_logs/generate.rs"]
mod generate;
#[path = "source_logs/source.rs"]
mod source;

use bytes::Bytes;
use proptest::prelude::*;
use proxy::internals::{JOINED_BYTES, ShapeTarget, shape};

use destination::Destination;
use generate::{Plan, plan};
use source::{Seen, Source};

const PRODUCER: i64 = (1 << 62) + 5;

/// Plan of the mirror's fetches from the source.
#[derive(Debug, Clone)]
struct Fetching {
    /// Number of batches in each answer; the list repeats.
    batches: Vec<usize>,
    /// Number of shaped batches that land before a restart loses the rest; `None`: all land.
    landed: Vec<Option<usize>>,
}

fn fetching() -> impl Strategy<Value = Fetching> {
    let landed = prop_oneof![3 => Just(None), 1 => (0usize..4).prop_map(Some)];
    (prop::collection::vec(1usize..12, 1..4), prop::collection::vec(landed, 1..6))
        .prop_map(|(batches, landed)| Fetching { batches, landed })
}

/// Mirrors the whole source, fetch by fetch.
fn mirrored(source: &Source, compacted: bool, fetching: &Fetching) -> Destination {
    let mut log = Destination::new(compacted);
    let mut last_timestamp = -1;
    let (mut sizes, mut landed) =
        (fetching.batches.iter().cycle(), fetching.landed.iter().chain([&None]).cycle());
    let mut idle = 0;
    while log.end() < source.end() {
        let (records, aborted) = source.fetch(log.end(), *sizes.next().unwrap());
        let next_offset = log.end();
        let target = ShapeTarget {
            next_offset,
            last_timestamp,
            producer_id: PRODUCER,
            unkeyed_below: if compacted { i64::MAX } else { 0 },
            join_bytes: JOINED_BYTES,
        };
        let run = shape(&records, aborted, target);
        assert_eq!(run.stop, None);
        let keep = landed.next().unwrap().unwrap_or(usize::MAX);
        log.append(run.pieces, keep, PRODUCER);
        if keep == usize::MAX {
            last_timestamp = run.last_timestamp;
        }
        idle = if log.end() == next_offset { idle + 1 } else { 0 };
        assert!(idle < 20, "the mirror stands still at {next_offset}");
    }
    log
}

/// Returns the records that a consumer gets if it begins at `from` and fetches `batches` batches at a time
/// through the gateway.
fn consumed(log: &Destination, from: i64, batches: usize) -> Vec<Seen> {
    let (mut seen, mut position) = (Vec::new(), from);
    while position < log.end() {
        let sent: Bytes = log.fetch(position, batches);
        let received =
            proxy::internals::hide_filler(&sent).map_or(sent, |hidden| hidden.pieces.concat().into());
        let (records, next) = source::read(&received);
        assert!(next > position, "a client stands still at {position}");
        seen.extend(records.into_iter().filter(|record| record.offset >= position));
        position = next;
    }
    assert_eq!(position, log.end());
    seen
}

fn check(plan: &Plan, fetching: &Fetching, start: f64, batches: usize) {
    let source = Source::build(plan);
    let log = mirrored(&source, plan.compacted, fetching);
    let from = (source.end() as f64 * start) as i64;
    let expected: Vec<Seen> =
        source.committed().iter().filter(|record| record.offset >= from).cloned().collect();
    assert_eq!(consumed(&log, from, batches), expected);
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_destination_consumer_reads_the_same_records_as_a_source_consumer(
        plan in plan(), fetching in fetching(), start in prop_oneof![Just(0.0), 0.0f64..1.0], batches in 1usize..8,
    ) {
        check(&plan, &fetching, start, batches);
    }
}
