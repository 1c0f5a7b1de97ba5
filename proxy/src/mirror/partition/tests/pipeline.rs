//! How many batches are on their way at a time.

use super::*;

/// A batch of so many bytes.
fn sized(base_offset: i64, bytes: usize) -> Shaped {
    Shaped { payload: Bytes::from(vec![0; bytes]), ..batch(base_offset, base_offset + 1) }
}

#[tokio::test(start_paused = true)]
async fn after_a_rest_one_batch_goes_alone_since_the_broker_may_have_forgotten_the_producer_id() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    let _ = partition.fetched(plan(&partition), run(vec![batch(0, 1)]));
    let _ = take(&partition);
    let _ = partition.appended(attempt, 0, 0);
    // Within the time that it is sure to know it, the next two are on their way together
    tokio::time::advance(Duration::from_millis(190)).await;
    let _ = partition.fetched(plan(&partition), run(vec![batch(1, 2), batch(2, 3)]));
    assert!(partition.take_batch(BROKER).unwrap().1);
    let _ = take(&partition);
    let _ = partition.appended(attempt, 1, 1);
    let _ = partition.appended(attempt, 2, 2);
    // After it, the second waits for the first
    tokio::time::advance(Duration::from_millis(200)).await;
    let _ = partition.fetched(plan(&partition), run(vec![batch(3, 4), batch(4, 5)]));
    let (first, more) = partition.take_batch(BROKER).unwrap();
    assert_eq!((first.batch.base_offset, more), (3, false));
    assert!(partition.take_batch(BROKER).is_none());
    assert!(partition.appended(attempt, 3, 3));
    assert_eq!(take(&partition).batch.base_offset, 4);
}

/// Another Linkgate may have stopped the mirror meanwhile, and the broker may have forgotten its fence.
#[tokio::test(start_paused = true)]
async fn after_an_hour_the_log_is_looked_at_before_anything_is_sent() {
    let (partition, _) = running_at(0);
    let attempt = partition.attempt();
    let _ = partition.fetched(plan(&partition), run(vec![batch(0, 1)]));
    let _ = take(&partition);
    tokio::time::advance(Duration::from_secs(2 * 3600)).await;
    // What is on its way is waited for
    let _ = partition.fetched(plan(&partition), run(vec![batch(1, 2)]));
    assert!(partition.take_batch(BROKER).is_none());
    assert_eq!(partition.attempt(), attempt);
    assert!(partition.appended(attempt, 0, 0));
    assert_eq!(take(&partition).batch.base_offset, 1);
    let _ = partition.appended(attempt, 1, 1);
    tokio::time::advance(Duration::from_secs(3599)).await;
    let _ = partition.fetched(plan(&partition), run(vec![batch(2, 3)]));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(partition.take_batch(BROKER).is_none());
    assert_eq!((partition.phase(), partition.attempt()), (Phase::Unregistered, attempt + 1));
}

#[tokio::test(start_paused = true)]
async fn a_register_read_long_ago_says_nothing_of_now() {
    let (partition, _) = running_at(0);
    let _ = partition.fetched(plan(&partition), run(vec![batch(0, 1), batch(1, 2)]));
    tokio::time::advance(Duration::from_millis(250)).await;
    let _ = take(&partition);
    assert!(partition.take_batch(BROKER).is_none());
}

#[test]
fn behind_a_batch_that_is_larger_than_any_before_nothing_is_sent() {
    let (partition, _) = partition();
    register(&partition, 0);
    let attempt = partition.attempt();
    let _ = partition.fetched(plan(&partition), run([0, 1, 2].map(|at| sized(at, 100)).into()));
    let _ = partition.fetched(plan(&partition), run(vec![sized(3, 101), sized(4, 50)]));
    // Of the first nothing is known
    assert!(!partition.take_batch(BROKER).unwrap().1);
    assert!(partition.appended(attempt, 0, 0));
    assert!(partition.take_batch(BROKER).unwrap().1);
    assert!(partition.take_batch(BROKER).unwrap().1, "it may follow others");
    assert!(!partition.take_batch(BROKER).unwrap().1, "but is the last");
    for offset in [1, 2] {
        assert!(!partition.appended(attempt, offset, offset));
    }
    assert!(partition.appended(attempt, 3, 3));
    assert_eq!(take(&partition).batch.base_offset, 4);
}

#[test]
fn filler_that_is_too_large_is_halved_down_to_one_offset() {
    let (partition, _) = partition_from(300_000);
    assert!(partition.filler_too_large(MAX_FILLER_OFFSETS));
    let _ = partition.registered(partition.attempt(), Register { next: 0, armed: true });
    let first = take(&partition).batch;
    assert_eq!((first.next_offset, first.filler), (MAX_FILLER_OFFSETS / 2, true));
    partition.reset("refused", None);
    assert!(partition.filler_too_large(2));
    let _ = partition.registered(partition.attempt(), Register { next: 0, armed: true });
    assert_eq!(take(&partition).batch.next_offset, 1);
    assert!(!partition.filler_too_large(1));
}

/// It grew, was paused and resumed, or something was unclear: what was sent before may still land.
#[tokio::test(start_paused = true)]
async fn nobody_reads_where_the_log_ends_while_an_append_is_on_its_way_to_the_leader() {
    let (before, _) = running_at(0);
    let _ = before.fetched(plan(&before), run(vec![batch(0, 1), batch(1, 2)]));
    let sent = [take(&before), take(&before)];
    before.reset("unclear", None);
    let after = taken_up_again(&before);
    let now = Instant::now() + Duration::from_secs(60);
    let [first, second] = sent;
    drop(first);
    for partition in [&before, &after] {
        assert!(!partition.wants_register(now));
        // Nothing of the former leader counts any more
        partition.set_destination_leader(BROKER + 1);
        assert!(partition.wants_register(now + Duration::from_secs(60)));
        partition.set_destination_leader(BROKER);
    }
    drop(second);
    tokio::time::timeout(Duration::from_secs(1), before.attention.notified()).await.unwrap();
    for partition in [&before, &after] {
        assert!(partition.wants_register(now + Duration::from_secs(60)));
    }
}

/// Another partition in the place of this one.
fn taken_up_again(before: &Partition) -> Partition {
    let (id, cell) = (before.id.clone(), before.progress.clone());
    let budget = Arc::new(ByteBudget::new(10_000));
    let after = Partition::new(id, cell, WINDOW, budget, Arc::clone(&before.attention));
    after.set_destination_leader(BROKER);
    after
}
