//! After the last fault: everything is up again, the mirror has caught up, and every record and state is looked at.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::own_writer::OwnWriter;
use super::reader::{AllSeen, Reader};
use super::stage::Stage;
use super::states::{FaultLog, StateWatch, Transition};
use crate::admin::Admin;
use crate::audit::{self, Seen, Sides, Verdict};
use crate::log_ends::{LogEnds, behind};
use crate::produce::{Kind, send};
use crate::wait::LONG;
use crate::workload::Workload;

/// Everybody who has watched.
#[derive(Debug)]
pub struct Witnesses {
    /// Has read the source while it was written.
    pub witness: Reader,
    /// Have read the mirrors through the gateway.
    pub readers: Vec<Reader>,
    /// Has written through the gateway.
    pub own: OwnWriter,
    /// Has seen the states.
    pub states: StateWatch,
    /// The faults that may explain them.
    pub log: FaultLog,
}

/// What is wrong.
#[derive(Debug, Default)]
pub struct Findings {
    /// Of each log, and of each client that read along.
    pub verdicts: Vec<(String, Verdict)>,
    /// Changes of state that no fault explains.
    pub unexplained: Vec<Transition>,
    /// Changes of state that one explains.
    pub explained: usize,
    /// Compacted partitions that a cleaner has not touched, so that nothing is proved.
    pub not_cleaned: Vec<String>,
}

impl Findings {
    /// Differences in all logs.
    #[must_use]
    pub fn differences(&self) -> usize {
        self.verdicts.iter().map(|(_, verdict)| verdict.differences()).sum()
    }

    /// One line for each log, examples of differences, and the states.
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

/// Looks at everything.
///
/// # Panics
/// When the mirror does not catch up or something cannot be read.
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
    // That a topic was ACTIVE when first seen is no change.
    findings.explained = explained.iter().filter(|t| !t.from.is_empty()).count();
    findings.unexplained = unexplained;
    for (topic, state) in witnesses.states.now() {
        assert_eq!(state, "ACTIVE", "{topic} in the end");
    }
    findings
}

/// The logs of the source by topic and partition.
pub type Logs = BTreeMap<(String, i32), Vec<Seen>>;

/// Compares every log of both sides: what is wrong, the source's logs, and what the witness has seen of them.
///
/// # Panics
/// When something cannot be read.
#[must_use]
pub fn audit_logs(sides: &Sides, workloads: &[Workload], witness: Reader) -> (Findings, Logs, AllSeen) {
    let mut findings = Findings::default();
    let mut logs = Logs::new();
    let witnessed = finished(witness, None);
    for workload in workloads {
        let mut whole = Verdict::default();
        // It may have grown meanwhile.
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

/// Waits until the mirror has caught up and, where there are compacted topics, cleaners have had a chance.
///
/// # Panics
/// When it does not catch up.
pub fn settle(source: &str, destination: &str, workloads: &[Workload]) {
    caught_up(source, destination, workloads);
    if workloads.iter().any(Workload::is_compacted) {
        let_cleaners_run(source, workloads);
        caught_up(source, destination, workloads);
    }
}

/// Waits until the mirror's logs end where the source's committed data end.
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

/// The last segments roll when something is appended to them late enough; then the cleaners have something to do.
fn let_cleaners_run(source: &str, workloads: &[Workload]) {
    std::thread::sleep(Duration::from_secs(8));
    for workload in workloads.iter().filter(|w| w.is_compacted()) {
        send(source, workload.name, Kind::idempotent("none"), 100);
    }
    std::thread::sleep(Duration::from_secs(24));
}

/// Sides of a compacted partition on which every offset still holds a record.
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

/// Waits until a client that reads along has come to the last record of every log (as far as they are known), then stops it.
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

/// Waits until a client that reads along has read all, and compares what it got.
///
/// # Panics
/// When it has panicked.
#[must_use]
pub fn read_along(
    reader: Reader,
    workloads: &[Workload],
    logs: &Logs,
    witnessed: &AllSeen,
) -> (String, Verdict) {
    let name = format!("read along ({})", reader.name);
    // Partitions that a topic got meanwhile were not assigned to it.
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
