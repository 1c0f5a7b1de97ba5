//! Far: copies a backlog over a line with a round trip of up to 200 ms. What distance costs is the ratio to the
//! same copy over the same line without a delay.

use std::time::Duration;

use linkgate_tests::fault::Line;
use linkgate_tests::kafka::{Cluster, Version};
use linkgate_tests::machine::ports::PortBlock;
use linkgate_tests::machine::workdir::WorkDir;
use linkgate_tests::stage::linkgate::Linkgate;
use linkgate_tests::stage::pair::Pair;

use super::Effort;
use crate::copying::{Copied, watch};
use crate::data::Data;
use crate::finding::{Finding, Want};
use crate::{say, stage};

/// Round trips, in milliseconds.
const ROUND_TRIPS: [u64; 4] = [0, 50, 100, 200];
const NEAR: u64 = ROUND_TRIPS[0];

/// Copies uncompressed records of 1 KiB, in eight partitions and in one.
#[must_use]
pub fn far(effort: Effort) -> Vec<Finding> {
    let ports = PortBlock::claim();
    let mut source = Cluster::launch_behind(
        WorkDir::new("far-source"),
        Version::V4_3_1,
        1,
        &stage::BROKER,
        &[ports.port(0)],
    );
    let mut destination =
        Cluster::launch(WorkDir::new("far-destination"), Version::V4_3_1, 1, &stage::BROKER);
    let line = Line::start(ports.port(0), source.client_ports()[0]);
    source.wait_ready();
    destination.wait_ready();
    let linkgate = Linkgate::start(&destination.bootstrap(), &[]);
    let pair = Pair { linkgate, source, destination };
    let data = Data::plain();
    let bytes = effort.choose(400_000_000, 2_000_000_000);
    [8, 1].into_iter().flat_map(|partitions| copies(&pair, &line, &data, partitions, bytes, effort)).collect()
}

fn copies(
    pair: &Pair,
    line: &Line,
    data: &Data,
    partitions: i32,
    bytes: u64,
    effort: Effort,
) -> Vec<Finding> {
    let job = format!("far, {partitions} partitions");
    let topic = format!("long-{partitions}");
    say!("{job}: writing {} MB", bytes / 1_000_000);
    let records = stage::fill(&pair.source, &topic, partitions, data, bytes);
    let mut all: Vec<Vec<Copied>> = vec![Vec::new(); ROUND_TRIPS.len()];
    // The first round warms up the brokers and is not counted.
    for round in 0..=effort.repetitions {
        for (n, millis) in ROUND_TRIPS.into_iter().enumerate() {
            let name = format!("far{partitions}-{round}-{n}");
            let name = name.as_str();
            line.set_round_trip(Duration::from_millis(millis));
            stage::link(pair, name);
            let mirror = stage::mirror(pair, name, &topic);
            let processes = stage::daemon(pair);
            let address = pair.destination.bootstrap();
            let copied = watch(&address, &mirror, partitions, records, data.record_bytes(), &processes);
            say!("{job}: {millis} ms, {round} of {}: {copied:.2?}", effort.repetitions);
            line.set_round_trip(Duration::ZERO);
            stage::unlink(pair, name, &mirror);
            if round > 0 || effort.quick {
                all[n].push(copied);
            }
        }
    }
    let mut findings = Vec::new();
    let near = &all[0];
    for (millis, far) in ROUND_TRIPS.into_iter().zip(&all).filter(|(millis, _)| *millis != NEAR) {
        let beside = |quantity: &str, unit, what: fn(&Copied) -> f64, want| {
            let of = |copied: &[Copied]| copied.iter().map(what).collect::<Vec<f64>>();
            let quantity = format!("{quantity} at {millis} ms");
            Finding::against((&job, &quantity, unit), ("the same at 0 ms", &of(near)), &of(far), want)
        };
        findings.push(beside("rate", "MB/s", |c| c.rate, Want::RatioAtLeast(0.9)));
        findings.push(beside("CPU of the copier", "s/GB", |c| c.cpu_per_gb, Want::RatioAtMost(1.15)));
    }
    let memory: Vec<f64> = all.iter().flatten().map(|copied| copied.memory).collect();
    let peak = memory.into_iter().fold(0.0, f64::max);
    findings.push(Finding::alone((&job, "peak memory of the copier", "MiB"), &[peak], Want::AtMost(400.0)));
    findings
}
