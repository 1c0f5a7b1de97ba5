//! Accidents and attacks against a Linkgate, on real brokers of 3.9.1 and 4.3.1. Each row once cost records,
//! protection or the daemon, before it was fixed.
//!
//! The rows of a version share its brokers, and the versions run in parallel. `LINKGATE_ROWS` selects rows by
//! name and `LINKGATE_VERSIONS` selects versions, both comma separated.

#[path = "hold/gateway.rs"]
mod gateway;
#[path = "hold/identity.rs"]
mod identity;
#[path = "hold/stage.rs"]
mod stage;
#[path = "hold/stops.rs"]
mod stops;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use linkgate_tests::kafka::Version;
use linkgate_tests::stage::trio::Trio;

type Row = (&'static str, fn(&mut Trio));

/// The rows in the order of their run: the last ones stop daemons and swap clusters.
const ROWS: [Row; 12] = [
    ("handshake-v0", gateway::nothing_passes_unread_behind_a_handshake),
    ("costly-produce", gateway::a_costly_request_stops_nobody),
    ("forged-filler", gateway::forged_filler_of_a_source_hides_nothing),
    ("grown-while-paused", stops::a_promote_takes_partitions_that_were_added_while_paused),
    ("late-compacted", stops::a_compacted_topic_that_starts_late_is_promoted),
    ("refused-group", stops::a_refused_group_holds_no_promote),
    ("wrong-cluster-id", identity::a_link_with_a_wrong_cluster_id_copies_nothing),
    ("recreated-destination", identity::a_topic_that_is_created_anew_gets_nothing_of_the_source),
    ("two-daemons", stops::a_promote_beside_a_second_linkgate_is_final),
    ("silent-source", identity::a_source_that_hangs_is_unavailable),
    ("foreign-source", identity::another_cluster_at_the_sources_address_changes_nothing),
    ("foreign-destination", identity::a_start_against_another_cluster_forgets_nothing),
];

/// Given real brokers of each version, when each accident and attack happens, then no record is lost, shifted
/// or foreign, no topic opens that must stay closed, and every command that reported success has taken
/// effect.
#[test]
fn accidents_and_attacks_change_nothing() {
    let chosen = |name: &str, variable: &str| {
        std::env::var(variable).map_or(true, |only| only.split(',').any(|one| one == name))
    };
    let versions: Vec<Version> = [Version::V3_9_1, Version::V4_3_1]
        .into_iter()
        .filter(|version| chosen(version.number(), "LINKGATE_VERSIONS"))
        .collect();
    let rows: Vec<Row> = ROWS.into_iter().filter(|(name, _)| chosen(name, "LINKGATE_ROWS")).collect();
    let failed: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = versions
            .iter()
            .map(|version| {
                let rows = &rows;
                scope.spawn(move || on_brokers_of(*version, rows))
            })
            .collect();
        running.into_iter().flat_map(|version| version.join().expect("rows are caught")).collect()
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Runs the rows one after the other. Returns a line for each failed row.
fn on_brokers_of(version: Version, rows: &[Row]) -> Vec<String> {
    let begin = Instant::now();
    let mut trio = stage::start(version);
    println!("{}: up after {:.0} s", version.number(), begin.elapsed().as_secs_f64());
    let mut failed = Vec::new();
    for (name, row) in rows {
        let begin = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| row(&mut trio)));
        let said = outcome.err().map(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words").to_owned()
        });
        let verdict = said.as_ref().map_or("holds", |_| "FAILS");
        println!("{}: {name:<22} {verdict} ({:.1} s)", version.number(), begin.elapsed().as_secs_f64());
        failed.extend(said.map(|said| format!("{} {name}: {said}", version.number())));
        stage::as_it_was(&mut trio);
    }
    if !failed.is_empty() {
        let log = trio.linkgate.log();
        let lines: Vec<&str> = log.lines().collect();
        println!(
            "{}: the daemon's log ends:\n{}",
            version.number(),
            lines[lines.len().saturating_sub(60)..].join("\n")
        );
    }
    failed
}
