//! Catch-up: copies an existing topic of eight partitions.

use linkgate_tests::read::digest;
use linkgate_tests::stage::pair::Pair;

use super::Effort;
use crate::copying::{Copied, Processes, watch};
use crate::data::{Codec, Data};
use crate::finding::{Finding, Want};
use crate::peers::follower;
use crate::peers::mirror_maker::{MirrorMaker, Tuning};
use crate::{pump, say, stage};

const PARTITIONS: i32 = 8;
/// Records per batch of flights: about 16 KiB after compression, the producer's default batch size.
const FLIGHTS_LZ4: usize = 400;
const FLIGHTS_ZSTD: usize = 700;

/// Copies uncompressed records of 1 KiB.
#[must_use]
pub fn plain(effort: Effort) -> Vec<Finding> {
    let data = Data::plain();
    let pair = stage::pair("catch-up");
    let bytes = effort.choose(400_000_000, 2_000_000_000);
    let mut findings = beside_mirror_maker(&pair, &data, bytes, effort);
    drop(pair);
    if effort.alone || effort.quick {
        return findings;
    }
    say!("catch-up: Kafka's own follower");
    let follower = follower::copy(&data, PARTITIONS, bytes, effort.repetitions);
    let ours = findings[0].our_values.clone();
    let what = ("catch-up, uncompressed", "rate", "MB/s");
    findings.push(Finding::against(
        what,
        ("Kafka's follower", &of(|c| c.rate, &follower)),
        &ours,
        Want::RatioAtLeast(0.7),
    ));
    let (peer, ours) = (of(|c| c.cpu_per_gb, &follower), findings[1].our_values.clone());
    findings.push(Finding::against(
        ("catch-up, uncompressed", "CPU of the copier", "s/GB"),
        ("Kafka's follower (as a whole broker)", &peer),
        &ours,
        Want::Shown,
    ));
    findings
}

/// Copies flights compressed with lz4.
#[must_use]
pub fn lz4(effort: Effort) -> Vec<Finding> {
    compressed(Data::flights(Codec::Lz4, FLIGHTS_LZ4), effort)
}

/// Copies flights compressed with zstd.
#[must_use]
pub fn zstd(effort: Effort) -> Vec<Finding> {
    compressed(Data::flights(Codec::Zstd, FLIGHTS_ZSTD), effort)
}

fn compressed(data: Data, effort: Effort) -> Vec<Finding> {
    let pair = stage::pair("catch-up");
    let bytes = effort.choose(400_000_000, 2_000_000_000);
    beside_mirror_maker(&pair, &data, bytes, effort)
}

fn beside_mirror_maker(pair: &Pair, data: &Data, bytes: u64, effort: Effort) -> Vec<Finding> {
    let is_compressed = data.codec != Codec::None;
    let job = format!("catch-up, {}", if is_compressed { data.name } else { "uncompressed" });
    say!("{job}: writing {} MB", bytes / 1_000_000);
    let records = stage::fill(&pair.source, "long", PARTITIONS, data, bytes);
    let (mut ours, mut bound) = (Vec::new(), Vec::new());
    // The first round warms up the brokers and is not counted.
    for n in 0..=effort.repetitions {
        say!("{job}: Linkgate, {n} of {}", effort.repetitions);
        let copied = linkgate(pair, data, records, &format!("run{n}"), n == effort.repetitions);
        let most = is_compressed.then(|| appended(pair, data, bytes, &format!("bound-{n}")));
        if n > 0 {
            ours.push(copied);
            bound.extend(most);
        }
    }
    let (tuned, defaults) =
        if effort.alone { Default::default() } else { mirror_makers(pair, data, &job, effort) };
    let beside = |quantity, unit, what: fn(&Copied) -> f64, want| {
        let theirs = of(what, &tuned);
        Finding::against((&job, quantity, unit), ("MirrorMaker 2, tuned", &theirs), &of(what, &ours), want)
    };
    let mut findings = vec![
        beside("rate", "MB/s", |c| c.rate, Want::RatioAtLeast(5.0)),
        beside("CPU of the copier", "s/GB", |c| c.cpu_per_gb, Want::RatioAtMost(0.05)),
        beside("CPU of the brokers", "s/GB", |c| c.brokers_per_gb, Want::Shown),
        beside("peak memory of the copier", "MiB", |c| c.memory, Want::Shown),
        Finding::against(
            (&job, "rate", "MB/s"),
            ("MirrorMaker 2, defaults", &of(|c| c.rate, &defaults)),
            &of(|c| c.rate, &ours),
            Want::Shown,
        ),
    ];
    if is_compressed {
        findings.push(Finding::against(
            (&job, "rate", "MB/s"),
            ("what the destination can append", &bound),
            &of(|c| c.rate, &ours),
            Want::RatioAtLeast(0.9),
        ));
    }
    findings
}

/// Runs MirrorMaker 2 tuned for throughput and, except in a quick run, with its defaults. Copies less data,
/// because it takes long.
fn mirror_makers(pair: &Pair, data: &Data, job: &str, effort: Effort) -> (Vec<Copied>, Vec<Copied>) {
    let smaller = effort.choose(50_000_000, 500_000_000);
    let run = |tuning: Tuning| {
        say!("{job}: MirrorMaker 2, {tuning:?}");
        // One topic per run: in a topic of the same name, MirrorMaker 2 would continue from the previous
        // run's offsets.
        let topic = format!("short-{tuning:?}");
        let records = stage::fill(&pair.source, &topic, PARTITIONS, data, smaller);
        vec![mirror_maker(pair, data, &topic, records, tuning)]
    };
    let tuned = run(Tuning::Throughput);
    (tuned, if effort.quick { Vec::new() } else { run(Tuning::Defaults) })
}

/// Makes one copy with Linkgate. With `audit`, compares the copy with the source afterwards.
fn linkgate(pair: &Pair, data: &Data, records: i64, name: &str, audit: bool) -> Copied {
    stage::link(pair, name);
    let mirror = stage::mirror(pair, name, "long");
    let copied = watched(pair, data, &mirror, records, &stage::daemon(pair));
    say!("{copied:.1?}");
    if audit {
        say!("comparing what was copied with its source");
        digest::assert_same(&pair.source.bootstrap(), "long", &pair.destination.bootstrap(), &mirror);
    }
    stage::unlink(pair, name, &mirror);
    copied
}

fn mirror_maker(pair: &Pair, data: &Data, topic: &str, records: i64, tuning: Tuning) -> Copied {
    let copier = MirrorMaker::start(pair, topic, tuning, data.codec);
    let mirror = MirrorMaker::name(topic);
    let copied = watched(pair, data, &mirror, records, &stage::processes(pair, copier.pid()));
    drop(copier);
    stage::forget(pair, &mirror);
    copied
}

fn watched(pair: &Pair, data: &Data, mirror: &str, records: i64, processes: &Processes) -> Copied {
    watch(&pair.destination.bootstrap(), mirror, PARTITIONS, records, data.record_bytes(), processes)
}

/// Returns the MB/s at which the destination appends prebuilt requests with the same batches, one batch per
/// partition.
fn appended(pair: &Pair, data: &Data, bytes: u64, topic: &str) -> f64 {
    stage::create(&pair.destination, topic, PARTITIONS, &[]);
    let address = pair.destination.bootstrap();
    let all: Vec<i32> = (0..PARTITIONS).collect();
    let frames = stage::frames(topic, &all, data);
    let rounds = data.batches_for(bytes / 8);
    let begin = std::time::Instant::now();
    pump::produce(&address, 5, pump::cycled(&frames, rounds), |_, _| ());
    let seconds = begin.elapsed().as_secs_f64();
    pair.destination.admin().delete_topic(topic);
    rounds as f64 * 8.0 * data.payload / 1e6 / seconds
}

/// Returns one figure of each copy.
fn of(what: fn(&Copied) -> f64, copied: &[Copied]) -> Vec<f64> {
    copied.iter().map(what).collect()
}
