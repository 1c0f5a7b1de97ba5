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
