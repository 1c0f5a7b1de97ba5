//! Number of batches in flight at a time.

use crate::mirror::replication::partition::tests::*;

/// Creates a batch with a payload of `bytes` bytes.
fn sized(base_offset: i64, bytes: usize) -> Shaped {
    Shaped { payload: Bytes::from(vec![0; bytes]), ..batch(base_offset, base_offset + 1) }
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_without_appends_only_one_batch_is_in_flight() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    partition.fetched(plan(&partition), run(vec![batch(0, 1)]));
    let _ = take(&partition);
    partition.appended(attempt, 0, 0);
    // Within 200 ms of the last append, two batches are in flight together
    tokio::time::advance(Duration::from_millis(190)).await;
    partition.fetched(plan(&partition), run(vec![batch(1, 2), batch(2, 3)]));
    assert!(partition.take_batch(BROKER, partition.lane()).unwrap().1);
    let _ = take(&partition);
    partition.appended(attempt, 1, 1);
    partition.appended(attempt, 2, 2);
    // After that, the second waits for the first: the broker may have forgotten the producer id
    tokio::time::advance(Duration::from_millis(200)).await;
    partition.fetched(plan(&partition), run(vec![batch(3, 4), batch(4, 5)]));
    let (first, more) = partition.take_batch(BROKER, partition.lane()).unwrap();
    assert_eq!((first.batch.base_offset, more), (3, false));
    assert!(partition.take_batch(BROKER, partition.lane()).is_none());
    assert!(wakes(&partition, |p| p.appended(attempt, 3, 3)));
    assert_eq!(take(&partition).batch.base_offset, 4);
}

/// Another Linkgate may have stopped the mirror meanwhile, and the broker may have forgotten its fence.
#[tokio::test(start_paused = true)]
async fn after_an_hour_without_an_answer_the_append_position_is_recovered_before_anything_is_sent() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    partition.fetched(plan(&partition), run(vec![batch(0, 1)]));
    let _ = take(&partition);
    tokio::time::advance(Duration::from_secs(2 * 3600)).await;
    // A batch in flight is waited for
    partition.fetched(plan(&partition), run(vec![batch(1, 2)]));
    assert!(partition.take_batch(BROKER, partition.lane()).is_none());
    assert_eq!(partition.attempt(), attempt);
    assert!(wakes(&partition, |p| p.appended(attempt, 0, 0)));
    assert_eq!(take(&partition).batch.base_offset, 1);
    partition.appended(attempt, 1, 1);
    tokio::time::advance(Duration::from_secs(3599)).await;
    partition.fetched(plan(&partition), run(vec![batch(2, 3)]));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(partition.take_batch(BROKER, partition.lane()).is_none());
    assert_eq!((partition.phase(), partition.attempt()), (Phase::Recovering, attempt.next()));
}

#[tokio::test(start_paused = true)]
async fn an_append_position_recovered_long_ago_allows_only_one_batch_in_flight() {
    let (partition, _) = running_at(0);
    partition.fetched(plan(&partition), run(vec![batch(0, 1), batch(1, 2)]));
    tokio::time::advance(Duration::from_millis(250)).await;
    let _ = take(&partition);
    assert!(partition.take_batch(BROKER, partition.lane()).is_none());
}

#[test]
fn nothing_is_sent_behind_a_batch_that_is_larger_than_any_before() {
    let (partition, _) = partition();
    recover(&partition, 0);
    let attempt = partition.attempt();
    partition.fetched(plan(&partition), run([0, 1, 2].map(|at| sized(at, 100)).into()));
    partition.fetched(plan(&partition), run(vec![sized(3, 101), sized(4, 50)]));
    // The destination has taken no size yet
    assert!(!partition.take_batch(BROKER, partition.lane()).unwrap().1);
    assert!(wakes(&partition, |p| p.appended(attempt, 0, 0)));
    assert!(partition.take_batch(BROKER, partition.lane()).unwrap().1);
    assert!(partition.take_batch(BROKER, partition.lane()).unwrap().1, "it may follow others");
    assert!(!partition.take_batch(BROKER, partition.lane()).unwrap().1, "but is the last");
    for offset in [1, 2] {
        assert!(!wakes(&partition, |p| p.appended(attempt, offset, offset)));
    }
    assert!(wakes(&partition, |p| p.appended(attempt, 3, 3)));
    assert_eq!(take(&partition).batch.base_offset, 4);
}

#[test]
fn filler_that_is_too_large_is_halved_down_to_one_offset() {
    let (partition, _) = partition_from(300_000);
    partition.filler_too_large(partition.attempt(), MAX_FILLER_OFFSETS, "refused");
    partition.recovered(partition.attempt(), AppendPosition { next: 0, producer_known: true });
    let first = take(&partition).batch;
    assert_eq!((first.next_offset, first.filler), (MAX_FILLER_OFFSETS / 2, true));
    partition.filler_too_large(partition.attempt(), 2, "refused");
    partition.recovered(partition.attempt(), AppendPosition { next: 0, producer_known: true });
    assert_eq!(take(&partition).batch.next_offset, 1);
}

/// The work on a topic begins again when it grows or is resumed, and after a reset. Appends sent before may
/// still land.
#[tokio::test(start_paused = true)]
async fn the_append_position_is_not_recovered_while_an_append_to_the_leader_is_in_flight() {
    let (before, _) = running_at(0);
    before.fetched(plan(&before), run(vec![batch(0, 1), batch(1, 2)]));
    let sent = [take(&before), take(&before)];
    before.restart("unclear", None);
    let after = taken_up_again(&before);
    let now = Instant::now() + Duration::from_secs(60);
    let [first, second] = sent;
    drop(first);
    for partition in [&before, &after] {
        assert!(!partition.wants_recovery(now));
        // Appends in flight to another broker do not count
        partition.set_destination_leader(BROKER + 1);
        assert!(partition.wants_recovery(now + Duration::from_secs(60)));
        partition.set_destination_leader(BROKER);
    }
    drop(second);
    tokio::time::timeout(Duration::from_secs(1), before.wakes.attention.notified()).await.unwrap();
    for partition in [&before, &after] {
        assert!(partition.wants_recovery(now + Duration::from_secs(60)));
    }
}

/// Creates another partition in the place of this one.
fn taken_up_again(before: &Partition) -> Arc<Partition> {
    let (id, cell) = (before.id.clone(), before.progress.clone());
    let budget = Arc::new(ByteBudget::new(10_000));
    let after = Arc::new(Partition::new(id, cell, WINDOW, budget, before.wakes.clone()));
    after.set_destination_leader(BROKER);
    after
}
