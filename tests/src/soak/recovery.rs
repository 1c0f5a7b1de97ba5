//! How long the mirror needs after a fault until it is whole again, and the table of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::inject::Outcome;
use super::kind::{Kind, Place};
use super::reader::Reader;
use super::stage::Stage;
use crate::log_ends::{Ends, LogEnds, behind};
use crate::workload::Workload;

/// A mirror that has not caught up so long after a fault never will.
pub const STUCK: Duration = Duration::from_secs(120);

/// Pause between two looks: the precision of the times in the table.
const LOOK: Duration = Duration::from_millis(20);

/// A fault that is over.
#[derive(Debug, Clone)]
pub struct Measured {
    /// What it was.
    pub kind: Kind,
    /// Where.
    pub place: Place,
    /// No other fault was near.
    pub alone: bool,
    /// What came of it.
    pub outcome: Outcome,
    /// From its end until the mirror held what the source had committed at that end.
    pub recovery: Duration,
}

/// Waits until the mirror holds what the source has committed now; after a fault between clients and gateway, until a client
/// that reads through the gateway has got it, too.
///
/// # Errors
/// What is missing after [`STUCK`].
pub fn wait(
    stage: &Stage,
    workloads: &[Workload],
    place: Place,
    reader: &Reader,
) -> Result<Duration, String> {
    let begin = Instant::now();
    let topics: Vec<String> = workloads.iter().map(|w| w.name.to_owned()).collect();
    let mut source = LogEnds::of(&stage.source_direct, &topics);
    let mut mirror = LogEnds::of(&stage.destination_direct, &topics);
    let mut last = "the source does not answer".to_owned();
    let mut target: Option<Ends> = None;
    while begin.elapsed() < STUCK {
        if target.is_none() {
            match source.committed() {
                Ok(ends) => target = Some(ends),
                Err(error) => last = format!("the source does not answer: {error}"),
            }
        }
        if let Some(target) = &target {
            match mirror.high_watermarks() {
                Ok(have) => {
                    let missing = behind(&have, target);
                    if missing.is_empty() && (place != Place::Client || has_read(reader, workloads, target)) {
                        return Ok(begin.elapsed());
                    }
                    if missing.values().any(|(have, _)| *have < 0) {
                        mirror.look_again();
                    }
                    last = if missing.is_empty() {
                        format!(
                            "{} has not read what the mirror holds: {:?}",
                            reader.name,
                            reader.positions()
                        )
                    } else {
                        format!("have and want by partition: {missing:?}")
                    };
                }
                Err(error) => last = format!("the destination does not answer: {error}"),
            }
        }
        std::thread::sleep(LOOK);
    }
    Err(format!("not recovered within {STUCK:?}: {last}"))
}

/// Positions follow records, so that only logs with a record at every offset can be judged.
fn has_read(reader: &Reader, workloads: &[Workload], target: &Ends) -> bool {
    let positions = reader.positions();
    // Partitions that a topic got meanwhile were not assigned to the reader.
    let judged = |topic: &str, partition: i32| {
        workloads.iter().any(|w| w.name == topic && w.is_dense() && partition < w.partitions)
    };
    let judged = target.iter().filter(|((topic, partition), _)| judged(topic, *partition));
    judged.into_iter().all(|(at, end)| positions.get(at).copied().unwrap_or(0) >= *end)
}

/// One line for each kind and place: how often, how often nobody felt it, times to recover.
#[must_use]
pub fn table(all: &[Measured]) -> String {
    let mut rows: BTreeMap<(Kind, Place), Vec<&Measured>> = BTreeMap::new();
    for measured in all {
        rows.entry((measured.kind, measured.place)).or_default().push(measured);
    }
    let mut text = format!(
        "{:<20}{:<16}{:>9}{:>8}{:>7}{:>10}{:>10}{:>18}\n",
        "fault", "where", "injected", "missed", "alone", "median", "worst", "worst of several"
    );
    for ((kind, place), measured) in &rows {
        let missed = measured.iter().filter(|m| m.outcome == Outcome::Missed).count();
        let times = |alone: bool| {
            let mut times: Vec<Duration> =
                measured.iter().filter(|m| m.alone == alone).map(|m| m.recovery).collect();
            times.sort_unstable();
            times
        };
        let (alone, together) = (times(true), times(false));
        let _ = writeln!(
            text,
            "{kind:<20}{place:<16}{:>9}{missed:>8}{:>7}{:>10}{:>10}{:>18}",
            measured.len(),
            alone.len(),
            seconds(alone.get(alone.len() / 2)),
            seconds(alone.last()),
            seconds(together.last()),
        );
    }
    let kinds: std::collections::BTreeSet<Kind> = all.iter().map(|m| m.kind).collect();
    let _ = writeln!(text, "{} faults of {} kinds", all.len(), kinds.len());
    text
}

fn seconds(time: Option<&Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{:.2} s", time.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_median_and_worst_of_faults_alone() {
        let measured = |alone, ms| Measured {
            kind: Kind::Cut,
            place: Place::Source,
            alone,
            outcome: Outcome::Hit,
            recovery: Duration::from_millis(ms),
        };
        let text =
            table(&[measured(true, 900), measured(true, 100), measured(true, 200), measured(false, 5_000)]);
        let row: Vec<&str> = text.lines().nth(1).unwrap_or_default().split_whitespace().collect();
        assert_eq!(row, ["cut", "source", "4", "0", "3", "0.20", "s", "0.90", "s", "5.00", "s"]);
        assert!(text.ends_with("4 faults of 1 kinds\n"));
    }
}
