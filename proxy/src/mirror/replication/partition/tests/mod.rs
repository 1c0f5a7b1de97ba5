pub(crate) mod diverged;
pub(crate) mod leaders;
pub(crate) mod log_start;
pub(crate) mod pipeline;

use bytes::Bytes;
use state::model::KafkaUuid;

use crate::mirror::replication::partition::ready_queue::ReadyBoard;
use crate::mirror::replication::partition::*;
use crate::mirror::replication::shape::{JOINED_BYTES, MAX_FILLER_OFFSETS, Piece, Shaped};

const WINDOW: usize = 1000;
const BROKER: i32 = 2;

fn batch(base_offset: i64, next_offset: i64) -> Shaped {
    let payload = Bytes::from(vec![0; 400]);
    Shaped { base_offset, next_offset, epoch: 3, header: Bytes::new(), payload, joined: false, filler: false }
}

fn run(batches: Vec<Shaped>) -> ShapeOutput {
    let pieces = batches.into_iter().map(Piece::Batch).collect();
    ShapeOutput { pieces, last_timestamp: 7, last_epoch: 3, ..ShapeOutput::default() }
}

fn partition() -> (Arc<Partition>, Arc<ByteBudget>) {
    partition_from(0)
}

/// Creates a partition with this start offset.
fn partition_from(start_offset: i64) -> (Arc<Partition>, Arc<ByteBudget>) {
    let budget = Arc::new(ByteBudget::new(10_000));
    let id = PartitionIdentity {
        topic: "users".into(),
        local_topic_id: KafkaUuid::ZERO,
        source_topic: "users".into(),
        source_topic_id: KafkaUuid::ZERO,
        index: 0,
        producer_id: 1 << 62,
        start_offset,
    };
    // The queues outlive the link of this test, which nobody ends.
    let queues: &ReadyBoard = Box::leak(Box::default());
    let wakes = Wakes { ready: queues.handle(), ..Wakes::default() };
    let partition = Arc::new(Partition::new(id, ProgressCell::default(), WINDOW, Arc::clone(&budget), wakes));
    partition.set_destination_leader(BROKER);
    (partition, budget)
}

/// Creates a partition at append position `next`. The destination has already taken a batch of the size that
/// tests use.
fn running_at(next: i64) -> (Arc<Partition>, Arc<ByteBudget>) {
    let (partition, budget) = partition();
    recover(&partition, next);
    partition.state().window.largest_taken = 400;
    (partition, budget)
}

/// Returns the plan of the next fetch.
fn plan(partition: &Partition) -> FetchPlan {
    partition.fetch_plan().unwrap()
}

/// Sets the append position to `next` and settles the truncation check. The broker knows the producer id.
fn recover(partition: &Arc<Partition>, next: i64) {
    partition.recovered(partition.attempt(), AppendPosition { next, producer_known: true });
    partition.truncation_checked(partition.attempt(), -1);
}

/// Tells whether `act` puts the partition into the ready queue of its leader.
fn wakes(partition: &Arc<Partition>, act: impl FnOnce(&Arc<Partition>)) -> bool {
    let queued = || {
        let lanes = partition.wakes.ready.board().unwrap().lanes(partition.destination_leader());
        lanes.iter().map(|queue| queue.take().len()).sum::<usize>()
    };
    let _ = queued();
    act(partition);
    queued() == 1
}

fn take(partition: &Partition) -> Sending {
    partition.take_batch(BROKER, partition.lane()).unwrap().0
}

#[test]
fn nothing_is_fetched_without_an_append_position_or_a_destination_leader() {
    let (partition, _) = partition();
    assert!(partition.wants_recovery(Instant::now()));
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
    recover(&partition, 5);
    assert_eq!(partition.fetch_plan().unwrap().offset, 5);
    partition.set_destination_leader(-1);
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
}

#[test]
fn the_append_position_is_not_recovered_before_the_destination_leader_is_known() {
    let (partition, _) = partition_from(37);
    partition.set_destination_leader(-1);
    let later = Instant::now() + Duration::from_secs(10);
    assert!(!partition.wants_recovery(later));
    partition.set_destination_leader(BROKER);
    assert!(partition.wants_recovery(later));
    // The filler goes to the queue of a broker that has an appender
    assert!(wakes(&partition, |p| p
        .recovered(partition.attempt(), AppendPosition { next: 0, producer_known: false })));
    assert_eq!(take(&partition).batch.base_offset, 0);
}

#[test]
fn batches_leave_in_order_and_move_the_log_end_when_acknowledged() {
    let (partition, budget) = running_at(10);
    let attempt = partition.attempt();
    // The appender is notified once for both fetches
    assert!(wakes(&partition, |p| p.fetched(plan(&partition), run(vec![batch(10, 15), batch(15, 20)]))));
    assert!(!wakes(&partition, |p| p.fetched(plan(&partition), run(vec![batch(20, 21)]))));
    let (first, more) = partition.take_batch(BROKER, partition.lane()).unwrap();
    assert_eq!((first.batch.base_offset, more), (10, true));
    assert_eq!(take(&partition).batch.base_offset, 15);
    partition.appended(attempt, 10, 10);
    assert_eq!(partition.acknowledged(), Some(15));
    partition.appended(attempt, 15, 15);
    // Then the log end follows, and the bytes are given back
    assert_eq!(partition.progress.get().log_end_offset, 20);
    assert!(!budget.is_spent());
    assert_eq!(take(&partition).batch.base_offset, 20);
    assert!(partition.take_batch(BROKER, partition.lane()).is_none());
}

#[test]
fn a_full_window_stops_fetching_until_an_append_is_acknowledged() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    partition.fetched(plan(&partition), run(vec![batch(0, 1), batch(1, 2), batch(2, 3)]));
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NoRoom));
    let _ = take(&partition);
    partition.appended(attempt, 0, 0);
    assert_eq!(partition.fetch_plan().unwrap().offset, 3);
}

#[test]
fn a_spent_byte_budget_stops_fetching_and_a_dropped_partition_gives_its_share_back() {
    let (partition, budget) = running_at(0);
    budget.take(9_900);
    // Takes it out of the ready queue, too, which would hold it.
    assert!(wakes(&partition, |p| p.fetched(plan(p), run(vec![batch(0, 1)]))));
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NoRoom));
    drop(partition);
    budget.give_back(9_900);
    budget.take(9_999);
    assert!(!budget.is_spent());
}

#[test]
fn a_gap_between_fetch_and_queue_fails_the_partition() {
    let (partition, _) = running_at(10);
    partition.fetched(plan(&partition), run(vec![batch(11, 12)]));
    let Phase::Failed(failure) = partition.phase() else { panic!("accepted") };
    assert!(failure.reason.contains("batch-is-next"), "{}", failure.reason);
}

#[test]
fn a_batch_that_landed_elsewhere_fails_the_partition_and_names_the_offset() {
    let (partition, _) = running_at(10);
    let attempt = partition.attempt();
    partition.fetched(plan(&partition), run(vec![batch(10, 12), batch(12, 13)]));
    let _ = (take(&partition), take(&partition));
    partition.appended(attempt, 10, 11);
    let Phase::Failed(failure) = partition.phase() else { panic!("accepted") };
    assert!(failure.reason.contains("from offset 10 on"), "{}", failure.reason);
    assert!(partition.take_batch(BROKER, partition.lane()).is_none());
}

#[test]
fn answers_to_an_earlier_attempt_change_nothing() {
    let (partition, budget) = running_at(10);
    let old = plan(&partition);
    partition.fetched(old, run(vec![batch(10, 12)]));
    let _ = take(&partition);
    partition.restart("connection lost", None);
    recover(&partition, 10);
    partition.appended(old.attempt, 10, 10);
    partition.reset(old.attempt, "late", None);
    assert!(!wakes(&partition, |p| p.fetched(old, run(vec![batch(12, 13)]))));
    assert_eq!(partition.fetch_plan().unwrap().offset, 10);
    assert_eq!(partition.acknowledged(), Some(10));
    budget.take(9_999);
    assert!(!budget.is_spent());
}

#[test]
fn a_failure_takes_effect_after_everything_before_it_is_appended() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    let failure = PartitionFailure { error: MirrorError::UnsupportedMirrorState, reason: "offset 1".into() };
    partition
        .fetched(plan(&partition), ShapeOutput { stop: Some(failure.clone()), ..run(vec![batch(0, 1)]) });
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
    assert_eq!(partition.phase(), Phase::Running);
    let _ = take(&partition);
    partition.appended(attempt, 0, 0);
    assert_eq!(partition.phase(), Phase::Failed(failure));
}

#[test]
fn a_frozen_partition_drains_and_then_stands_still() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    partition.fetched(plan(&partition), run(vec![batch(0, 1), batch(1, 2)]));
    partition.freeze();
    assert_eq!((partition.fetch_plan(), partition.drained_at()), (Err(NoFetch::NotRunning), None));
    let _ = (take(&partition), take(&partition));
    partition.appended(attempt, 0, 0);
    assert_eq!(partition.drained_at(), None);
    partition.appended(attempt, 1, 1);
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
    partition.recovered(partition.attempt(), AppendPosition { next: 4, producer_known: true });
    let failure = PartitionFailure { error: MirrorError::SourceTopicMayBeDeleted, reason: "gone".to_owned() };
    // The fence overtakes a failure that was found before it,
    partition.fail_with_its_mirror(failure.clone());
    partition.found_fenced(4);
    assert_eq!((partition.phase(), partition.progress.get().failed), (Phase::Frozen, false));
    // and a failure that is found after it changes nothing.
    partition.fail_with_its_mirror(failure.clone());
    partition.fail(partition.attempt(), failure);
    assert_eq!(partition.phase(), Phase::Frozen);
    assert_eq!(partition.begin_truncation_check(Instant::now()), None);
}

#[test]
fn only_one_batch_is_in_flight_until_the_broker_knows_the_producer_id() {
    let (partition, _) = partition();
    partition.recovered(partition.attempt(), AppendPosition { next: 0, producer_known: false });
    let attempt = partition.attempt();
    // Given two batches
    assert!(wakes(&partition, |p| p.fetched(plan(&partition), run(vec![batch(0, 1), batch(1, 2)]))));
    let (_, more) = partition.take_batch(BROKER, partition.lane()).unwrap();
    // Then the second waits for the first
    assert!(!more);
    assert!(partition.take_batch(BROKER, partition.lane()).is_none());
    assert!(wakes(&partition, |p| p.appended(attempt, 0, 0)));
    assert_eq!(take(&partition).batch.base_offset, 1);
}

#[test]
fn the_answer_of_a_second_fetcher_for_the_same_offset_is_dropped() {
    let (partition, _) = running_at(0);
    let both = plan(&partition);
    assert!(wakes(&partition, |p| p.fetched(both, run(vec![batch(0, 1)]))));
    assert!(!wakes(&partition, |p| p.fetched(both, run(vec![batch(0, 1)]))));
    assert_eq!((partition.phase(), plan(&partition).offset), (Phase::Running, 1));
}

#[test]
fn an_append_position_recovered_before_a_reset_is_ignored() {
    let (partition, _) = partition();
    let before = partition.attempt();
    partition.restart("the destination leader moved", None);
    partition.recovered(before, AppendPosition { next: 9, producer_known: true });
    assert_eq!(partition.phase(), Phase::Recovering);
}

#[test]
fn the_epoch_of_the_last_appended_batch_survives_a_reset_at_the_same_log_end() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    partition.fetched(plan(&partition), run(vec![batch(0, 1), batch(1, 2)]));
    let _ = take(&partition);
    partition.appended(attempt, 0, 0);
    partition.restart("connection lost", None);
    recover(&partition, 1);
    assert_eq!(plan(&partition).last_fetched_epoch, 3);
    partition.restart("another Linkgate appended", None);
    recover(&partition, 2);
    assert_eq!(plan(&partition).last_fetched_epoch, -1);
}

#[test]
fn a_batch_size_that_is_too_large_is_reported_once() {
    let (partition, _) = partition();
    partition.too_large(partition.attempt(), 5, "refused");
    assert_eq!((partition.take_too_large(), partition.take_too_large()), (Some(5), None));
}

#[test]
fn a_joined_batch_that_is_too_large_halves_the_join_size_and_raises_no_config() {
    let (partition, _) = partition();
    assert_eq!(partition.join_bytes(), JOINED_BYTES);
    partition.joined_too_large(partition.attempt(), 40_000, "refused");
    assert_eq!((partition.join_bytes(), partition.take_too_large()), (20_000, None));
}

/// A failover opens the topic without a partition whose leader is lost for good, if the log end of that
/// partition is known.
#[test]
fn the_last_log_end_stays_known_when_the_leader_is_lost() {
    let (partition, _) = partition();
    assert_eq!(partition.known_end(), None);
    recover(&partition, 7);
    partition.set_destination_leader(-1);
    assert_eq!((partition.acknowledged(), partition.known_end()), (None, Some(7)));
}

#[test]
fn a_closed_partition_comes_back_frozen_after_a_reset() {
    let (partition, _) = running_at(5);
    partition.freeze();
    partition.close();
    partition.restart("the destination leader moved", None);
    recover(&partition, 5);
    assert_eq!((partition.phase(), partition.drained_at()), (Phase::Frozen, Some(5)));
    partition.thaw();
    partition.restart("again", None);
    recover(&partition, 5);
    assert_eq!(partition.phase(), Phase::Running);
}

/// Takes and acknowledges everything there is to send. Returns the offset ranges sent.
fn drain(partition: &Arc<Partition>) -> Vec<(i64, i64)> {
    let mut sent = Vec::new();
    while let Some((Sending { batch, attempt, .. }, _)) = partition.take_batch(BROKER, partition.lane()) {
        sent.push((batch.base_offset, batch.next_offset));
        partition.appended(attempt, batch.base_offset, batch.base_offset);
    }
    sent
}

#[test]
fn nothing_is_fetched_until_the_end_of_the_mirror_is_compared_with_the_source() {
    let (partition, _) = partition();
    let now = Instant::now();
    assert_eq!(partition.begin_truncation_check(now), None, "the end is not known yet");
    partition.recovered(partition.attempt(), AppendPosition { next: 9, producer_known: true });
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
    assert_eq!(partition.begin_truncation_check(now), Some(9));
    assert_eq!(partition.begin_truncation_check(now), None, "once");
    // Without an answer, it is asked again after a pause
    partition.truncation_unclear(partition.attempt(), "the source does not answer");
    assert_eq!(partition.begin_truncation_check(Instant::now()), None);
    assert_eq!(partition.begin_truncation_check(now + Duration::from_secs(1)), Some(9));
    partition.truncation_checked(partition.attempt(), 4);
    assert_eq!((plan(&partition).offset, plan(&partition).last_fetched_epoch), (9, 4));
    // A reset does not repeat the check: the next fetch names the epoch
    partition.restart("connection lost", None);
    partition.recovered(partition.attempt(), AppendPosition { next: 9, producer_known: true });
    assert_eq!(partition.begin_truncation_check(now + Duration::from_secs(9)), None);
    assert_eq!(plan(&partition).last_fetched_epoch, 4);
}

#[test]
fn refused_records_are_reported_once_and_counted_until_an_append_succeeds() {
    let (partition, _) = running_at(0);
    let failure =
        PartitionFailure { error: MirrorError::UnsupportedMirrorState, reason: "INVALID_RECORD".into() };
    for times in 1..=2 {
        partition.records_refused(partition.attempt(), 0, failure.clone());
        recover(&partition, 0);
        assert_eq!(partition.take_records_refused().map(|refused| refused.times), Some(times));
    }
    assert_eq!(partition.take_records_refused(), None);
    partition.drop_unkeyed_below(1);
    recover(&partition, 0);
    partition.fetched(plan(&partition), run(vec![batch(0, 1)]));
    assert_eq!(drain(&partition), [(0, 1)]);
    partition.records_refused(partition.attempt(), 0, failure.clone());
    let again = partition.take_records_refused().unwrap();
    assert_eq!((again.times, again.unkeyed_dropped), (1, true));
    // Nothing was left out of this batch: it does not lie below the bound
    partition.records_refused(partition.attempt(), 1, failure);
    let behind = partition.take_records_refused().unwrap();
    assert_eq!((behind.times, behind.unkeyed_dropped), (2, false));
    assert_eq!(behind.attempt, partition.attempt());
}
