//! Hostile clients, and their effect on other clients. All load goes to 127.0.0.1 and is bounded in count and
//! time.
//!
//! By default each load lasts 5 s. `LINKGATE_HOSTILE=long` (`make hostile`) gives each load 20 s and holds
//! the daemon to the limits themselves; a short run, on a shared machine, multiplies the time limits by
//! [`SHORT_SLACK`]. `LINKGATE_LOADS` selects loads by name, comma separated.

#[path = "hostile_loads/loads.rs"]
mod loads;
#[path = "hostile_loads/stage.rs"]
mod stage;

use std::time::{Duration, Instant};

use linkgate_tests::stage::vitals::{Vitals, Watch};
use loads::Load;
use stage::Stage;

/// Maximum response time of `/health/live`.
const HEALTH: Duration = Duration::from_millis(200);
/// Maximum lag of a mirror that the load does not touch.
const LAG: Duration = Duration::from_secs(1);
/// Maximum time of a Produce request from a well-behaved client.
const PRODUCE: Duration = Duration::from_secs(2);
/// Maximum resident size of the daemon, in bytes: twice the two memory budgets, `queued.max.request.bytes`
/// and `queued.max.response.bytes`.
const MEMORY: usize = 2 * 2 * (256 << 20);
/// Factor on the time limits in a short run, for a machine with other load.
const SHORT_SLACK: u32 = 4;
/// Maximum number of log lines that one load may cause.
const LINES: usize = 200;

/// Given a gateway, when clients without credentials send requests that are expensive to answer, half of an
/// announced request, or forbidden writes, then probes are answered, mirrors follow, other clients are
/// served, and memory and log stay bounded.
#[test]
fn hostile_clients_do_not_harm_other_clients() {
    let is_long = std::env::var("LINKGATE_HOSTILE").is_ok_and(|value| value == "long");
    let lasts = Duration::from_secs(if is_long { 20 } else { 5 });
    let slack = if is_long { 1 } else { SHORT_SLACK };
    let only = std::env::var("LINKGATE_LOADS").ok();
    let chosen =
        |load: &&Load| only.as_deref().is_none_or(|only| only.split(',').any(|one| one == load.name));
    let mut stage = Stage::set();
    let mut failed = Vec::new();
    for load in loads::ALL.iter().filter(chosen) {
        stage.prepare(load);
        let lines = stage.linkgate().log().lines().count();
        let watch = Watch::start(&stage.watched());
        let until = Instant::now() + lasts;
        let said = (load.run)(&stage, until);
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        let vitals = watch.stop();
        let lines = stage.linkgate().log().lines().count() - lines;
        println!("{:<20} {vitals}, {lines} log lines; {said}", load.name);
        if let Some(why) = too_much(&vitals, lines, slack) {
            failed.push(format!("{}: {why}: {vitals}, {lines} log lines", load.name));
        }
        stage.is_well(load);
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn too_much(vitals: &Vitals, lines: usize, slack: u32) -> Option<&'static str> {
    let checks = [
        (vitals.unhealthy > 0 || vitals.health > HEALTH * slack, "health"),
        (vitals.lag > LAG * slack || vitals.mirrored == 0, "lag"),
        (vitals.produce > PRODUCE * slack || vitals.produced == 0, "produce"),
        (vitals.held > PRODUCE * slack, "produce to two topics"),
        (vitals.resident > MEMORY, "memory"),
        (lines > LINES, "log"),
    ];
    checks.into_iter().find(|(is_wrong, _)| *is_wrong).map(|(_, what)| what)
}
