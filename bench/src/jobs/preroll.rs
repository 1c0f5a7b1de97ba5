//! Pre-roll: rate of filling a new log up to its start offset, on one partition and on four at once.

use std::time::{Duration, Instant};

use linkgate_tests::client::Connection;
use linkgate_tests::client::admin::{EARLIEST, LATEST};
use linkgate_tests::machine::wait::{LONG, until_ok};
use linkgate_tests::produce::raw_batch::{batch, record, write};
use linkgate_tests::stage::pair::Pair;

use super::Effort;
use crate::data::Data;
use crate::finding::{Finding, Want};
use crate::{pump, say, stage};

const LINK: &str = "filled";
/// Records per batch. The records are minimal, so that the source is written quickly.
const RECORDS: usize = 100_000;

/// Measures from the creation of the mirror topic until its log start offset equals the source's.
#[must_use]
pub fn preroll(effort: Effort) -> Vec<Finding> {
    let pair = stage::pair("preroll");
    stage::link(&pair, LINK);
    let holes = Data::holes(RECORDS);
    let mut findings = Vec::new();
    for (partitions, batches, goal) in [(1, effort.choose(100, 900), 15.0), (4, effort.choose(40, 360), 25.0)]
    {
        let (mut ours, mut bound) = (Vec::new(), Vec::new());
        for n in 0..effort.repetitions {
            say!("pre-roll: {partitions} partition(s), {} of {}", n + 1, effort.repetitions);
            bound.push(appended(&pair, &holes, &format!("bound{n}-{partitions}"), partitions, batches));
            ours.push(filled(&pair, &format!("above{n}-{partitions}"), partitions, batches));
        }
        let job = format!("pre-roll, {partitions} partition(s)");
        let what = (job.as_str(), "rate", "M offsets/s");
        findings.push(Finding::alone(what, &ours, Want::AtLeast(goal)));
        let peer = ("what the broker can append", bound.as_slice());
        findings.push(Finding::against(what, peer, &ours, Want::Shown));
    }
    findings
}

/// Returns the rate, in million offsets per second, at which the destination appends prebuilt filler batches,
/// with one connection per partition.
fn appended(pair: &Pair, holes: &Data, topic: &str, partitions: i32, batches: usize) -> f64 {
    stage::create(&pair.destination, topic, partitions, &[]);
    let address = pair.destination.bootstrap();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for partition in 0..partitions {
            let (address, frames) = (&address, stage::frames(topic, &[partition], holes));
            let _ = scope.spawn(move || pump::produce(address, 5, pump::cycled(&frames, batches), |_, _| ()));
        }
    });
    let seconds = begin.elapsed().as_secs_f64();
    stage::forget(pair, topic);
    (partitions as usize * batches * holes.records) as f64 / seconds / 1e6
}

/// Returns the rate of Linkgate, in million offsets per second. The source topic has `batches` batches in
/// each partition, all of them deleted.
fn filled(pair: &Pair, topic: &str, partitions: i32, batches: usize) -> f64 {
    let batch = batch(vec![record(7, None, None); RECORDS]);
    stage::create(&pair.source, topic, partitions, &[]);
    let leader = pair.source.admin().leaders(topic).remove(0);
    let mut connection = Connection::open(&leader.address).unwrap_or_else(|e| panic!("{e}"));
    for partition in 0..partitions {
        for _ in 0..batches {
            until_ok(&format!("{topic}-{partition} takes a batch"), LONG, || {
                write(&mut connection, topic, partition, &batch)
            });
        }
    }
    let ends = pair.source.admin().offsets(topic, LATEST);
    for (partition, end) in (0..).zip(&ends) {
        pair.source.admin().delete_records(topic, partition, *end);
    }
    let begin = Instant::now();
    let mirror = stage::mirror(pair, LINK, topic);
    let mut admin = pair.destination.admin();
    while admin.offsets(&mirror, EARLIEST) != ends {
        assert!(begin.elapsed() < Duration::from_secs(600), "{mirror} does not get there");
        std::thread::sleep(Duration::from_millis(20));
    }
    let seconds = begin.elapsed().as_secs_f64();
    stage::forget(pair, &mirror);
    ends.iter().sum::<i64>() as f64 / seconds / 1e6
}
