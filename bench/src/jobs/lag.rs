//! Lag: from the acknowledgement of a record by the source to the moment when a reader of the mirror has it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use linkgate_tests::admin::LATEST;
use linkgate_tests::kafka::Cluster;
use linkgate_tests::pair::Pair;
use linkgate_tests::raw_batch::{batch, now_ms, record};

use super::Effort;
use crate::data::Codec;
use crate::finding::{Finding, Want};
use crate::peers::mirror_maker::{MirrorMaker, Tuning};
use crate::pump::{Reader, produce, produce_frame};
use crate::spread::{millis, quantile};
use crate::{say, stage, usage};

const PARTITIONS: i32 = 8;
/// One request of so many records every so often: 5,000 records in a second.
const AT_ONCE: usize = 5;
const EVERY: Duration = Duration::from_millis(1);
/// Not counted: connections, compilation, caches.
const WARM_UP: Duration = Duration::from_secs(5);

/// 5,000 records a second over eight partitions.
#[must_use]
pub fn lag(effort: Effort) -> Vec<Finding> {
    let pair = stage::pair("lag");
    let seconds = Duration::from_secs(effort.choose(10, 30));
    let (mut ours, mut cpu, mut at_source) = (Vec::new(), Vec::new(), Vec::new());
    // The first round warms the brokers up, and is not counted.
    for n in 0..=effort.repetitions {
        let (topic, name) = (format!("lag{n}"), format!("run{n}"));
        say!("lag: Linkgate, {n} of {}", effort.repetitions);
        stage::create(&pair.source, &topic, PARTITIONS, &[]);
        stage::link(&pair, &name);
        let mirror = stage::mirror(&pair, &name, &topic);
        let pid = pair.linkgate.pid().expect("linkgate runs");
        let through = pair.linkgate.bootstrap();
        let (lags, used) = measure(&pair, pid, &topic, (&pair.destination, &mirror), &through, seconds);
        say!(
            "p50 {:.2} p90 {:.2} p99 {:.2} max {:.2} ms",
            quantile(&lags, 0.5),
            quantile(&lags, 0.9),
            quantile(&lags, 0.99),
            quantile(&lags, 1.0)
        );
        if n > 0 {
            ours.push(lags);
            cpu.push(used);
        }
        stage::unlink(&pair, &name, &mirror);
        say!("lag: a reader of the source itself, {n} of {}", effort.repetitions);
        let through = pair.source.bootstrap();
        let (lags, _) = measure(&pair, pid, &topic, (&pair.source, &topic), &through, seconds / 3);
        if n > 0 {
            at_source.push(lags);
        }
    }
    let at = |q: f64, all: &[Vec<f64>]| all.iter().map(|one| quantile(one, q)).collect::<Vec<_>>();
    let job = "lag at 5,000 records/s";
    let mut findings = vec![
        Finding::alone((job, "p99", "ms"), &at(0.99, &ours), Want::AtMost(5.0)),
        Finding::alone((job, "median", "ms"), &at(0.5, &ours), Want::Shown),
        // What one broker takes with nothing to copy: the way of a mirrored record leads through two.
        Finding::against(
            (job, "p99", "ms"),
            ("a reader of the source itself", &at(0.99, &at_source)),
            &at(0.99, &ours),
            Want::Shown,
        ),
        Finding::alone((job, "CPU of the copier", "% of a core"), &cpu, Want::Shown),
    ];
    if effort.alone {
        return findings;
    }
    say!("lag: MirrorMaker 2");
    stage::create(&pair.source, "theirs", PARTITIONS, &[]);
    let copier = MirrorMaker::start(&pair, "theirs", Tuning::Latency, Codec::None);
    let mirror = MirrorMaker::name("theirs");
    linkgate_tests::wait::until("MirrorMaker 2 creates its topic", Duration::from_secs(120), || {
        pair.destination.admin().topics().contains(&mirror).then_some(())
    });
    std::thread::sleep(Duration::from_secs(5));
    let direct = pair.destination.bootstrap();
    let (theirs, their_cpu) =
        measure(&pair, copier.pid(), "theirs", (&pair.destination, &mirror), &direct, seconds);
    let (peer, theirs) = ("MirrorMaker 2", [theirs]);
    findings.extend([
        Finding::against(
            (job, "p99", "ms"),
            (peer, &at(0.99, &theirs)),
            &at(0.99, &ours),
            Want::RatioAtMost(0.2),
        ),
        Finding::against((job, "median", "ms"), (peer, &at(0.5, &theirs)), &at(0.5, &ours), Want::Shown),
        Finding::against((job, "CPU of the copier", "% of a core"), (peer, &[their_cpu]), &cpu, Want::Shown),
    ]);
    findings
}

/// Lag of each record in milliseconds until a reader of `read`'s topic has it, and the CPU time of the copier in percent of a core.
fn measure(
    pair: &Pair,
    copier: u32,
    topic: &str,
    (cluster, read): (&Cluster, &str),
    through: &str,
    lasts: Duration,
) -> (Vec<f64>, f64) {
    let before = usage::cpu(&[copier]);
    let acked: Mutex<HashMap<u64, Instant>> = Mutex::default();
    let over = AtomicBool::new(false);
    let ends = linkgate_tests::wait::until("the topic is there", Duration::from_secs(60), || {
        cluster.admin().topics().contains(&read.to_owned()).then(|| cluster.admin().offsets(read, LATEST))
    });
    let begin = Instant::now();
    let arrived = std::thread::scope(|scope| {
        let reader = scope.spawn(|| arrivals(through, read, &ends, &over));
        write(pair, topic, WARM_UP + lasts, &acked);
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

/// Writes at the rate, numbering the records; remembers when each was acknowledged.
fn write(pair: &Pair, topic: &str, lasts: Duration, acked: &Mutex<HashMap<u64, Instant>>) {
    let begin = Instant::now();
    let requests = usize::try_from(lasts.as_millis() / EVERY.as_millis()).expect("a count");
    let numbers = |request: usize| (0..AT_ONCE).map(move |n| (request * AT_ONCE + n) as u64);
    produce(
        &pair.source.bootstrap(),
        50,
        |request| {
            let due = begin + EVERY * u32::try_from(request).expect("a count");
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            (request < requests).then(|| {
                let batches: Vec<_> = numbers(request)
                    .map(|number| {
                        let mut value = number.to_be_bytes().to_vec();
                        value.resize(200, b'.');
                        let partition = i32::try_from(number % PARTITIONS as u64).expect("an index");
                        (partition, batch(vec![record(now_ms(), None, Some(&value))]))
                    })
                    .collect();
                produce_frame(topic, &batches, 1)
            })
        },
        |request, _| {
            let now = Instant::now();
            acked.lock().expect("nobody panicked").extend(numbers(request).map(|number| (number, now)));
        },
    );
}

/// When each number arrived at a reader of the mirror, which asks as consumers do.
fn arrivals(address: &str, topic: &str, from: &[i64], over: &AtomicBool) -> HashMap<u64, Instant> {
    let mut arrived = HashMap::new();
    let mut reader = Reader::open(address, topic, from);
    while !over.load(Ordering::Relaxed) {
        let payloads = reader.fetch(|_| true);
        let now = Instant::now();
        for payload in payloads {
            let batches = linkgate_tests::records::batches(&payload).expect("batches can be read");
            for record in batches.iter().flat_map(|batch| &batch.records) {
                let value = record.value.as_deref().unwrap_or_default();
                let (number, _) = value.split_first_chunk::<8>().expect("a number");
                arrived.entry(u64::from_be_bytes(*number)).or_insert(now);
            }
        }
    }
    arrived
}
