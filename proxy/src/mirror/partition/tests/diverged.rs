//! A source whose log is not the one that was copied.

use super::*;

fn truncated(end: i64) -> Failure {
    Failure { error: MirrorError::UnexpectedTruncation, reason: format!("up to {end}") }
}

/// The register is read in a new attempt; nothing was compared.
fn come_back(partition: &Partition, next: i64) {
    let _ = partition.registered(partition.attempt(), Register { next, armed: true });
}

#[test]
fn what_was_only_queued_is_dropped_and_the_mirror_goes_on_from_what_it_holds() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    let _ = partition.fetched(plan(&partition), run(vec![batch(0, 10), batch(10, 20)]));
    let _ = take(&partition);
    let _ = partition.appended(attempt, 0, 0);
    // The source lost what is behind offset 12: only queued
    partition.source_diverged(plan(&partition), truncated);
    assert_eq!(partition.phase(), Phase::Unregistered);
    come_back(&partition, 10);
    assert_eq!((plan(&partition).offset, plan(&partition).last_fetched_epoch), (10, 3));
    assert!(partition.take_batch(BROKER).is_none());
    // And it fails when the source says the same of what it holds
    partition.source_diverged(plan(&partition), truncated);
    assert_eq!(partition.phase(), Phase::Failed(truncated(10)));
}

#[test]
fn an_answer_to_an_earlier_attempt_or_an_earlier_fetch_fails_nothing() {
    let (partition, _) = running_at(0);
    let first = plan(&partition);
    let _ = partition.fetched(first, run(vec![batch(0, 1)]));
    partition.source_diverged(first, truncated);
    partition.epoch_not_placed(first);
    assert_eq!((partition.phase(), plan(&partition).offset), (Phase::Running, 1));
    partition.reset("connection lost", None);
    register(&partition, 0);
    partition.source_diverged(first, truncated);
    partition.fail_attempt(first.attempt, truncated(0));
    assert_eq!(partition.phase(), Phase::Running);
}

#[test]
fn where_the_source_cannot_place_the_epoch_the_end_is_compared_before_anything_is_fetched() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    let _ = partition.fetched(plan(&partition), run(vec![batch(0, 10), batch(10, 20)]));
    let _ = take(&partition);
    let _ = partition.appended(attempt, 0, 0);
    // With something queued, that is dropped first
    partition.epoch_not_placed(plan(&partition));
    assert_eq!(partition.phase(), Phase::Unregistered);
    come_back(&partition, 10);
    let with_epoch = plan(&partition);
    assert_eq!(with_epoch.last_fetched_epoch, 3);
    partition.epoch_not_placed(with_epoch);
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
    assert_eq!(partition.begin_lineage_check(Instant::now()), Some(10));
    partition.lineage_checked(partition.attempt(), 9);
    assert_eq!(plan(&partition).last_fetched_epoch, 9);
    // A source that cannot place its own epoch is asked without one
    partition.epoch_not_placed(plan(&partition));
    assert_eq!(plan(&partition).last_fetched_epoch, -1);
    // After it has answered, nothing that was compared before counts
    partition.source_answers(0);
    partition.epoch_not_placed(plan(&partition));
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
}

#[test]
fn a_destination_that_lost_its_tail_is_gone_on_from_with_the_epoch_of_what_it_kept() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    let newer = Shaped { epoch: 4, ..batch(10, 20) };
    let _ = partition.fetched(plan(&partition), run(vec![batch(0, 10), newer]));
    let _ = (take(&partition), take(&partition));
    let _ = partition.appended(attempt, 0, 0);
    let _ = partition.appended(attempt, 10, 10);
    partition.reset("the destination leader moved", None);
    come_back(&partition, 10);
    assert_eq!(plan(&partition).last_fetched_epoch, 3);
}

#[test]
fn a_batch_in_flight_that_landed_after_all_has_its_epoch_too() {
    let (partition, _) = running_at(0);
    let _ = partition.fetched(plan(&partition), run(vec![batch(0, 10), batch(10, 20)]));
    let _ = (take(&partition), take(&partition));
    partition.reset("connection lost", None);
    come_back(&partition, 20);
    assert_eq!(plan(&partition).last_fetched_epoch, 3);
}

#[test]
fn an_end_that_this_process_did_not_write_is_compared_before_anything_is_fetched() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    let _ = partition.fetched(plan(&partition), run(vec![batch(0, 10)]));
    let _ = take(&partition);
    let _ = partition.appended(attempt, 0, 0);
    partition.reset("another Linkgate appended", None);
    come_back(&partition, 15);
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
    assert_eq!(partition.begin_lineage_check(Instant::now()), Some(15));
}

#[test]
fn a_comparison_that_a_reset_overtook_is_made_again() {
    let (partition, _) = partition();
    come_back(&partition, 9);
    let before = partition.attempt();
    assert_eq!(partition.begin_lineage_check(Instant::now()), Some(9));
    partition.reset("the destination leader moved", None);
    come_back(&partition, 9);
    partition.fail_attempt(before, truncated(9));
    partition.lineage_unclear(before, "no answer");
    assert_eq!(partition.begin_lineage_check(Instant::now()), Some(9));
    partition.lineage_checked(before, 4);
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
}
