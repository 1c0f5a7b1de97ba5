//! Failover: from the command until a topic whose source is gone takes writes.

use std::time::Duration;

use super::Effort;
use crate::data::Data;
use crate::finding::{Finding, Want};
use crate::spread::{millis, quantile};
use crate::{mirroring, probe, say, stage};

const LINK: &str = "lost";
const PAUSE: Duration = Duration::from_millis(1);

/// Small mirror topics, failed over one after the other once their source is dead.
#[must_use]
pub fn failover(effort: Effort) -> Vec<Finding> {
    let (data, mut pair) = (Data::tiny(), stage::pair("failover"));
    let runs = effort.choose(10, 50);
    say!("failover: creating {runs} mirror topics");
    let topics: Vec<String> = (0..runs).map(|n| format!("unplanned{n}")).collect();
    stage::create_many(&pair.source, &topics, 1);
    stage::link(&pair, LINK);
    let mirrors: Vec<String> = topics
        .iter()
        .map(|topic| {
            let _ = stage::write(&pair.source, topic, 1, &data, 0);
            stage::mirror(&pair, LINK, topic)
        })
        .collect();
    mirroring::wait_up_to_date(&pair.linkgate, LINK, &mirrors, Duration::from_secs(120));
    say!("failover: the source dies");
    pair.source.kill();
    let mut took = Vec::new();
    for mirror in &mirrors {
        took.push(probe::until_writable(&pair.linkgate, "--failover", mirror, 1, PAUSE));
        // What is left to be done of this one is not to burden the next.
        pair.linkgate.wait_status(LINK, mirror, "STOPPED");
    }
    let took = millis(&took);
    let job = format!("failover, {runs} times");
    // The quantile is one figure of all runs, not one for each: a median of them would hide the slow ones.
    vec![
        Finding::alone(
            (&job, "command to writable, p99", "ms"),
            &[quantile(&took, 0.99)],
            Want::AtMost(100.0),
        ),
        Finding::alone((&job, "command to writable", "ms"), &took, Want::Shown),
    ]
}
