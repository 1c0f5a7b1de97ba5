//! The time that the mirror needs to recover from a fault, and the table of these times.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::inject::Outcome;
use super::kind::{Kind, Place};
use super::reader::Reader;
use super::stage::Stage;
use crate::client::log_ends::{Ends, LogEnds, behind};
use crate::workload::Workload;

/// Maximum time to catch up after a fault. A mirror that takes longer counts as stuck.
pub const STUCK: Duration = Duration::from_secs(120);

/// Interval between two checks: the precision of the times in the table.
const LOOK: Duration = Duration::from_millis(20);

/// Measurement of one fault that is over.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Kind of the fault.
    pub kind: Kind,
    /// Place of the fault.
    pub place: Place,
    /// True if the wave of the fault had no other fault.
    pub alone: bool,
    /// Outcome of the fault.
    pub outcome: Outcome,
    /// Time from the end of the fault until the mirror held what the source had committed at that end.
    pub recovery: Duration,
}

/// Waits until the mirror holds what the source has committed now. After a fault between clients and gateway,
/// also waits until a client that reads through the gateway has read it. Returns the time that it took.
///
/// # Errors
/// Fails after [`STUCK`]; the text names what is missing.
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

/// Returns true if the reader has read up to `target`. Positions follow records, so only logs with a record
/// at every offset are checked.
fn has_read(reader: &Reader, workloads: &[Workload], target: &Ends) -> bool {
    let positions = reader.positions();
    // Partitions that a topic got during the run were not assigned to the reader.
    let judged = |topic: &str, partition: i32| {
        workloads.iter().any(|w| w.name == topic && w.is_dense() && partition < w.partitions)
    };
    let judged = target.iter().filter(|((topic, partition), _)| judged(topic, *partition));
    judged.into_iter().all(|(at, end)| positions.get(at).copied().unwrap_or(0) >= *end)
}

/// Returns a table with one line for each kind and place: number of faults, number of those without effect,
/// and recovery times.
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
    fn the_table_shows_median_and_worst_of_single_faults() {
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
