//! Every way to end a mirror: promote and failover × state × cleanup policy × start × growth × refusal by the
//! destination, with every record compared.
//!
//! One pair of clusters holds a small topic for each case. By default a subset runs in which any three values
//! of three properties still meet; `LINKGATE_MATRIX=all` (`make stop-matrix`) runs all cases, and
//! `LINKGATE_CASES` selects cases by parts of their names, comma separated. The source is a 3.9.1, which
//! accepts a config value that a destination of 4.3.1 refuses.

#[path = "stop_matrix/case.rs"]
mod case;
#[path = "stop_matrix/clusters.rs"]
mod clusters;
#[path = "stop_matrix/verdict.rs"]
mod verdict;

use std::time::Instant;

use case::{Before, Case, Stop};
use clusters::Clusters;

/// Given mirrors in every state, when they are promoted or failed over, then a promoted one holds everything
/// that its source holds from the start offset on, and a failed over one holds a prefix of that. Each is open
/// for writes, and a refusal by the destination delays nothing else.
#[test]
fn every_stop_works_from_every_state() {
    let begin = Instant::now();
    let step = |what: &str| println!("{:5.1} s {what}", begin.elapsed().as_secs_f32());
    let is_long = std::env::var("LINKGATE_MATRIX").is_ok_and(|value| value == "all");
    let mut cases = if is_long { case::all() } else { case::every_three() };
    if let Ok(only) = std::env::var("LINKGATE_CASES") {
        cases.retain(|case| only.split(',').any(|part| case.topic().contains(part)));
    }
    let of = |wanted: &dyn Fn(&Case) -> bool| -> Vec<Case> {
        cases.iter().copied().filter(|case| wanted(case)).collect()
    };
    let mut clusters = Clusters::start();
    step("both clusters and the daemon are up");
    clusters.mirror(&cases);
    step(&format!("{} mirrors have caught up", cases.len()));

    clusters.pause(&of(&|case| case.before == Before::Paused));
    clusters.pause_link("paused", true);
    clusters.write_past_the_gateway(&of(&|case| case.before == Before::Failed));
    clusters.change_the_source(&of(&|case| !case.is_without_source()));
    clusters.wait_failed(&of(&|case| case.before == Before::Failed));
    step("every mirror that has a source is in its state");

    let stopping = of(&|case| !case.is_without_source() && case.before != Before::Failed);
    clusters.stop(&stopping, Stop::Promote);
    clusters.stop(&stopping, Stop::Failover);
    clusters
        .assert_promote_is_refused(&of(&|case| case.before == Before::Failed && case.stop == Stop::Promote));
    clusters.stop(&of(&|case| case.before == Before::Failed), Stop::Failover);
    let needs_its_link = |case: &Case| case.before == Before::LinkPaused && case.stop == Stop::Promote;
    clusters.wait_stopped(&of(&|case| {
        let refused = case.before == Before::Failed && case.stop == Stop::Promote;
        !case.is_without_source() && !refused && !needs_its_link(case)
    }));
    step("what needs no link is STOPPED");
    clusters.assert_not_stopped(&of(&needs_its_link));
    clusters.pause_link("paused", false);
    clusters.wait_stopped(&of(&needs_its_link));
    step("and what waited for its link");

    clusters.take_the_source_away();
    let without = of(&Case::is_without_source);
    clusters.wait_unavailable(&without);
    let pending = of(&|case| case.before == Before::PendingStopped);
    clusters.promote(&pending);
    clusters.stop(&of(&|case| case.before == Before::SourceUnavailable), Stop::Promote);
    clusters.restart_the_daemon();
    clusters.stop(&without, Stop::Failover);
    clusters.wait_stopped(&of(&|case| case.is_without_source() && case.stop == Stop::Failover));
    let waiting = of(&|case| case.is_without_source() && case.stop == Stop::Promote);
    clusters.assert_not_stopped(&waiting);
    step("a failover needs no source, a promote waits for it");
    clusters.change_the_source(&without);
    clusters.bring_the_source_back();
    clusters.wait_stopped(&waiting);
    step("and ends once it is back");

    let failed = verdict::of_all(&clusters, &cases);
    step("every record is compared");
    assert!(failed.is_empty(), "{} of {} cases:\n{}", failed.len(), cases.len(), failed.join("\n"));
}
