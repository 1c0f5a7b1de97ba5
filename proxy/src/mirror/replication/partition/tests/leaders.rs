//! The destination leader and the lane to it.

use crate::mirror::replication::partition::tests::*;

#[test]
fn a_leader_change_resets_the_partition_and_the_old_appender_gets_nothing() {
    let (partition, _) = running_at(10);
    partition.fetched(plan(&partition), run(vec![batch(10, 12)]));
    partition.set_destination_leader(BROKER + 1);
    assert_eq!(partition.phase(), Phase::Recovering);
    recover(&partition, 10);
    assert!(wakes(&partition, |p| p.fetched(plan(&partition), run(vec![batch(10, 12)]))));
    assert!(partition.take_batch(BROKER, partition.lane()).is_none());
    assert!(partition.take_batch(BROKER + 1, partition.lane()).is_some());
}

#[test]
fn a_position_that_was_read_before_the_leader_went_away_fills_no_queue_that_nobody_serves() {
    let (partition, _) = partition_from(37);
    partition.set_destination_leader(-1);
    // The position was asked for just after the reset, and answered before there is another leader.
    let position = AppendPosition { next: 0, producer_known: false };
    assert!(!wakes(&partition, |p| p.recovered(p.attempt(), position)));
    assert_eq!(partition.phase(), Phase::Recovering);
    partition.set_destination_leader(BROKER + 1);
    assert!(partition.wants_recovery(Instant::now() + Duration::from_secs(10)));
    assert!(wakes(&partition, |p| p.recovered(p.attempt(), position)));
    assert!(partition.take_batch(BROKER + 1, partition.lane()).is_some());
}

#[test]
fn a_partition_keeps_its_lane_while_batches_are_queued_or_in_flight() {
    let (partition, _) = running_at(0);
    partition.choose_lane(1);
    partition.fetched(plan(&partition), run(vec![batch(0, 10)]));
    partition.choose_lane(0);
    assert_eq!(partition.lane(), 1, "a batch is queued");
    let sending = take(&partition);
    partition.choose_lane(0);
    assert_eq!(partition.lane(), 1, "a batch is in flight");
    partition.appended(sending.attempt, 0, 0);
    partition.choose_lane(0);
    assert_eq!(partition.lane(), 0);
}

#[test]
fn a_stale_entry_of_another_lane_gets_nothing() {
    let (partition, _) = running_at(0);
    partition.choose_lane(0);
    // The entry stays in the queue of lane 0 when the partition is reset.
    partition.fetched(plan(&partition), run(vec![batch(0, 10)]));
    partition.restart("again", None);
    partition.choose_lane(1);
    recover(&partition, 0);
    partition.fetched(plan(&partition), run(vec![batch(0, 10), batch(10, 20)]));
    assert!(partition.take_batch(BROKER, 0).is_none());
    assert_eq!(partition.take_batch(BROKER, 1).unwrap().0.batch.base_offset, 0);
}

#[test]
fn the_leader_changes_in_one_step_with_the_attempt() {
    let (partition, _) = running_at(0);
    let state = partition.state();
    let changing = Arc::clone(&partition);
    let change = std::thread::spawn(move || changing.set_destination_leader(BROKER + 1));
    std::thread::sleep(Duration::from_millis(50));
    // Whoever holds the lock sees the leader that its attempt goes to.
    assert_eq!(partition.destination_leader(), BROKER);
    drop(state);
    change.join().unwrap();
    assert_eq!((partition.destination_leader(), partition.phase()), (BROKER + 1, Phase::Recovering));
}

#[test]
fn an_unreachable_broker_resets_only_what_waits_for_it() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    let pause = Duration::from_millis(500);
    partition.unreachable(BROKER, partition.lane(), "gone", pause);
    assert_eq!(partition.attempt(), attempt, "nothing is queued");
    partition.fetched(plan(&partition), run(vec![batch(0, 10), batch(10, 20)]));
    partition.unreachable(BROKER + 1, partition.lane(), "gone", pause);
    partition.unreachable(BROKER, 1 - partition.lane(), "gone", pause);
    assert_eq!(partition.attempt(), attempt);
    partition.unreachable(BROKER, partition.lane(), "gone", pause);
    assert_eq!(partition.attempt(), attempt.next());
    // The entry is still in the queue.
    partition.unreachable(BROKER, partition.lane(), "gone", pause);
    assert_eq!(partition.attempt(), attempt.next());
}

#[test]
fn an_answer_to_an_earlier_attempt_delays_nothing() {
    let (partition, _) = running_at(0);
    let before = partition.attempt();
    partition.restart("the reason", Some(Duration::from_secs(60)));
    partition.delay(before, "another reason", Duration::ZERO);
    assert!(!partition.wants_recovery(Instant::now() + Duration::from_secs(30)));
    assert_eq!(partition.progress.get().reason, "the reason");
}

#[test]
fn a_question_to_a_former_leader_of_the_source_holds_nothing_up() {
    let (partition, _) = running_at(0);
    partition.set_source_leader(1, 0);
    let first = partition.asking().unwrap();
    assert!(partition.asking().is_none(), "it is under way");
    assert!(partition.fetch_plan().is_err());
    partition.set_source_leader(2, 1);
    assert!(partition.fetch_plan().is_ok());
    let second = partition.asking().unwrap();
    drop(first);
    assert!(partition.fetch_plan().is_err(), "the second question is under way");
    partition.restart("again", None);
    recover(&partition, 0);
    assert!(partition.fetch_plan().is_ok());
    drop(second);
}

/// A promote may look at the partitions once more after a failover has taken over.
#[test]
fn an_abandoned_partition_is_not_thawed() {
    let (partition, _) = running_at(5);
    partition.abandon();
    assert_eq!(partition.drained_at(), None);
    partition.thaw();
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
    assert_eq!(partition.acknowledged(), Some(5));
}

#[test]
fn a_run_with_a_gap_inside_leaves_the_byte_budget_as_it_was() {
    let (partition, budget) = running_at(10);
    partition.fetched(plan(&partition), run(vec![batch(10, 12), batch(13, 14)]));
    assert!(matches!(partition.phase(), Phase::Failed(_)));
    assert!(!budget.is_spent());
    budget.take(9_999);
    assert!(!budget.is_spent());
}
