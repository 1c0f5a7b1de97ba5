//! Failover: time from the command until a topic accepts writes, with the source dead.

use std::time::Duration;

use super::Effort;
use crate::data::Data;
use crate::finding::{Finding, Want};
use crate::spread::{millis, quantile};
use crate::{mirroring, probe, say, stage};

const LINK: &str = "lost";
const PAUSE: Duration = Duration::from_millis(1);

/// Fails over small mirror topics one by one after their source has died.
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
        // Waits for the end of this failover, so that its remaining work does not slow the next one.
        pair.linkgate.wait_status(LINK, mirror, "STOPPED");
    }
    let took = millis(&took);
    let job = format!("failover, {runs} times");
    // The quantile is one figure over all failovers. A median of several quantiles would hide the slow ones.
    vec![
        Finding::alone(
            (&job, "command to writable, p99", "ms"),
            &[quantile(&took, 0.99)],
            Want::AtMost(100.0),
        ),
        Finding::alone((&job, "command to writable", "ms"), &took, Want::Shown),
    ]
}
