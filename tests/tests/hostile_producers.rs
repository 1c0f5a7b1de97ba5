//! Producers that follow no library: any batch that a stock broker accepts is mirrored exactly, or the mirror
//! says that it cannot.
//!
//! Random batches go to many topics, each with one theme, so that a FAILED mirror does not hide the results
//! of other themes. The seed is printed; `LINKGATE_SEED` repeats it. `LINKGATE_BATCHES` sets the number of
//! batches for each topic (default: 40).

#[path = "hostile_producers/batches.rs"]
mod batches;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use batches::{THEMES, Theme};
use fastrand::Rng;
use linkgate_tests::client::Connection;
use linkgate_tests::client::admin::{Admin, LATEST};
use linkgate_tests::produce::raw_batch::write;
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::read;
use linkgate_tests::read::records::Record;
use linkgate_tests::stage::pair::{LINK, Pair};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
}

/// Writes `count` batches of a theme to partition 0. Returns how many were accepted.
fn write_some(bootstrap: &str, topic: &str, theme: Theme, rng: &mut Rng, count: u64) -> usize {
    let leader = Admin::to(bootstrap).leaders(topic).remove(0);
    let mut connection: Option<Connection> = None;
    let mut taken = 0;
    for _ in 0..count {
        let batch = batches::next(theme, rng).seal();
        let open = connection.take().or_else(|| Connection::open(&leader.address).ok());
        let Some(mut open) = open else { continue };
        match write(&mut open, topic, 0, &batch) {
            Ok(()) => taken += 1,
            // The batch was refused. After any other error the connection is closed, and the next batch opens
            // a new one.
            Err(linkgate_tests::client::Error::Code { .. }) => {}
            Err(_) => continue,
        }
        connection = Some(open);
    }
    taken
}

/// Given mirrors, when hostile producers write to their source topics, then each mirror equals what clients
/// of the source see, or is FAILED with a reason. Given promoted topics and a topic that never was a mirror,
/// when they write there through the gateway and directly, then clients of the gateway see all accepted
/// records, as clients of the brokers do.
#[test]
fn every_accepted_batch_is_mirrored_or_the_mirror_fails_with_a_reason() {
    let seed = number("LINKGATE_SEED", fastrand::u64(..1_000_000_000));
    let count = number("LINKGATE_BATCHES", 40);
    println!("LINKGATE_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let pair = Pair::small("hostile");
    let source = pair.source.bootstrap();
    pair.link("");
    for theme in THEMES {
        pair.mirror_topic(theme.topic(), 1, &[]);
        send(&source, theme.topic(), Kind::plain("none"), 5);
    }
    let taken: BTreeMap<&str, usize> = THEMES
        .iter()
        .map(|theme| (theme.topic(), write_some(&source, theme.topic(), *theme, &mut rng, count)))
        .collect();
    let mut told = Vec::new();
    for theme in THEMES {
        let topic = theme.topic();
        send(&source, topic, Kind::idempotent("lz4"), 5);
        if is_mirrored(&pair, topic) {
            pair.assert_mirrored(topic);
            println!("{topic:<14} {:>3} of {count} batches taken and mirrored", taken[topic]);
        } else {
            let mirror = pair.linkgate.mirror(LINK, topic);
            let reason = mirror["linkgate"]["reason"].as_str().unwrap_or_default().to_owned();
            assert!(mirror["mirror_status"] == "FAILED" && !reason.is_empty(), "{topic}: {mirror:#}");
            println!("{topic:<14} {:>3} of {count} batches taken; the mirror says: {reason}", taken[topic]);
            told.push(topic);
        }
    }
    // A test whose batches are all refused, or whose mirrors all fail, proves nothing.
    assert!(taken.values().filter(|taken| **taken > 0).count() * 4 >= THEMES.len() * 3, "{taken:?}");
    assert!(told.len() * 4 <= THEMES.len(), "mirrors that gave up: {told:?}");

    through_the_gateway(&pair, &mut rng, count, &told);
}

/// Returns true once the mirror holds all offsets of the source, and false once it is not ACTIVE.
fn is_mirrored(pair: &Pair, topic: &str) -> bool {
    let begin = Instant::now();
    loop {
        if pair.source.admin().offsets(topic, LATEST) == pair.destination.admin().offsets(topic, LATEST) {
            return true;
        }
        if pair.linkgate.status(LINK, topic) != "ACTIVE" {
            return false;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "{topic} is ACTIVE and does not catch up: {:#}",
            pair.linkgate.mirror(LINK, topic)
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn through_the_gateway(pair: &Pair, rng: &mut Rng, count: u64, told: &[&str]) {
    let gateway = pair.linkgate.bootstrap();
    let destination = pair.destination.bootstrap();
    let opened = THEMES.iter().map(Theme::topic).filter(|topic| !told.contains(topic)).take(3);
    let topics: Vec<&str> = opened.collect();
    let _ = pair.linkgate.mirrors(&["--promote", "--topics", &topics.join(",")]).success("promote");
    let mut ends = BTreeMap::new();
    for topic in &topics {
        pair.linkgate.wait_status(LINK, topic, "STOPPED");
        let _ = ends.insert(*topic, pair.destination.admin().offsets(topic, LATEST)[0]);
    }
    pair.destination.admin().create_topic("own", 1, &[]);
    let _ = ends.insert("own", 0);
    for (topic, end) in ends {
        for theme in THEMES {
            let (mut a, mut b) = (rng.fork(), rng.fork());
            let taken = write_some(&gateway, topic, theme, &mut a, count / 4);
            // Brokers accept batches that the gateway would refuse.
            let past = write_some(&destination, topic, theme, &mut b, count / 8);
            let (seen, held) = (behind(&gateway, topic, end), behind(&destination, topic, end));
            let first = seen.iter().zip(&held).find(|(a, b)| a != b);
            assert!(
                seen == held,
                "{topic}: after {taken} batches of {theme:?} through the gateway and {past} past it, clients see {} of {} \
                 records behind offset {end}; first difference {first:?}",
                seen.len(),
                held.len()
            );
        }
        println!("{topic}: every record that was taken behind offset {end} is seen");
    }
}

fn behind(bootstrap: &str, topic: &str, end: i64) -> Vec<Record> {
    let records = read::partition(bootstrap, topic, 0).records;
    records.into_iter().filter(|record| record.offset >= end).collect()
}
