//! Catch-up: a topic of eight partitions that has long been there is copied.

use bytes::Bytes;
use linkgate_tests::digest;
use linkgate_tests::pair::Pair;

use super::Effort;
use crate::copying::{Copied, watch};
use crate::data::{Codec, Data};
use crate::finding::{Finding, Want};
use crate::peers::follower;
use crate::peers::mirror_maker::{MirrorMaker, Tuning};
use crate::{pump, say, stage};

const PARTITIONS: i32 = 8;
/// Records of flights in a batch: about the 16 KiB of a producer's default after compression.
const FLIGHTS_LZ4: usize = 400;
const FLIGHTS_ZSTD: usize = 700;

/// Records of 1 KiB, uncompressed.
#[must_use]
pub fn plain(effort: Effort) -> Vec<Finding> {
    let data = Data::plain();
    let pair = stage::pair("catch-up");
    let bytes = effort.choose(400_000_000, 2_000_000_000);
    let mut findings = beside_mirror_maker(&pair, &data, bytes, effort);
    drop(pair);
    if effort.alone {
        return findings;
    }
    say!("catch-up: Kafka's own follower");
    let follower = follower::copy(&data, PARTITIONS, bytes, effort.repetitions);
    let ours = findings[0].our_values.clone();
    let what = ("catch-up, uncompressed", "rate", "MB/s");
    findings.push(Finding::against(
        what,
        ("Kafka's follower", &rates(&follower)),
        &ours,
        Want::RatioAtLeast(0.7),
    ));
    let (peer, ours) = (costs(&follower), findings[1].our_values.clone());
    findings.push(Finding::against(
        ("catch-up, uncompressed", "CPU of the copier", "s/GB"),
        ("Kafka's follower (as a whole broker)", &peer),
        &ours,
        Want::Shown,
    ));
    findings
}

/// Flights compressed with lz4.
#[must_use]
pub fn lz4(effort: Effort) -> Vec<Finding> {
    compressed(Data::flights(Codec::Lz4, FLIGHTS_LZ4), effort)
}

/// Flights compressed with zstd.
#[must_use]
pub fn zstd(effort: Effort) -> Vec<Finding> {
    compressed(Data::flights(Codec::Zstd, FLIGHTS_ZSTD), effort)
}

fn compressed(data: Data, effort: Effort) -> Vec<Finding> {
    let pair = stage::pair("catch-up");
    let bytes = effort.choose(400_000_000, 2_000_000_000);
    let mut findings = beside_mirror_maker(&pair, &data, bytes, effort);
    let bound: Vec<f64> =
        (0..effort.repetitions).map(|n| appended(&pair, &data, bytes, &format!("bound-{n}"))).collect();
    let ours = findings[0].our_values.clone();
    let job = findings[0].job.clone();
    findings.push(Finding::against(
        (&job, "rate", "MB/s"),
        ("what the destination can append", &bound),
        &ours,
        Want::RatioAtLeast(0.9),
    ));
    findings
}

fn beside_mirror_maker(pair: &Pair, data: &Data, bytes: u64, effort: Effort) -> Vec<Finding> {
    let job = format!("catch-up, {}", if data.codec == Codec::None { "uncompressed" } else { data.name });
    say!("{job}: writing {} MB", bytes / 1_000_000);
    let records = stage::fill(&pair.source, "long", PARTITIONS, data, bytes);
    // What the source's page cache holds decides more than who copies.
    let mut ours = Vec::new();
    for n in 0..effort.repetitions {
        say!("{job}: Linkgate, {} of {}", n + 1, effort.repetitions);
        ours.push(linkgate(pair, data, records, &format!("run{n}")));
    }
    let (tuned, defaults) =
        if effort.alone { Default::default() } else { mirror_makers(pair, data, &job, effort) };
    let mut findings = vec![
        Finding::against(
            (&job, "rate", "MB/s"),
            ("MirrorMaker 2, tuned", &rates(&tuned)),
            &rates(&ours),
            Want::RatioAtLeast(5.0),
        ),
        Finding::against(
            (&job, "CPU of the copier", "s/GB"),
            ("MirrorMaker 2, tuned", &costs(&tuned)),
            &costs(&ours),
            Want::RatioAtMost(0.05),
        ),
        Finding::against(
            (&job, "rate", "MB/s"),
            ("MirrorMaker 2, defaults", &rates(&defaults)),
            &rates(&ours),
            Want::Shown,
        ),
    ];
    let memory = |copied: &[Copied]| copied.iter().map(|c| c.memory).collect::<Vec<_>>();
    let brokers = |copied: &[Copied]| copied.iter().map(|c| c.brokers_per_gb).collect::<Vec<_>>();
    findings.push(Finding::against(
        (&job, "CPU of the brokers", "s/GB"),
        ("MirrorMaker 2, tuned", &brokers(&tuned)),
        &brokers(&ours),
        Want::Shown,
    ));
    findings.push(Finding::against(
        (&job, "peak memory of the copier", "MiB"),
        ("MirrorMaker 2, tuned", &memory(&tuned)),
        &memory(&ours),
        Want::Shown,
    ));
    findings
}

/// Tuned for throughput, and as it comes; less to copy, since it takes so long.
fn mirror_makers(pair: &Pair, data: &Data, job: &str, effort: Effort) -> (Vec<Copied>, Vec<Copied>) {
    let smaller = effort.choose(100_000_000, 500_000_000);
    let records = stage::fill(&pair.source, "short", PARTITIONS, data, smaller);
    let run = |tuning: Tuning| {
        say!("{job}: MirrorMaker 2, {tuning:?}");
        vec![mirror_maker(pair, data, records, tuning)]
    };
    (run(Tuning::Throughput), run(Tuning::Defaults))
}

fn linkgate(pair: &Pair, data: &Data, records: i64, name: &str) -> Copied {
    stage::link(pair, name);
    let mirror = stage::mirror(pair, name, "long");
    let copied = watch(
        &pair.destination.bootstrap(),
        &mirror,
        PARTITIONS,
        records,
        data.record_bytes(),
        &stage::daemon(pair),
    );
    say!("{copied:.1?}; comparing what was copied");
    digest::assert_same(&pair.source.bootstrap(), "long", &pair.destination.bootstrap(), &mirror);
    stage::unlink(pair, name, &mirror);
    copied
}

fn mirror_maker(pair: &Pair, data: &Data, records: i64, tuning: Tuning) -> Copied {
    let copier = MirrorMaker::start(pair, "short", tuning, data.codec);
    let mirror = MirrorMaker::name("short");
    let copied = watch(
        &pair.destination.bootstrap(),
        &mirror,
        PARTITIONS,
        records,
        data.record_bytes(),
        &stage::processes(pair, copier.pid()),
    );
    drop(copier);
    stage::forget(pair, &mirror);
    copied
}

/// MB/s that a generator of prebuilt requests gets the destination to append: the same batches, one for each partition.
fn appended(pair: &Pair, data: &Data, bytes: u64, topic: &str) -> f64 {
    stage::create(&pair.destination, topic, PARTITIONS, &[]);
    let address = pair.destination.bootstrap();
    let all: Vec<i32> = (0..PARTITIONS).collect();
    let frames: Vec<Bytes> = stage::frames(topic, &all, data).into_iter().map(Bytes::from).collect();
    let rounds = data.batches_for(bytes / 8);
    let begin = std::time::Instant::now();
    pump::produce(&address, 5, |n| (n < rounds).then(|| frames[n % frames.len()].to_vec()), |_, _| ());
    let seconds = begin.elapsed().as_secs_f64();
    pair.destination.admin().delete_topic(topic);
    rounds as f64 * 8.0 * data.payload / 1e6 / seconds
}

fn rates(copied: &[Copied]) -> Vec<f64> {
    copied.iter().map(|c| c.rate).collect()
}

fn costs(copied: &[Copied]) -> Vec<f64> {
    copied.iter().map(|c| c.cpu_per_gb).collect()
}
