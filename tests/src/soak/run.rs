//! The whole run: stage, workloads, waves of faults, and the audit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::inject::{Outcome, inject};
use super::own_writer::{self, OwnWriter};
use super::reader::Reader;
use super::recovery::{self, Measured};
use super::schedule::{Schedule, Wave};
use super::stage::Stage;
use super::states::{FaultLog, StateWatch};
use super::verify::{self, Findings};
use crate::client::admin::Admin;
use crate::client::log_ends::{LogEnds, behind};
use crate::workload::{Workload, Writers};

/// Options of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Seed of the schedule.
    pub seed: u64,
    /// Minimum number of faults, unless the time limit is reached before.
    pub faults: usize,
    /// Time after which no new wave begins.
    pub limit: Duration,
    /// The workloads that are written.
    pub workloads: Vec<Workload>,
}

/// Result of a run.
#[derive(Debug)]
pub struct Summary {
    /// Every fault, with its outcome and recovery time.
    pub faults: Vec<Measured>,
    /// Result of the audit.
    pub findings: Findings,
}

struct Run<'a> {
    stage: &'a Stage,
    workloads: &'a [Workload],
    topics: Vec<String>,
    log: FaultLog,
    reader: Reader,
}

/// Runs the workloads and the faults, and audits the result.
///
/// # Panics
/// Panics if the mirror does not recover from a fault, or if a step fails that should always succeed.
#[must_use]
pub fn run(options: &Options) -> Summary {
    let begin = Instant::now();
    let stage = Stage::set(&options.workloads);
    for (disk, kind) in
        [(&stage.broker_disk, "broker-disk-full"), (&stage.journal_disk, "linkgate-disk-full")]
    {
        if let Err(why) = disk {
            println!("NOT RUN: {kind}: no disk of limited size can be mounted here ({why})");
        }
    }
    let writers: Vec<Writers> =
        options.workloads.iter().map(|w| Writers::start(&stage.source_direct, w, options.seed)).collect();
    let compacted: Vec<Workload> = options.workloads.iter().filter(|w| w.is_compacted()).cloned().collect();
    let witness = Reader::start("witness", &stage.source_direct, "read_committed", &compacted);
    let other = Reader::start("uncommitted", &stage.gateway, "read_uncommitted", &options.workloads);
    Admin::to(&stage.destination_direct).create_topic(own_writer::TOPIC, 2, &[]);
    let own = OwnWriter::start(&stage.gateway);
    let states = StateWatch::start(stage.link_url() + "/mirrors");
    let run = Run {
        stage: &stage,
        workloads: &options.workloads,
        topics: options.workloads.iter().map(|w| w.name.to_owned()).collect(),
        log: FaultLog::default(),
        reader: Reader::start("committed", &stage.gateway, "read_committed", &options.workloads),
    };
    println!("everything is up after {:.0} s", begin.elapsed().as_secs_f64());

    let done = AtomicBool::new(false);
    let faults = std::thread::scope(|scope| {
        let progress = scope.spawn(|| run.report_progress(&states, &done));
        // Also if a wave panics: the scope waits for the thread.
        let _end = Ending(&done, progress.thread().clone());
        run.all_waves(options)
    });

    for (writers, workload) in writers.into_iter().zip(&options.workloads) {
        let counts = writers.stop();
        println!(
            "{:<14} {} records accepted, {} in doubt, {} transactions committed, {} aborted, {} clients made anew",
            workload.name,
            counts.accepted.load(Ordering::Relaxed),
            counts.refused.load(Ordering::Relaxed),
            counts.committed.load(Ordering::Relaxed),
            counts.aborted.load(Ordering::Relaxed),
            counts.remade.load(Ordering::Relaxed),
        );
    }
    let Run { log, reader, .. } = run;
    let findings = verify::all(
        &stage,
        &options.workloads,
        verify::Witnesses { witness, readers: vec![reader, other], own, states, log },
    );
    Summary { faults, findings }
}

/// Ends the reporting thread when dropped.
struct Ending<'a>(&'a AtomicBool, std::thread::Thread);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.unpark();
    }
}

impl Run<'_> {
    /// Runs waves until the faults are injected or the time is over.
    fn all_waves(&self, options: &Options) -> Vec<Measured> {
        let mut all = Vec::new();
        let begin = Instant::now();
        let mut schedule = Schedule::new(options.seed);
        while all.len() < options.faults && begin.elapsed() < options.limit {
            all.extend(self.wave(&schedule.wave()));
        }
        all
    }

    fn wave(&self, wave: &Wave) -> Vec<Measured> {
        let alone = wave.iter().map(Vec::len).sum::<usize>() == 1;
        let results: Vec<Result<Measured, String>> = std::thread::scope(|scope| {
            let lanes: Vec<_> = wave
                .iter()
                .map(|lane| {
                    scope.spawn(move || {
                        let mut recovering = Vec::new();
                        for planned in lane {
                            std::thread::sleep(Duration::from_millis(planned.pause_ms));
                            let number = self.log.begin(planned.kind, planned.place);
                            let outcome = inject(self.stage, planned, &self.topics);
                            self.log.end(number);
                            let (kind, place) = (planned.kind, planned.place);
                            // The next fault comes while the mirror recovers from this one.
                            recovering.push(scope.spawn(move || {
                                let recovery =
                                    recovery::wait(self.stage, self.workloads, place, &self.reader);
                                let recovery = recovery.map_err(|why| format!("{kind} at {place}: {why}"))?;
                                Ok(Measured { kind, place, alone, outcome, recovery })
                            }));
                        }
                        recovering
                            .into_iter()
                            .map(|r| r.join().expect("a measurement ends well"))
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            lanes.into_iter().flat_map(|lane| lane.join().expect("a fault ends well")).collect()
        });
        let mut measured = Vec::new();
        for result in results {
            match result {
                Ok(one) => {
                    if let Outcome::Broken(why) = &one.outcome {
                        println!("BROKEN: {} at {}: {why}", one.kind, one.place);
                    }
                    measured.push(one);
                }
                Err(why) => {
                    let log = self.stage.linkgate().log();
                    let lines: Vec<&str> = log.lines().collect();
                    panic!("{why}\nwave: {wave:#?}\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
                }
            }
        }
        measured
    }

    fn report_progress(&self, states: &StateWatch, done: &AtomicBool) {
        let begin = Instant::now();
        let mut source = LogEnds::of(&self.stage.source_direct, &self.topics);
        let mut mirror = LogEnds::of(&self.stage.destination_direct, &self.topics);
        while !done.load(Ordering::Relaxed) {
            let lag = source.committed().and_then(|want| {
                let have = mirror.high_watermarks()?;
                let total: i64 = want.values().sum();
                let missing =
                    behind(&have, &want).values().map(|(have, want)| want - have.max(&0)).sum::<i64>();
                Ok((total, missing))
            });
            let lag = lag.map_or_else(
                |_| "a broker is away".to_owned(),
                |(total, missing)| {
                    format!("{total} offsets on the source, {missing} of them not on the mirror")
                },
            );
            let mut not_active: BTreeMap<String, usize> = BTreeMap::new();
            for state in states.now().into_values().filter(|state| state != "ACTIVE") {
                *not_active.entry(state).or_default() += 1;
            }
            let not_active: Vec<String> =
                not_active.into_iter().map(|(state, n)| format!("{n} mirrors {state}")).collect();
            println!(
                "[{:>5.0} s] {} faults; {lag}; {} records read along{}{}",
                begin.elapsed().as_secs_f64(),
                self.log.count(),
                self.reader.count(),
                if not_active.is_empty() { "" } else { "; " },
                not_active.join(", ")
            );
            std::thread::park_timeout(Duration::from_secs(8));
        }
    }
}
