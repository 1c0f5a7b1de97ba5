//! Lag: time from the source's acknowledgement of a record until a reader of the mirror has it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kafka_protocol::records::Record;
use linkgate_tests::client::admin::LATEST;
use linkgate_tests::kafka::Cluster;
use linkgate_tests::produce::raw_batch::{batch, now_ms, record};
use linkgate_tests::stage::pair::Pair;

use super::Effort;
use crate::data::Codec;
use crate::finding::{Finding, Want};
use crate::peers::mirror_maker::{MirrorMaker, Tuning};
use crate::pump::{Reader, produce, produce_frame};
use crate::spread::{millis, quantile};
use crate::{say, stage, usage};

const PARTITIONS: i32 = 8;
/// Time at the start that is not counted: connections, compilation and caches warm up.
const WARM_UP: Duration = Duration::from_secs(5);

/// A load of 5,000 records per second: a request of `at_once` records at a fixed interval.
#[derive(Clone, Copy)]
struct Load {
    job: &'static str,
    /// Prefix of the topic and link names.
    name: &'static str,
    at_once: usize,
    every: Duration,
}

/// The load of a producer with the defaults of Kafka 4 (`linger.ms` is 5 since KIP-1030), and of one with a
/// linger of 1 ms.
const LOADS: [Load; 2] = [
    Load {
        job: "lag at 5,000 records/s, linger 5 ms",
        name: "linger",
        at_once: 25,
        every: Duration::from_millis(5),
    },
    Load {
        job: "lag at 5,000 records/s, linger 1 ms",
        name: "hasty",
        at_once: 5,
        every: Duration::from_millis(1),
    },
];

/// Measures the lag at 5,000 records per second over eight partitions.
#[must_use]
pub fn lag(effort: Effort) -> Vec<Finding> {
    let pair = stage::pair("lag");
    let lasts = Duration::from_secs(effort.choose(10, 20));
    // The first round warms up the brokers and is not counted: their JIT compilers are busy for about a
    // minute.
    let _ = ours(&pair, LOADS[1], 0, effort.choose(lasts, lasts * 3));
    let loads = effort.choose(1, LOADS.len());
    LOADS.into_iter().take(loads).flat_map(|load| with(&pair, load, lasts, effort)).collect()
}

/// Measures Linkgate, a reader of the source itself, and MirrorMaker 2 with one load.
fn with(pair: &Pair, load: Load, lasts: Duration, effort: Effort) -> Vec<Finding> {
    let (copied, cpu): (Vec<_>, Vec<_>) =
        (1..=effort.repetitions).map(|n| ours(pair, load, n, lasts)).unzip();
    let at_source = [of_the_source(pair, load, lasts)];
    let at = |q: f64, all: &[Vec<f64>]| all.iter().map(|one| quantile(one, q)).collect::<Vec<_>>();
    let (p99, median) = ((load.job, "p99", "ms"), (load.job, "median", "ms"));
    let cost = (load.job, "CPU of the copier", "% of a core");
    let mut findings = vec![
        Finding::alone(p99, &at(0.99, &copied), Want::AtMost(5.0)),
        Finding::alone(median, &at(0.5, &copied), Want::Shown),
        // Lower bound: one broker with nothing to copy. A mirrored record passes through two brokers.
        Finding::against(
            p99,
            ("a reader of the source itself", &at(0.99, &at_source)),
            &at(0.99, &copied),
            Want::Shown,
        ),
        Finding::alone(cost, &cpu, Want::Shown),
    ];
    if effort.alone {
        return findings;
    }
    let (theirs, their_cpu) = mirror_maker(pair, load, lasts);
    let (peer, theirs) = ("MirrorMaker 2", [theirs]);
    findings.extend([
        Finding::against(p99, (peer, &at(0.99, &theirs)), &at(0.99, &copied), Want::RatioAtMost(0.2)),
        Finding::against(median, (peer, &at(0.5, &theirs)), &at(0.5, &copied), Want::Shown),
        Finding::against(cost, (peer, &[their_cpu]), &cpu, Want::Shown),
    ]);
    findings
}

/// Runs one round through Linkgate. Returns the lags in milliseconds and the CPU use in percent of a core.
fn ours(pair: &Pair, load: Load, round: usize, lasts: Duration) -> (Vec<f64>, f64) {
    let (topic, link) = (format!("{}{round}", load.name), format!("{}-run{round}", load.name));
    say!("{}: Linkgate, round {round}", load.job);
    stage::create(&pair.source, &topic, PARTITIONS, &[]);
    stage::link(pair, &link);
    let mirror = stage::mirror(pair, &link, &topic);
    let pid = pair.linkgate.pid().expect("linkgate runs");
    let through = pair.linkgate.bootstrap();
    let (lags, used) = measure(pair, load, pid, &topic, (&pair.destination, &mirror), &through, lasts);
    let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(|q| quantile(&lags, q));
    say!("p50 {p50:.2} p90 {p90:.2} p99 {p99:.2} max {max:.2} ms");
    stage::unlink(pair, &link, &mirror);
    (lags, used)
}

/// Returns the lags of a reader of the source itself, with nothing to copy.
fn of_the_source(pair: &Pair, load: Load, lasts: Duration) -> Vec<f64> {
    say!("{}: a reader of the source itself", load.job);
    let topic = format!("{}-read", load.name);
    stage::create(&pair.source, &topic, PARTITIONS, &[]);
    let (pid, through) = (pair.linkgate.pid().expect("linkgate runs"), pair.source.bootstrap());
    measure(pair, load, pid, &topic, (&pair.source, &topic), &through, lasts).0
}

/// Returns the lags and the CPU use of MirrorMaker 2.
fn mirror_maker(pair: &Pair, load: Load, lasts: Duration) -> (Vec<f64>, f64) {
    say!("{}: MirrorMaker 2", load.job);
    let topic = format!("{}-theirs", load.name);
    stage::create(&pair.source, &topic, PARTITIONS, &[]);
    let copier = MirrorMaker::start(pair, &topic, Tuning::Latency, Codec::None);
    let mirror = MirrorMaker::name(&topic);
    linkgate_tests::machine::wait::until("MirrorMaker 2 creates its topic", Duration::from_secs(120), || {
        pair.destination.admin().topics().contains(&mirror).then_some(())
    });
    std::thread::sleep(Duration::from_secs(5));
    let direct = pair.destination.bootstrap();
    measure(pair, load, copier.pid(), &topic, (&pair.destination, &mirror), &direct, lasts)
}

/// Returns the lag of each record, in milliseconds, until a reader of the topic `read` has it, and the
/// copier's CPU use in percent of a core.
fn measure(
    pair: &Pair,
    load: Load,
    copier: u32,
    topic: &str,
    (cluster, read): (&Cluster, &str),
    through: &str,
    lasts: Duration,
) -> (Vec<f64>, f64) {
    let before = usage::cpu(&[copier]);
    let acked: Mutex<HashMap<u64, Instant>> = Mutex::default();
    let over = AtomicBool::new(false);
    let ends = linkgate_tests::machine::wait::until("the topic is there", Duration::from_secs(60), || {
        cluster.admin().topics().contains(&read.to_owned()).then(|| cluster.admin().offsets(read, LATEST))
    });
    let begin = Instant::now();
    let arrived = std::thread::scope(|scope| {
        let reader = scope.spawn(|| arrivals(through, read, &ends, &over));
        write(pair, load, topic, WARM_UP + lasts, &acked);
        std::thread::sleep(Duration::from_secs(2));
        over.store(true, Ordering::Relaxed);
        reader.join().expect("the reader ends well")
    });
    let acked = acked.into_inner().expect("nobody panicked");
    assert!(acked.len() <= arrived.len(), "{} of {} records arrived", arrived.len(), acked.len());
    let counted = acked.iter().filter(|(_, at)| at.duration_since(begin) > WARM_UP);
    let lags: Vec<Duration> =
        counted.map(|(number, at)| arrived[number].saturating_duration_since(*at)).collect();
    let used = (usage::cpu(&[copier]) - before).as_secs_f64();
    (millis(&lags), used / (WARM_UP + lasts).as_secs_f64() * 1e2)
}

/// Writes numbered records at the load's rate, and notes when each was acknowledged.
fn write(pair: &Pair, load: Load, topic: &str, lasts: Duration, acked: &Mutex<HashMap<u64, Instant>>) {
    let begin = Instant::now();
    let requests = usize::try_from(lasts.as_millis() / load.every.as_millis()).expect("a count");
    let numbers = |request: usize| (0..load.at_once).map(move |n| (request * load.at_once + n) as u64);
    produce(
        &pair.source.bootstrap(),
        50,
        |request| {
            let due = begin + load.every * u32::try_from(request).expect("a count");
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            (request < requests).then(|| {
                let mut records: BTreeMap<i32, Vec<Record>> = BTreeMap::new();
                for number in numbers(request) {
                    let mut value = number.to_be_bytes().to_vec();
                    value.resize(200, b'.');
                    let partition = i32::try_from(number % PARTITIONS as u64).expect("an index");
                    records.entry(partition).or_default().push(record(now_ms(), None, Some(&value)));
                }
                let batches: Vec<_> = records.into_iter().map(|(p, records)| (p, batch(records))).collect();
                produce_frame(topic, &batches, 1)
            })
        },
        |request, _| {
            let now = Instant::now();
            acked.lock().expect("nobody panicked").extend(numbers(request).map(|number| (number, now)));
        },
    );
}

/// Reads like a consumer, and returns the arrival time of each record number.
fn arrivals(address: &str, topic: &str, from: &[i64], over: &AtomicBool) -> HashMap<u64, Instant> {
    let mut arrived = HashMap::new();
    let mut reader = Reader::open(address, topic, from);
    while !over.load(Ordering::Relaxed) {
        let payloads = reader.fetch(|_| true);
        let now = Instant::now();
        for payload in payloads {
            let batches = linkgate_tests::read::records::batches(&payload).expect("batches can be read");
            for record in batches.iter().flat_map(|batch| &batch.records) {
                let value = record.value.as_deref().unwrap_or_default();
                let (number, _) = value.split_first_chunk::<8>().expect("a number");
                arrived.entry(u64::from_be_bytes(*number)).or_insert(now);
            }
        }
    }
    arrived
}
