//! Pre-roll: how fast a log that begins above 0 is filled, on one partition and on four at once.

use std::time::{Duration, Instant};

use linkgate_tests::admin::{EARLIEST, LATEST};
use linkgate_tests::client::Connection;
use linkgate_tests::pair::Pair;
use linkgate_tests::raw_batch::{batch, record, write};
use linkgate_tests::wait::{LONG, until_ok};

use super::Effort;
use crate::finding::{Finding, Want};
use crate::{say, stage};

const LINK: &str = "filled";
/// Records of one batch: the smallest that there are, so that the source is written soon.
const RECORDS: usize = 100_000;

/// From the creation of the mirror topic to the moment when its log begins where the source's does.
#[must_use]
pub fn preroll(effort: Effort) -> Vec<Finding> {
    let pair = stage::pair("preroll");
    stage::link(&pair, LINK);
    [(1, effort.choose(100, 300), 15.0), (4, effort.choose(40, 120), 25.0)]
        .into_iter()
        .map(|(partitions, batches, goal)| {
            let millions: Vec<f64> = (0..effort.repetitions)
                .map(|n| {
                    say!("pre-roll: {partitions} partition(s), {} of {}", n + 1, effort.repetitions);
                    filled(&pair, &format!("above{n}-{partitions}"), partitions, batches)
                })
                .collect();
            let job = format!("pre-roll, {partitions} partition(s)");
            Finding::alone((&job, "rate", "M offsets/s"), &millions, Want::AtLeast(goal))
        })
        .collect()
}

/// Million offsets in a second, of a source topic of so many batches in each partition, all of them deleted.
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
