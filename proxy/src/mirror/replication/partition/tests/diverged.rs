//! A source whose log is not the one that was copied.

use crate::mirror::replication::partition::tests::*;

fn truncated(end: i64) -> PartitionFailure {
    PartitionFailure { error: MirrorError::UnexpectedTruncation, reason: format!("up to {end}") }
}

/// Sets the append position in a new attempt, without a truncation check.
fn come_back(partition: &Arc<Partition>, next: i64) {
    partition.recovered(partition.attempt(), AppendPosition { next, producer_known: true });
}

#[test]
fn queued_batches_that_the_source_lost_are_dropped_and_the_mirror_goes_on() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    partition.fetched(plan(&partition), run(vec![batch(0, 10), batch(10, 20)]));
    let _ = take(&partition);
    partition.appended(attempt, 0, 0);
    // The source lost the offsets from 12 on, which are only queued
    partition.source_diverged(plan(&partition), truncated);
    assert_eq!(partition.phase(), Phase::Recovering);
    come_back(&partition, 10);
    assert_eq!((plan(&partition).offset, plan(&partition).last_fetched_epoch), (10, 3));
    assert!(partition.take_batch(BROKER, partition.lane()).is_none());
    // It fails when the source diverges from what the mirror holds
    partition.source_diverged(plan(&partition), truncated);
    assert_eq!(partition.phase(), Phase::Failed(truncated(10)));
}

#[test]
fn a_divergence_found_by_an_earlier_attempt_or_fetch_is_ignored() {
    let (partition, _) = running_at(0);
    let first = plan(&partition);
    partition.fetched(first, run(vec![batch(0, 1)]));
    partition.source_diverged(first, truncated);
    partition.epoch_not_placed(first);
    assert_eq!((partition.phase(), plan(&partition).offset), (Phase::Running, 1));
    partition.restart("connection lost", None);
    recover(&partition, 0);
    partition.source_diverged(first, truncated);
    partition.fail(first.attempt, truncated(0));
    assert_eq!(partition.phase(), Phase::Running);
}

#[test]
fn an_epoch_that_the_source_does_not_know_causes_a_comparison_before_the_next_fetch() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    partition.fetched(plan(&partition), run(vec![batch(0, 10), batch(10, 20)]));
    let _ = take(&partition);
    partition.appended(attempt, 0, 0);
    // Queued batches are dropped first
    partition.epoch_not_placed(plan(&partition));
    assert_eq!(partition.phase(), Phase::Recovering);
    come_back(&partition, 10);
    let with_epoch = plan(&partition);
    assert_eq!(with_epoch.last_fetched_epoch, 3);
    partition.epoch_not_placed(with_epoch);
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
    assert_eq!(partition.begin_truncation_check(Instant::now()), Some(10));
    partition.truncation_checked(partition.attempt(), 9);
    assert_eq!(plan(&partition).last_fetched_epoch, 9);
    // If the source does not know its own epoch, the next fetch names none
    partition.epoch_not_placed(plan(&partition));
    assert_eq!(plan(&partition).last_fetched_epoch, -1);
    // After the source has answered a fetch, an earlier comparison does not count
    partition.source_answers(0);
    partition.epoch_not_placed(plan(&partition));
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
}

#[test]
fn after_the_destination_lost_its_tail_fetches_name_the_epoch_of_what_it_kept() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    let newer = Shaped { epoch: 4, ..batch(10, 20) };
    partition.fetched(plan(&partition), run(vec![batch(0, 10), newer]));
    let _ = (take(&partition), take(&partition));
    partition.appended(attempt, 0, 0);
    partition.appended(attempt, 10, 10);
    partition.restart("the destination leader moved", None);
    come_back(&partition, 10);
    assert_eq!(plan(&partition).last_fetched_epoch, 3);
}

#[test]
fn the_epoch_of_a_batch_appended_without_an_answer_is_known() {
    let (partition, _) = running_at(0);
    partition.fetched(plan(&partition), run(vec![batch(0, 10), batch(10, 20)]));
    let _ = (take(&partition), take(&partition));
    partition.restart("connection lost", None);
    come_back(&partition, 20);
    assert_eq!(plan(&partition).last_fetched_epoch, 3);
}

#[test]
fn a_log_end_that_this_process_did_not_write_is_compared_before_the_next_fetch() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    partition.fetched(plan(&partition), run(vec![batch(0, 10)]));
    let _ = take(&partition);
    partition.appended(attempt, 0, 0);
    partition.restart("another Linkgate appended", None);
    come_back(&partition, 15);
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
    assert_eq!(partition.begin_truncation_check(Instant::now()), Some(15));
}

#[test]
fn a_comparison_overtaken_by_a_reset_is_repeated() {
    let (partition, _) = partition();
    come_back(&partition, 9);
    let before = partition.attempt();
    assert_eq!(partition.begin_truncation_check(Instant::now()), Some(9));
    partition.restart("the destination leader moved", None);
    come_back(&partition, 9);
    partition.fail(before, truncated(9));
    partition.truncation_unclear(before, "no answer");
    assert_eq!(partition.begin_truncation_check(Instant::now()), Some(9));
    partition.truncation_checked(before, 4);
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
}
