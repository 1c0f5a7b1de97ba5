//! How fast a log that begins above 0 is filled: one partition, then eight at once. Run by `make bench-preroll`.
//!
//! Prints offsets per second from the creation of the mirror topic to the moment when its log begins where the source's does. The
//! brokers, the daemon and this program share the machine, so the figures say what they say on it, and no more.

use std::time::{Duration, Instant};

use linkgate_tests::admin::{EARLIEST, LATEST};
use linkgate_tests::client::Connection;
use linkgate_tests::pair::Pair;
use linkgate_tests::raw_batch::{batch, record, write};
use linkgate_tests::wait::{LONG, until_ok};

/// Records of one batch: the smallest that there are, so that the source is written soon.
const RECORDS: usize = 100_000;

fn main() {
    let pair = Pair::small("preroll");
    pair.link("");
    let batch = batch(vec![record(7, None, None); RECORDS]);
    for (topic, partitions, batches) in [
        ("one-a", 1, 300),
        ("one-b", 1, 300),
        ("one-c", 1, 300),
        ("eight-a", 8, 60),
        ("eight-b", 8, 60),
        ("eight-c", 8, 60),
    ] {
        pair.source.admin().create_topic(topic, partitions, &[]);
        let leader = pair.source.admin().leaders(topic).remove(0);
        let mut connection = Connection::open(&leader.address).unwrap_or_else(|e| panic!("{e}"));
        for partition in 0..partitions {
            for _ in 0..batches {
                // A new partition has no leader for a moment.
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
        pair.mirror(topic);
        let mut admin = pair.destination.admin();
        while admin.offsets(topic, EARLIEST) != ends {
            assert!(begin.elapsed() < Duration::from_secs(600), "{topic} does not get there");
            std::thread::sleep(Duration::from_millis(20));
        }
        let (offsets, seconds) = (ends.iter().sum::<i64>(), begin.elapsed().as_secs_f64());
        println!(
            "{partitions} partition(s): {offsets} offsets in {seconds:.2} s, {:.1} M offsets/s",
            offsets as f64 / seconds / 1e6
        );
    }
}
