mod bounds;
mod diverged;
mod pipeline;

use bytes::Bytes;
use state::model::KafkaUuid;

use super::*;
use crate::mirror::shape::{JOINED_BYTES, MAX_FILLER_OFFSETS, Piece, Shaped};

const WINDOW: usize = 1000;
const BROKER: i32 = 2;

fn batch(base_offset: i64, next_offset: i64) -> Shaped {
    let payload = Bytes::from(vec![0; 400]);
    Shaped { base_offset, next_offset, epoch: 3, header: Bytes::new(), payload, joined: false, filler: false }
}

fn run(batches: Vec<Shaped>) -> ShapedRun {
    let pieces = batches.into_iter().map(Piece::Batch).collect();
    ShapedRun { pieces, last_timestamp: 7, last_epoch: 3, ..ShapedRun::default() }
}

fn partition() -> (Partition, Arc<ByteBudget>) {
    partition_from(0)
}

/// A partition whose log begins at `start_offset`.
fn partition_from(start_offset: i64) -> (Partition, Arc<ByteBudget>) {
    let budget = Arc::new(ByteBudget::new(10_000));
    let id = Identity {
        topic: "users".into(),
        local_topic_id: KafkaUuid::ZERO,
        source_topic: "users".into(),
        source_topic_id: KafkaUuid::ZERO,
        index: 0,
        producer_id: 1 << 62,
        start_offset,
    };
    let partition = Partition::new(id, ProgressCell::default(), WINDOW, Arc::clone(&budget), Arc::default());
    partition.set_destination_leader(BROKER);
    (partition, budget)
}

/// A partition that goes on at `next`, and whose batches are no larger than the destination took before.
fn running_at(next: i64) -> (Partition, Arc<ByteBudget>) {
    let (partition, budget) = partition();
    register(&partition, next);
    partition.state().window.largest_taken = 400;
    (partition, budget)
}

/// The plan of the next fetch.
fn plan(partition: &Partition) -> FetchPlan {
    partition.fetch_plan().unwrap()
}

/// The register is read: the broker knows the producer id, and `next` comes next.
fn register(partition: &Partition, next: i64) {
    let _ = partition.registered(partition.attempt(), Register { next, armed: true });
    partition.lineage_checked(partition.attempt(), -1);
}

fn take(partition: &Partition) -> Sending {
    partition.take_batch(BROKER).unwrap().0
}

#[test]
fn nothing_is_fetched_before_the_register_is_read_or_without_a_leader() {
    let (partition, _) = partition();
    assert!(partition.wants_register(Instant::now()));
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
    register(&partition, 5);
    assert_eq!(partition.fetch_plan().unwrap().offset, 5);
    partition.set_destination_leader(-1);
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
}

#[test]
fn the_register_is_not_read_before_the_destination_leader_is_known() {
    let (partition, _) = partition_from(37);
    partition.set_destination_leader(-1);
    let later = Instant::now() + Duration::from_secs(10);
    assert!(!partition.wants_register(later));
    partition.set_destination_leader(BROKER);
    assert!(partition.wants_register(later));
    // The fill goes to the queue of a broker that somebody serves
    assert!(partition.registered(partition.attempt(), Register { next: 0, armed: false }));
    assert_eq!(take(&partition).batch.base_offset, 0);
}

#[test]
fn batches_leave_in_order_and_move_the_log_end_when_acknowledged() {
    let (partition, budget) = running_at(10);
    let attempt = partition.attempt();
    // When two batches are fetched, the appender is told once
    assert!(partition.fetched(plan(&partition), run(vec![batch(10, 15), batch(15, 20)])));
    assert!(!partition.fetched(plan(&partition), run(vec![batch(20, 21)])));
    let (first, more) = partition.take_batch(BROKER).unwrap();
    assert_eq!((first.batch.base_offset, more), (10, true));
    assert_eq!(take(&partition).batch.base_offset, 15);
    let _ = partition.appended(attempt, 10, 10);
    assert_eq!(partition.acknowledged(), Some(15));
    let _ = partition.appended(attempt, 15, 15);
    // Then the log end follows, and the bytes are given back
    assert_eq!(partition.progress.get().log_end_offset, 20);
    assert!(!budget.is_spent());
    assert_eq!(take(&partition).batch.base_offset, 20);
    assert!(partition.take_batch(BROKER).is_none());
}

#[test]
fn a_full_window_stops_fetching_until_an_append_is_acknowledged() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    let _ = partition.fetched(plan(&partition), run(vec![batch(0, 1), batch(1, 2), batch(2, 3)]));
    assert_eq!(partition.fetch_plan(), Err(NoFetch::WindowFull));
    let _ = take(&partition);
    let _ = partition.appended(attempt, 0, 0);
    assert_eq!(partition.fetch_plan().unwrap().offset, 3);
}

#[test]
fn the_budget_of_all_partitions_stops_fetching_too_and_is_given_back_in_the_end() {
    let (partition, budget) = running_at(0);
    budget.take(9_900);
    let _ = partition.fetched(plan(&partition), run(vec![batch(0, 1)]));
    assert_eq!(partition.fetch_plan(), Err(NoFetch::WindowFull));
    drop(partition);
    budget.give_back(9_900);
    budget.take(9_999);
    assert!(!budget.is_spent());
}

#[test]
fn a_gap_between_fetch_and_queue_fails_the_partition() {
    let (partition, _) = running_at(10);
    let _ = partition.fetched(plan(&partition), run(vec![batch(11, 12)]));
    let Phase::Failed(failure) = partition.phase() else { panic!("accepted") };
    assert!(failure.reason.contains("batch-is-next"), "{}", failure.reason);
}

#[test]
fn a_batch_that_landed_elsewhere_fails_the_partition_and_names_the_offset() {
    let (partition, _) = running_at(10);
    let attempt = partition.attempt();
    let _ = partition.fetched(plan(&partition), run(vec![batch(10, 12), batch(12, 13)]));
    let _ = (take(&partition), take(&partition));
    let _ = partition.appended(attempt, 10, 11);
    let Phase::Failed(failure) = partition.phase() else { panic!("accepted") };
    assert!(failure.reason.contains("from offset 10 on"), "{}", failure.reason);
    assert!(partition.take_batch(BROKER).is_none());
}

#[test]
fn answers_to_an_earlier_attempt_change_nothing() {
    let (partition, budget) = running_at(10);
    let old = plan(&partition);
    let _ = partition.fetched(old, run(vec![batch(10, 12)]));
    let _ = take(&partition);
    partition.reset("connection lost", None);
    register(&partition, 10);
    let _ = partition.appended(old.attempt, 10, 10);
    partition.reset_attempt(old.attempt, "late", None);
    assert!(!partition.fetched(old, run(vec![batch(12, 13)])));
    assert_eq!(partition.fetch_plan().unwrap().offset, 10);
    assert_eq!(partition.acknowledged(), Some(10));
    budget.take(9_999);
    assert!(!budget.is_spent());
}

#[test]
fn a_moved_leader_starts_the_partition_anew_and_the_old_appender_gets_nothing() {
    let (partition, _) = running_at(10);
    let _ = partition.fetched(plan(&partition), run(vec![batch(10, 12)]));
    partition.set_destination_leader(BROKER + 1);
    assert_eq!(partition.phase(), Phase::Unregistered);
    register(&partition, 10);
    assert!(partition.fetched(plan(&partition), run(vec![batch(10, 12)])));
    assert!(partition.take_batch(BROKER).is_none());
    assert!(partition.take_batch(BROKER + 1).is_some());
}

#[test]
fn what_stops_a_partition_waits_for_everything_before_it() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    let failure = Failure { error: MirrorError::UnsupportedMirrorState, reason: "offset 1".into() };
    let _ = partition
        .fetched(plan(&partition), ShapedRun { stop: Some(failure.clone()), ..run(vec![batch(0, 1)]) });
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
    assert_eq!(partition.phase(), Phase::Running);
    let _ = take(&partition);
    let _ = partition.appended(attempt, 0, 0);
    assert_eq!(partition.phase(), Phase::Failed(failure));
}

#[test]
fn a_frozen_partition_drains_and_then_stands_still() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    let _ = partition.fetched(plan(&partition), run(vec![batch(0, 1), batch(1, 2)]));
    partition.freeze();
    assert_eq!((partition.fetch_plan(), partition.drained_at()), (Err(NoFetch::NotRunning), None));
    let _ = (take(&partition), take(&partition));
    let _ = partition.appended(attempt, 0, 0);
    assert_eq!(partition.drained_at(), None);
    let _ = partition.appended(attempt, 1, 1);
    assert_eq!(partition.drained_at(), Some(2));
    partition.thaw();
    assert_eq!(partition.fetch_plan().unwrap().offset, 2);
}

#[test]
fn a_fenced_partition_cannot_be_thawed() {
    let (partition, _) = running_at(0);
    partition.found_fenced(4);
    partition.thaw();
    assert_eq!((partition.phase(), partition.drained_at()), (Phase::Frozen, Some(4)));
}

#[test]
fn a_fenced_partition_does_not_fail_and_asks_nothing_of_the_source() {
    let (partition, _) = partition();
    let _ = partition.registered(partition.attempt(), Register { next: 4, armed: true });
    let failure = Failure { error: MirrorError::SourceTopicMayBeDeleted, reason: "gone".to_owned() };
    // What was found out before the fence is overtaken by it,
    partition.fail(failure.clone());
    partition.found_fenced(4);
    assert_eq!((partition.phase(), partition.progress.get().failed), (Phase::Frozen, false));
    // and what comes behind it changes nothing.
    partition.fail(failure.clone());
    partition.fail_attempt(partition.attempt(), failure);
    assert_eq!(partition.phase(), Phase::Frozen);
    assert_eq!(partition.begin_lineage_check(Instant::now()), None);
}

#[test]
fn only_one_batch_is_on_its_way_until_the_broker_knows_the_producer_id() {
    let (partition, _) = partition();
    let _ = partition.registered(partition.attempt(), Register { next: 0, armed: false });
    let attempt = partition.attempt();
    // Given two batches
    assert!(partition.fetched(plan(&partition), run(vec![batch(0, 1), batch(1, 2)])));
    let (_, more) = partition.take_batch(BROKER).unwrap();
    // Then the second waits for the first
    assert!(!more);
    assert!(partition.take_batch(BROKER).is_none());
    assert!(partition.appended(attempt, 0, 0));
    assert_eq!(take(&partition).batch.base_offset, 1);
}

#[test]
fn the_answer_of_a_second_fetcher_for_the_same_offset_is_dropped() {
    let (partition, _) = running_at(0);
    let both = plan(&partition);
    assert!(partition.fetched(both, run(vec![batch(0, 1)])));
    assert!(!partition.fetched(both, run(vec![batch(0, 1)])));
    assert_eq!((partition.phase(), plan(&partition).offset), (Phase::Running, 1));
}

#[test]
fn a_register_read_before_a_reset_counts_for_nothing() {
    let (partition, _) = partition();
    let before = partition.attempt();
    partition.reset("the destination leader moved", None);
    let _ = partition.registered(before, Register { next: 9, armed: true });
    assert_eq!(partition.phase(), Phase::Unregistered);
}

#[test]
fn the_epoch_of_the_last_appended_batch_outlives_a_reset_that_goes_on_behind_it() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    let _ = partition.fetched(plan(&partition), run(vec![batch(0, 1), batch(1, 2)]));
    let _ = take(&partition);
    let _ = partition.appended(attempt, 0, 0);
    partition.reset("connection lost", None);
    register(&partition, 1);
    assert_eq!(plan(&partition).last_fetched_epoch, 3);
    partition.reset("another Linkgate appended", None);
    register(&partition, 2);
    assert_eq!(plan(&partition).last_fetched_epoch, -1);
}

#[test]
fn a_size_that_is_too_large_is_told_once() {
    let (partition, _) = partition();
    partition.too_large(5);
    assert_eq!((partition.take_too_large(), partition.take_too_large()), (Some(5), None));
}

#[test]
fn what_was_joined_to_too_large_a_batch_is_joined_to_half_of_it_and_no_config_is_touched() {
    let (partition, _) = partition();
    assert_eq!(partition.join_bytes(), JOINED_BYTES);
    partition.joined_too_large(40_000);
    assert_eq!((partition.join_bytes(), partition.take_too_large()), (20_000, None));
}

/// A failover opens the topic without a partition whose leader is lost for good, if it knows where that one's log ends.
#[test]
fn the_end_is_known_although_the_leader_is_lost() {
    let (partition, _) = partition();
    assert_eq!(partition.known_end(), None);
    register(&partition, 7);
    partition.set_destination_leader(-1);
    assert_eq!((partition.acknowledged(), partition.known_end()), (None, Some(7)));
}

#[test]
fn a_closed_partition_comes_back_frozen_after_an_interruption() {
    let (partition, _) = running_at(5);
    partition.freeze();
    partition.close();
    partition.reset("the destination leader moved", None);
    register(&partition, 5);
    assert_eq!((partition.phase(), partition.drained_at()), (Phase::Frozen, Some(5)));
    partition.thaw();
    partition.reset("again", None);
    register(&partition, 5);
    assert_eq!(partition.phase(), Phase::Running);
}

/// Takes and acknowledges all that there is to send; the ranges sent.
fn drain(partition: &Partition) -> Vec<(i64, i64)> {
    let mut sent = Vec::new();
    while let Some((Sending { batch, attempt, .. }, _)) = partition.take_batch(BROKER) {
        sent.push((batch.base_offset, batch.next_offset));
        let _ = partition.appended(attempt, batch.base_offset, batch.base_offset);
    }
    sent
}

#[test]
fn nothing_is_fetched_until_the_mirrors_end_was_compared_with_the_source() {
    let (partition, _) = partition();
    let now = Instant::now();
    assert_eq!(partition.begin_lineage_check(now), None, "the end is not known yet");
    let _ = partition.registered(partition.attempt(), Register { next: 9, armed: true });
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
    assert_eq!(partition.begin_lineage_check(now), Some(9));
    assert_eq!(partition.begin_lineage_check(now), None, "once");
    // No answer: it is asked again after a while
    partition.lineage_unclear(partition.attempt(), "the source does not answer");
    assert_eq!(partition.begin_lineage_check(Instant::now()), None);
    assert_eq!(partition.begin_lineage_check(now + Duration::from_secs(1)), Some(9));
    partition.lineage_checked(partition.attempt(), 4);
    assert_eq!((plan(&partition).offset, plan(&partition).last_fetched_epoch), (9, 4));
    // A reset does not ask again: the source can be told the epoch
    partition.reset("connection lost", None);
    let _ = partition.registered(partition.attempt(), Register { next: 9, armed: true });
    assert_eq!(partition.begin_lineage_check(now + Duration::from_secs(9)), None);
    assert_eq!(plan(&partition).last_fetched_epoch, 4);
}

#[test]
fn refused_records_are_told_once_and_counted_until_an_append_goes_through() {
    let (partition, _) = running_at(0);
    let failure = Failure { error: MirrorError::UnsupportedMirrorState, reason: "INVALID_RECORD".into() };
    for times in 1..=2 {
        partition.records_refused(partition.attempt(), 0, failure.clone());
        register(&partition, 0);
        assert_eq!(partition.take_records_refused().map(|refused| refused.times), Some(times));
    }
    assert_eq!(partition.take_records_refused(), None);
    partition.drop_unkeyed_below(1);
    register(&partition, 0);
    let _ = partition.fetched(plan(&partition), run(vec![batch(0, 1)]));
    assert_eq!(drain(&partition), [(0, 1)]);
    partition.records_refused(partition.attempt(), 0, failure.clone());
    let again = partition.take_records_refused().unwrap();
    assert_eq!((again.times, again.unkeyed_dropped), (1, true));
    // What lies behind was not there when records were found to be left out
    partition.records_refused(partition.attempt(), 1, failure);
    let behind = partition.take_records_refused().unwrap();
    assert_eq!((behind.times, behind.unkeyed_dropped), (2, false));
    assert_eq!(behind.attempt, partition.attempt());
}

#[test]
fn a_partition_keeps_to_its_lane_while_something_is_under_way() {
    let (partition, _) = running_at(0);
    partition.choose_lane(1);
    let _ = partition.fetched(plan(&partition), run(vec![batch(0, 10)]));
    partition.choose_lane(0);
    assert_eq!(partition.lane(), 1, "a batch is queued");
    let sending = take(&partition);
    partition.choose_lane(0);
    assert_eq!(partition.lane(), 1, "a batch is in flight");
    let _ = partition.appended(sending.attempt, 0, 0);
    partition.choose_lane(0);
    assert_eq!(partition.lane(), 0);
}
