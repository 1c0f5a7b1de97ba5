//! Promote: time from the command until a thousand partitions accept writes.

use std::time::Duration;

use super::Effort;
use crate::data::Data;
use crate::finding::{Finding, Want};
use crate::{mirroring, probe, say, stage};

/// Pause between two attempts. An attempt writes a batch to each partition; more attempts would take CPU from
/// the measured processes.
const PAUSE: Duration = Duration::from_millis(5);

/// Promotes a mirror topic of a thousand partitions, with nothing left to copy.
#[must_use]
pub fn promote(effort: Effort) -> Vec<Finding> {
    // Creating a thousand partitions takes half a minute.
    let partitions = effort.choose(250, 1_000);
    let (data, pair) = (Data::tiny(), stage::pair("promote"));
    let mut seconds = Vec::new();
    for n in 0..effort.repetitions {
        say!("promote: {} of {}", n + 1, effort.repetitions);
        let (topic, name) = (format!("planned{n}"), format!("run{n}"));
        stage::create_many(&pair.source, std::slice::from_ref(&topic), partitions);
        let _ = stage::write(&pair.source, &topic, partitions, &data, 0);
        stage::link(&pair, &name);
        let mirror = stage::mirror(&pair, &name, &topic);
        let mirrors = std::slice::from_ref(&mirror);
        mirroring::wait_up_to_date(&pair.linkgate, &name, mirrors, Duration::from_secs(120));
        let took = probe::until_writable(&pair.linkgate, "--promote", &mirror, partitions, PAUSE);
        seconds.push(took.as_secs_f64());
        stage::unlink(&pair, &name, &mirror);
    }
    let job = format!("promote of {partitions} partitions");
    let what = (job.as_str(), "command to all writable", "s");
    vec![Finding::alone(what, &seconds, Want::AtMost(1.0))]
}
