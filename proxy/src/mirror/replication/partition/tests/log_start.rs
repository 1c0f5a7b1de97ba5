//! Log starts: filling, log start jumps and trims.

use crate::mirror::replication::partition::tests::*;

#[test]
fn a_log_that_begins_above_zero_is_filled_first_and_then_trimmed() {
    let start = 2 * MAX_FILLER_OFFSETS + 5;
    let (partition, budget) = partition_from(start);
    partition.destination_starts_at(0);
    assert!(wakes(&partition, |p| p
        .recovered(partition.attempt(), AppendPosition { next: 0, producer_known: false })));
    // What is fetched meanwhile waits behind the filler
    assert_eq!(plan(&partition).offset, start);
    partition.fetched(plan(&partition), run(vec![batch(start, start + 1)]));
    assert_eq!(partition.progress.get().filling.map(|filling| (filling.from, filling.to)), Some((0, start)));
    assert_eq!(partition.begin_trim(Instant::now()), None);
    let expected = [
        (0, MAX_FILLER_OFFSETS),
        (MAX_FILLER_OFFSETS, 2 * MAX_FILLER_OFFSETS),
        (2 * MAX_FILLER_OFFSETS, start),
        (start, start + 1),
    ];
    assert_eq!(drain(&partition), expected);
    assert_eq!(partition.progress.get().filling, None);
    assert_eq!(partition.starts_where_it_should(), Ok(false));
    assert_eq!(partition.begin_trim(Instant::now()), Some(start));
    assert_eq!(partition.begin_trim(Instant::now()), None, "one at a time");
    partition.trimmed(start);
    assert_eq!(partition.starts_where_it_should(), Ok(true));
    budget.take(9_999);
    assert!(!budget.is_spent());
}

#[test]
fn an_interrupted_filling_continues_at_the_log_end() {
    let (partition, _) = partition_from(300_000);
    assert!(wakes(&partition, |p| p
        .recovered(partition.attempt(), AppendPosition { next: 0, producer_known: true })));
    let _ = take(&partition);
    partition.restart("connection lost", None);
    assert!(wakes(&partition, |p| p
        .recovered(partition.attempt(), AppendPosition { next: 100_000, producer_known: true })));
    assert_eq!(drain(&partition), [(100_000, 200_000), (200_000, 300_000)]);
    assert_eq!(plan(&partition).offset, 300_000);
}

#[test]
fn a_log_start_jump_is_filled_only_after_it_is_journaled_and_the_log_start_follows() {
    let (partition, _) = running_at(20);
    partition.destination_starts_at(0);
    partition.source_starts_at(45);
    partition.jump_to_log_start(plan(&partition), 45);
    // Nothing is fetched until the jump is in the journal
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
    let gap = partition.gap().unwrap();
    assert_eq!((gap.from, gap.to), (20, 45));
    assert!(wakes(&partition, |p| p.fill_gap(gap)));
    assert!(!wakes(&partition, |p| p.fill_gap(gap)), "once");
    assert_eq!(drain(&partition), [(20, 45)]);
    assert_eq!(plan(&partition).offset, 45);
    assert_eq!(partition.begin_trim(Instant::now()), Some(45));
    // A failed trim is tried again later
    partition.trim_failed();
    assert_eq!(partition.begin_trim(Instant::now()), None);
    assert_eq!(partition.begin_trim(Instant::now() + Duration::from_secs(1)), Some(45));
}

#[test]
fn a_log_start_jump_of_an_earlier_attempt_is_dropped() {
    let (partition, _) = running_at(20);
    partition.jump_to_log_start(plan(&partition), 45);
    let gap = partition.gap().unwrap();
    partition.restart("connection lost", None);
    assert_eq!(partition.gap(), None);
    recover(&partition, 20);
    assert!(!wakes(&partition, |p| p.fill_gap(gap)));
    assert_eq!(drain(&partition), []);
}

#[test]
fn a_trim_that_is_refused_for_good_is_reported_and_retried_at_a_longer_interval() {
    let (partition, _) = running_at(20);
    partition.destination_starts_at(0);
    partition.source_starts_at(15);
    assert_eq!(partition.begin_trim(Instant::now()), Some(15));
    partition.trim_refused("dr", 15, "TOPIC_AUTHORIZATION_FAILED");
    let told = partition.starts_where_it_should().unwrap_err();
    assert!(told.contains("offset 15") && told.contains("TOPIC_AUTHORIZATION_FAILED"), "{told}");
    assert_eq!(partition.begin_trim(Instant::now() + Duration::from_secs(5)), None);
    assert_eq!(partition.begin_trim(Instant::now() + Duration::from_secs(31)), Some(15));
    // Somebody has allowed the trim
    partition.trimmed(15);
    assert_eq!(partition.starts_where_it_should(), Ok(true));
}
