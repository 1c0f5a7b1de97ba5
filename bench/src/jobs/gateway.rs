//! The gateway, compared with HAProxy and with a direct connection: throughput, CPU, added latency.

use std::time::{Duration, Instant};

use linkgate_tests::client::admin::{EARLIEST, LATEST};
use linkgate_tests::stage::pair::Pair;

use super::Effort;
use crate::data::Data;
use crate::finding::{Finding, Want};
use crate::peers::haproxy::Haproxy;
use crate::{mirroring, pump, say, stage, usage};

const PARTITIONS: i32 = 8;
/// One route to the broker.
struct Way {
    name: &'static str,
    address: String,
    pid: Option<u32>,
    produce: Passage,
    consume: Passage,
    mirror: Passage,
    /// Latency at p99 in milliseconds, added to the direct route's; one value per repetition.
    added: Vec<f64>,
}

/// Throughput in MB/s and CPU seconds per GB; one value per repetition.
#[derive(Default)]
struct Passage {
    rates: Vec<f64>,
    costs: Vec<f64>,
}

/// Measures topics that are not mirror topics, and a mirror topic without filler.
#[must_use]
pub fn gateway(effort: Effort) -> Vec<Finding> {
    let pair = stage::pair("gateway");
    let data = Data::plain();
    let bytes = effort.choose(200_000_000, 1_000_000_000);
    say!("gateway: writing what is read");
    let _ = stage::fill(&pair.source, "mirrored", PARTITIONS, &data, bytes);
    stage::link(&pair, "m");
    let mirror = stage::mirror(&pair, "m", "mirrored");
    let mirrors = std::slice::from_ref(&mirror);
    mirroring::wait_up_to_date(&pair.linkgate, "m", mirrors, Duration::from_secs(120));
    let _ = stage::fill(&pair.destination, "read", PARTITIONS, &data, bytes);
    stage::create(&pair.destination, "written", PARTITIONS, &[("retention.bytes", "200000000")]);

    let broker = pair.destination.bootstrap();
    let haproxy = Haproxy::start(&broker);
    let mut ways = [
        Way::new("direct", broker, None),
        Way::new("HAProxy", haproxy.address(), Some(haproxy.pid())),
        Way::new("Linkgate", pair.linkgate.bootstrap(), pair.linkgate.pid()),
    ];
    for n in 0..=effort.repetitions {
        for way in &mut ways {
            say!("gateway: {}, {} of {}", way.name, n, effort.repetitions);
            let produced = way.produced(&data, bytes);
            let consumed = way.consumed("read", &pair);
            let mirrored = way.consumed(&mirror, &pair);
            // The first round warms up the broker and is not counted.
            if n > 0 {
                way.produce.take(produced);
                way.consume.take(consumed);
                way.mirror.take(mirrored);
            }
        }
    }
    say!("gateway: one request at a time");
    let single = stage::frames("written", &[0], &Data::single());
    for n in 0..=effort.repetitions {
        let turns = pump::interleaved(ways.each_ref().map(|way| way.address.as_str()), &single);
        for (way, through) in ways.iter_mut().zip(&turns).filter(|_| n > 0) {
            way.added.push(pump::added(&turns[0], through));
        }
    }
    findings(&ways)
}

fn findings([direct, haproxy, linkgate]: &[Way; 3]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let peer = haproxy.name;
    for (job, of) in [
        ("gateway, produce", (|way: &Way| &way.produce) as fn(&Way) -> &Passage),
        ("gateway, consume", |way| &way.consume),
        ("gateway, consume a mirror topic", |way| &way.mirror),
    ] {
        let (theirs, ours) = (of(haproxy), of(linkgate));
        findings.push(Finding::against(
            (job, "rate", "MB/s"),
            (peer, &theirs.rates),
            &ours.rates,
            Want::RatioAtLeast(0.97),
        ));
        findings.push(Finding::against(
            (job, "CPU of the proxy", "s/GB"),
            (peer, &theirs.costs),
            &ours.costs,
            Want::RatioAtMost(0.9),
        ));
        findings.push(Finding::against(
            (job, "rate", "MB/s"),
            (direct.name, &of(direct).rates),
            &ours.rates,
            Want::Shown,
        ));
    }
    findings.push(Finding::against(
        ("gateway, produce of 1 KiB", "added p99", "ms"),
        (peer, &haproxy.added),
        &linkgate.added,
        Want::NotAbove(0.1),
    ));
    findings
}

impl Passage {
    fn take(&mut self, (rate, cost): (f64, f64)) {
        self.rates.push(rate);
        self.costs.push(cost);
    }
}

impl Way {
    fn new(name: &'static str, address: String, pid: Option<u32>) -> Way {
        let (produce, consume, mirror) = Default::default();
        Way { name, address, pid, produce, consume, mirror, added: Vec::new() }
    }

    /// Measures `pass`, which returns its number of bytes. Returns MB/s and the CPU seconds per GB.
    fn measure(&self, pass: impl FnOnce() -> u64) -> (f64, f64) {
        let pids: Vec<u32> = self.pid.into_iter().collect();
        let (begin, cpu) = (Instant::now(), usage::cpu(&pids));
        let bytes = pass() as f64;
        let seconds = begin.elapsed().as_secs_f64();
        (bytes / 1e6 / seconds, (usage::cpu(&pids) - cpu).as_secs_f64() / (bytes / 1e9))
    }

    /// Produces over two connections, with five requests in flight on each; a request is about 128 KiB.
    fn produced(&self, data: &Data, bytes: u64) -> (f64, f64) {
        let all: Vec<i32> = (0..PARTITIONS).collect();
        let frames = stage::frames("written", &all, data);
        let rounds = data.batches_for(bytes / PARTITIONS as u64) / 2;
        let one = || pump::produce(&self.address, 5, pump::cycled(&frames, rounds), |_, _| ());
        self.measure(|| {
            std::thread::scope(|scope| {
                let _ = scope.spawn(one);
                one();
            });
            (rounds * 2 * frames[0].len()) as u64
        })
    }

    /// Consumes the whole topic with two consumers at a time.
    fn consumed(&self, topic: &str, pair: &Pair) -> (f64, f64) {
        let mut admin = pair.destination.admin();
        let (from, to) = (admin.offsets(topic, EARLIEST), admin.offsets(topic, LATEST));
        self.measure(|| {
            std::thread::scope(|scope| {
                let other = scope.spawn(|| pump::consume(&self.address, topic, &from, &to));
                pump::consume(&self.address, topic, &from, &to) + other.join().expect("it reads to the end")
            })
        })
    }
}
