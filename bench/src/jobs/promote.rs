//! Promote: from the command until a thousand partitions take writes.

use std::time::Duration;

use super::Effort;
use crate::data::Data;
use crate::finding::{Finding, Want};
use crate::{mirroring, probe, say, stage};

/// An attempt is a batch for each partition: more of them would take the cores from who is measured, and need not be more exact.
const PAUSE: Duration = Duration::from_millis(5);

/// One mirror topic of a thousand partitions, with nothing left to copy.
#[must_use]
pub fn promote(effort: Effort) -> Vec<Finding> {
    // A thousand take half a minute to be made.
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
