//! Tests of trimming and reading the history.

use super::*;

#[tokio::test]
async fn history_is_trimmed_by_size_and_the_view_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let limit = 64 << 10;
    let options =
        StoreOptions { retention: Retention { age: None, bytes: limit }, ..StoreOptions::new(dir.path()) };
    let store = Store::open_with(&options).unwrap();
    let first = sample::link("first");
    let _ = put_link(&store, first.clone()).await.unwrap();
    // A source that becomes available and unavailable again and again
    let mut link = sample::link("flapping");
    for round in 0..2_000_i64 {
        link.state_ms = round;
        link.error_message = format!("{round} {}", "x".repeat(200));
        let _ = put_link(&store, link.clone()).await.unwrap();
    }
    store.tidy().await.unwrap();
    let _ = put_link(&store, link.clone()).await.unwrap();
    let total: u64 = fs::read_dir(dir.path().join("journal"))
        .unwrap()
        .map(|file| file.unwrap())
        .filter(|file| {
            file.file_name() != "LOG" && !file.file_name().to_string_lossy().starts_with("LOG.old")
        })
        .map(|file| file.metadata().unwrap().len())
        .sum();
    assert!(total < limit * 6, "{total} bytes");
    drop(store);

    let store = Store::open_with(&options).unwrap();
    assert_eq!(store.view().sequence, 2_002);
    assert_eq!(store.view().links["first"], first);
    assert_eq!(store.view().links["flapping"], link);
    let records = store.journal(0, usize::MAX).await.unwrap();
    let before = records[0].sequence - 1;
    assert!(before > 1_500, "{before}");
    invariant::view_ends_as_replay(before, &records, &store.view()).unwrap();
    // Transactions continue with the next sequence.
    assert_eq!(put_link(&store, sample::link("next")).await.unwrap(), 2_003);
}

#[tokio::test]
async fn history_is_trimmed_by_age_but_never_the_last_record() {
    let disk = Memory::default();
    disk.commit(schema::first_rows()).unwrap();
    let link = sample::link("dr");
    let row = serde_json::to_vec(&link).unwrap();
    disk.commit(vec![Write::Put(keys::link("dr"), row)]).unwrap();
    for sequence in 1..=700_u64 {
        let record = crate::model::Record {
            sequence,
            at_ms: i64::try_from(sequence).unwrap(),
            who: String::new(),
            why: String::new(),
            changes: vec![Change::PutLink(link.clone())],
            summary: Vec::new(),
            omitted: 0,
        };
        let row = serde_json::to_vec(&record).unwrap();
        disk.commit(vec![Write::Put(keys::journal(sequence).to_vec(), row)]).unwrap();
    }
    let disk = Arc::new(disk);
    let store = start(disk.clone()).unwrap();
    let records = store.journal(0, usize::MAX).await.unwrap();
    assert_eq!(records.iter().map(|record| record.sequence).collect::<Vec<_>>(), [700]);
    drop(store);
    // A missing record is still detected.
    disk.commit(vec![Write::Delete(keys::journal(700).to_vec())]).unwrap();
    disk.commit(vec![Write::Put(keys::journal(701).to_vec(), vec![])]).unwrap();
    let error = start(disk).unwrap_err();
    assert!(matches!(error, StoreError::Invariant(broken) if broken.name == "journal-is-gapless"));
}

#[tokio::test]
async fn history_is_read_from_its_end() {
    let store = Store::in_memory().unwrap();
    for index in 0..100 {
        let _ = put_link(&store, sample::link(&format!("link-{index}"))).await.unwrap();
    }
    let sequences = async |before, limit| {
        let records = store.latest(before, limit).await.unwrap();
        records.iter().map(|record| record.sequence).collect::<Vec<_>>()
    };
    assert_eq!(sequences(None, 3).await, [100, 99, 98]);
    assert_eq!(sequences(Some(98), 2).await, [97, 96]);
    assert_eq!(sequences(Some(3), 10).await, [2, 1]);
    assert_eq!(sequences(Some(1), 10).await, [0; 0]);
    assert_eq!(sequences(Some(0), 10).await, [0; 0]);
    assert_eq!(sequences(Some(u64::MAX), 1).await, [100]);
    assert_eq!(sequences(None, usize::MAX).await.len(), 100);
}

#[tokio::test]
async fn texts_from_others_are_clipped() {
    let store = Store::in_memory().unwrap();
    let long = "\u{1b}[31m".repeat(10_000);
    let change = vec![Change::PutLink(sample::link("dr"))];
    store.transact(&long, &long, |_, _| Ok::<_, String>((change, ()))).await.unwrap();
    let record = store.latest(None, 1).await.unwrap().pop().unwrap();
    assert!(record.who.chars().count() <= 256 && record.why.chars().count() <= 512);
    assert!(!record.why.contains('\u{1b}'));
    assert_eq!(record.summary[0].name, "dr");
}
