//! The audit after the last fault: everything runs again, the mirror catches up, and every record and state
//! is checked.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::own_writer::OwnWriter;
use super::reader::{AllSeen, Reader};
use super::stage::Stage;
use super::states::{FaultLog, StateWatch, Transition};
use crate::audit::{self, Seen, Sides, Verdict};
use crate::client::admin::Admin;
use crate::client::log_ends::{LogEnds, behind};
use crate::machine::wait::LONG;
use crate::produce::{Kind, send};
use crate::workload::Workload;

/// Everything that observed the run.
#[derive(Debug)]
pub struct Witnesses {
    /// Has read the compacted topics of the source while they were written.
    pub witness: Reader,
    /// Have read the mirrors through the gateway.
    pub readers: Vec<Reader>,
    /// Has written through the gateway.
    pub own: OwnWriter,
    /// Has recorded the states of the mirror topics.
    pub states: StateWatch,
    /// The faults that may explain these states.
    pub log: FaultLog,
}

/// Result of the audit.
#[derive(Debug, Default)]
pub struct Findings {
    /// Verdicts on each log, and on each client that took part.
    pub verdicts: Vec<(String, Verdict)>,
    /// Changes of state that no fault explains.
    pub unexplained: Vec<Transition>,
    /// Number of changes of state that a fault explains.
    pub explained: usize,
    /// Compacted partitions that no cleaner has touched, so that they prove nothing.
    pub not_cleaned: Vec<String>,
}

impl Findings {
    /// Returns the number of differences in all logs.
    #[must_use]
    pub fn differences(&self) -> usize {
        self.verdicts.iter().map(|(_, verdict)| verdict.differences()).sum()
    }

    /// Returns one line for each log, examples of differences, and the states.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        for (name, verdict) in &self.verdicts {
            lines.push(format!("{name:<40} {verdict}"));
            lines.extend(verdict.examples.iter().map(|example| format!("  {example}")));
        }
        lines.extend(self.not_cleaned.iter().map(|name| format!("{name} was never cleaned")));
        lines.push(format!(
            "{} changes of state explained by a fault, {} unexplained",
            self.explained,
            self.unexplained.len()
        ));
        lines.extend(self.unexplained.iter().map(|transition| format!("  {transition}")));
        lines.join("\n")
    }
}

/// Audits all logs, clients and states.
///
/// # Panics
/// Panics if the mirror does not catch up or something cannot be read.
#[must_use]
pub fn all(stage: &Stage, workloads: &[Workload], witnesses: Witnesses) -> Findings {
    stage.proxies().for_each(|proxy| proxy.clear());
    stage.source().wait_ready();
    stage.destination().wait_ready();
    settle(&stage.source_direct, &stage.destination_direct, workloads);
    let sides = Sides { source: stage.source_direct.clone(), mirror: stage.gateway.clone() };
    let (mut findings, logs, witnessed) = audit_logs(&sides, workloads, witnesses.witness);

    for reader in witnesses.readers {
        findings.verdicts.push(read_along(reader, workloads, &logs, &witnessed));
    }
    findings.verdicts.push(("written through the gateway".to_owned(), witnesses.own.audit(&stage.gateway)));
    let begin = Instant::now();
    while witnesses.states.now().values().any(|state| state != "ACTIVE") && begin.elapsed() < LONG {
        std::thread::sleep(Duration::from_millis(200));
    }
    let (explained, unexplained): (Vec<_>, Vec<_>) =
        witnesses.states.transitions().into_iter().partition(|t| t.is_explained(&witnesses.log));
    // The first sight of an ACTIVE topic is no change.
    findings.explained = explained.iter().filter(|t| !t.from.is_empty()).count();
    findings.unexplained = unexplained;
    for (topic, state) in witnesses.states.now() {
        assert_eq!(state, "ACTIVE", "{topic} in the end");
    }
    findings
}

/// Logs of the source by topic and partition.
pub type Logs = BTreeMap<(String, i32), Vec<Seen>>;

/// Compares every log of both sides. Returns the findings, the logs of the source, and what the witness has
/// read of them.
///
/// # Panics
/// Panics if something cannot be read.
#[must_use]
pub fn audit_logs(sides: &Sides, workloads: &[Workload], witness: Reader) -> (Findings, Logs, AllSeen) {
    let mut findings = Findings::default();
    let mut logs = Logs::new();
    let witnessed = finished(witness, None);
    for workload in workloads {
        let mut whole = Verdict::default();
        // The topic may have grown during the run.
        let partitions = Admin::to(&sides.source).leaders(workload.name).len();
        for partition in 0..i32::try_from(partitions).unwrap_or(i32::MAX) {
            let at = (workload.name.to_owned(), partition);
            let seen = witnessed.get(&at).map_or(&[][..], Vec::as_slice);
            let (verdict, source) =
                audit::partition(sides, workload.name, partition, workload.is_compacted().then_some(seen));
            if workload.is_compacted() {
                findings.not_cleaned.extend(not_cleaned(sides, workload.name, partition));
            }
            whole.absorb(&format!("{}-{partition}", workload.name), verdict);
            let _ = logs.insert(at, source);
        }
        println!("audited {}: {whole}", workload.name);
        findings.verdicts.push((workload.name.to_owned(), whole));
    }
    (findings, logs, witnessed)
}

/// Waits until the mirror has caught up. If there are compacted topics, also gives the cleaners time to run.
///
/// # Panics
/// Panics if the mirror does not catch up.
pub fn settle(source: &str, destination: &str, workloads: &[Workload]) {
    caught_up(source, destination, workloads);
    if workloads.iter().any(Workload::is_compacted) {
        let_cleaners_run(source, workloads);
        caught_up(source, destination, workloads);
    }
}

/// Waits until the logs of the mirror end where the committed data of the source ends.
fn caught_up(source: &str, destination: &str, workloads: &[Workload]) {
    let topics: Vec<String> = workloads.iter().map(|w| w.name.to_owned()).collect();
    let (mut source, mut mirror) = (LogEnds::of(source, &topics), LogEnds::of(destination, &topics));
    let begin = Instant::now();
    loop {
        let missing = source.committed().and_then(|want| Ok(behind(&mirror.high_watermarks()?, &want)));
        match missing {
            Ok(missing) if missing.is_empty() => return,
            Ok(missing) if missing.values().any(|(have, _)| *have < 0) && begin.elapsed() < LONG => {
                mirror.look_again();
            }
            other => assert!(begin.elapsed() < LONG, "the mirror does not catch up: {other:?}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Appends late enough that the last segments roll, and waits: the cleaners then have segments to clean.
fn let_cleaners_run(source: &str, workloads: &[Workload]) {
    std::thread::sleep(Duration::from_secs(8));
    for workload in workloads.iter().filter(|w| w.is_compacted()) {
        send(source, workload.name, Kind::idempotent("none"), 100);
    }
    std::thread::sleep(Duration::from_secs(24));
}

/// Returns the sides of a compacted partition on which every offset still holds a record.
fn not_cleaned(sides: &Sides, topic: &str, partition: i32) -> Vec<String> {
    let mut untouched = Vec::new();
    for (side, bootstrap) in [("source", &sides.source), ("mirror", &sides.mirror)] {
        let records = crate::read::partition(bootstrap, topic, partition).records;
        let span = records.first().zip(records.last()).map_or(0, |(a, z)| z.offset - a.offset + 1);
        if i64::try_from(records.len()).unwrap_or(0) >= span {
            untouched.push(format!("{topic}-{partition} of the {side}"));
        }
    }
    untouched
}

/// Waits until a reader has come to the last record of every log, or, without logs, until it gets nothing
/// new. Then stops it.
fn finished(reader: Reader, logs: Option<&Logs>) -> AllSeen {
    let begin = Instant::now();
    let mut count = (0, Instant::now());
    loop {
        let is_done = match logs {
            Some(logs) => {
                let positions = reader.positions();
                logs.iter().all(|(at, log)| {
                    let end = log.last().map_or(0, |s| s.offset + 1);
                    positions.get(at).copied().unwrap_or(0) >= end
                })
            }
            // Nothing new for a while.
            None => count.1.elapsed() > Duration::from_secs(3),
        };
        if is_done {
            break;
        }
        if begin.elapsed() > LONG {
            println!("{} has not read all; its client said:\n{}", reader.name, reader.errors());
            break;
        }
        if reader.count() != count.0 {
            count = (reader.count(), Instant::now());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    reader.stop()
}

/// Waits until a reader has read everything, and compares what it got with the logs.
///
/// # Panics
/// Panics if the reader has panicked.
#[must_use]
pub fn read_along(
    reader: Reader,
    workloads: &[Workload],
    logs: &Logs,
    witnessed: &AllSeen,
) -> (String, Verdict) {
    let name = format!("read along ({})", reader.name);
    // Partitions that a topic got during the run were not assigned to the reader.
    let assigned = |topic: &str, partition: i32| {
        workloads.iter().any(|workload| workload.name == topic && partition < workload.partitions)
    };
    let mut logs = logs.clone();
    logs.retain(|(topic, partition), _| assigned(topic, *partition));
    let seen = finished(reader, Some(&logs));
    let mut whole = Verdict::default();
    for ((topic, partition), log) in &logs {
        let at = (topic.clone(), *partition);
        let of = |all: &AllSeen| all.get(&at).cloned().unwrap_or_default();
        let is_compacted = workloads.iter().any(|w| w.name == topic && w.is_compacted());
        let verdict = if is_compacted {
            audit::compacted::seen(log, &of(witnessed), &of(&seen))
        } else {
            audit::exact::seen(log, &of(&seen))
        };
        whole.absorb(&format!("{topic}-{partition}"), verdict);
    }
    (name, whole)
}
