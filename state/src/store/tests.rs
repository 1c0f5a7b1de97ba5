use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::backend::{Row, Write};
use super::keys::KeyKind;
use super::*;
use crate::invariant;
use crate::model::{Link, sample};

mod first_start;
mod golden;
mod history;
mod secrets;
mod versions;

fn start(backend: Arc<dyn Backend>) -> Result<Store, StoreError> {
    Store::start(backend, Sealer::ephemeral(), Retention::default(), None, false)
}

/// Creates a key like a start does.
fn make_key(dir: &Path) {
    Sealer::prepare_key(dir).unwrap();
    Sealer::adopt_key(dir).unwrap();
}

async fn put_link(store: &Store, link: Link) -> Result<u64, TransactError<String>> {
    let change = Change::PutLink(link);
    store.transact("test", "put", move |view, _| Ok((vec![change], view.sequence + 1))).await
}

/// Commits one link after another in a directory, and prints each acknowledged sequence to stderr.
/// `every_acknowledged_record_survives_a_kill` runs this as a child process.
#[tokio::test]
async fn child_that_commits() {
    let Ok(dir) = std::env::var("LINKGATE_TEST_CHILD_DIR") else { return };
    let store = Store::open(Path::new(&dir)).unwrap();
    loop {
        let link = sample::link(&format!("link-{}", store.view().sequence % 5));
        let sequence = put_link(&store, link).await.unwrap();
        use std::io::Write as _;
        let mut out = std::io::stderr().lock();
        writeln!(out, "acknowledged {sequence}").unwrap();
    }
}

#[tokio::test]
async fn every_acknowledged_record_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..4_u64 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::child_that_commits", "--nocapture"])
            .env("LINKGATE_TEST_CHILD_DIR", dir.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
        let mut killed = false;
        for line in lines.map_while(Result::ok) {
            if let Some(sequence) = line.strip_prefix("acknowledged ") {
                acknowledged = sequence.parse::<u64>().unwrap();
            }
            if !killed && acknowledged >= (round + 1) * 7 {
                child.kill().unwrap();
                killed = true;
            }
        }
        let _ = child.wait().unwrap();
        assert!(killed, "the child ended by itself after {acknowledged}");

        let store = Store::open(dir.path()).unwrap();
        let view = store.view();
        // There may be one more record than acknowledged: it was committed when the kill came.
        assert!(
            (acknowledged..=acknowledged + 1).contains(&view.sequence),
            "{acknowledged} {}",
            view.sequence
        );
        let records = store.journal(1, usize::MAX).await.unwrap();
        invariant::view_is_replay(&records, &view).unwrap();
    }
}

#[tokio::test]
async fn reopening_keeps_everything() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("deep/state");
    let mut link = sample::link("dr");
    link.generations = 1;
    drop(link.configs.insert("bootstrap.servers".into(), "src:9092".into()));
    drop(link.configs.insert("sasl.jaas.config".into(), "the-hidden-word".into()));
    let before = {
        let store = Store::open(&state).unwrap();
        assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
        let (gone, mirror) = (sample::link("gone"), sample::mirror("dr", "users"));
        let changes = vec![Change::PutLink(link), Change::PutLink(gone), Change::PutMirror(mirror)];
        store.transact("rest", "set up", move |_, _| Ok::<_, String>((changes, ()))).await.unwrap();
        let remove = vec![Change::RemoveLink("gone".into())];
        store.transact("rest", "clean", move |_, _| Ok::<_, String>((remove, ()))).await.unwrap();
        store.view()
    };

    let store = Store::open(&state).unwrap();

    assert_eq!(*store.view(), *before);
    assert_eq!(store.view().sequence, 2);
    assert_eq!(store.view().links["dr"].configs["sasl.jaas.config"], "the-hidden-word");
    let records = store.journal(1, 10).await.unwrap();
    invariant::view_is_replay(&records, &store.view()).unwrap();
    assert_eq!((records[1].who.as_str(), records[1].why.as_str()), ("rest", "clean"));
    assert_eq!(store.journal(2, 10).await.unwrap(), records[1..]);
    assert_eq!(store.journal(1, 1).await.unwrap(), records[..1]);
}

#[tokio::test]
async fn sealed_values_do_not_occur_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut link = sample::link("dr");
    drop(link.configs.insert("bootstrap.servers".into(), "visible-host:9092".into()));
    for name in ["sasl.jaas.config", "ssl.keystore.key", "local.ssl.key.password"] {
        drop(link.configs.insert(name.into(), "the-hidden-word".into()));
    }
    let _ = put_link(&store, link).await.unwrap();
    drop(store);

    let mut seen = false;
    for file in files(dir.path()) {
        let bytes = fs::read(&file).unwrap();
        let has = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
        assert!(!has(b"the-hidden-word"), "{}", file.display());
        seen |= has(b"visible-host:9092");
    }
    assert!(seen, "the search must be able to find something");
}

#[tokio::test]
async fn a_second_process_and_a_wrong_key_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut link = sample::link("dr");
    drop(link.configs.insert("sasl.jaas.config".into(), "the-hidden-word".into()));
    let _ = put_link(&store, link).await.unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Locked { .. })));
    drop(store);

    let key = dir.path().join(seal::KEY_FILE);
    fs::rename(&key, dir.path().join("aside")).unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::KeyFile { .. })));
    make_key(dir.path());
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn a_foreign_or_damaged_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let foreign = dir.path().join("foreign");
    fs::create_dir_all(foreign.join("journal")).unwrap();
    fs::write(foreign.join("journal/notes.txt"), "not ours").unwrap();
    make_key(&foreign);
    assert!(matches!(Store::open(&foreign), Err(StoreError::Foreign { .. })));

    let damaged = dir.path().join("damaged");
    let store = Store::open(&damaged).unwrap();
    for index in 0..20 {
        let _ = put_link(&store, sample::link(&format!("link-{index}"))).await.unwrap();
    }
    drop(store);
    let log = files(&damaged).into_iter().find(|file| file.extension().is_some_and(|e| e == "log")).unwrap();
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&log, bytes).unwrap();
    assert!(matches!(Store::open(&damaged), Err(StoreError::Database(_) | StoreError::Corrupt(_))));
}

#[tokio::test]
async fn a_refusal_and_an_empty_list_write_nothing() {
    let store = Store::in_memory().unwrap();
    let mut news = store.watch();
    let refused: Result<(), _> = store.transact("test", "no", |_, _| Err("no such thing")).await;
    assert!(matches!(refused, Err(TransactError::Refused("no such thing"))));
    let answer =
        store.transact("test", "look", |view, now| Ok::<_, ()>((vec![], (view.sequence, now)))).await;
    let (sequence, now) = answer.unwrap();
    assert!(sequence == 0 && now > 1_700_000_000_000);
    assert!(!news.has_changed().unwrap());
    let _ = put_link(&store, sample::link("dr")).await.unwrap();
    assert_eq!(*news.borrow_and_update(), 1);
}

#[tokio::test]
async fn a_change_that_breaks_an_invariant_is_refused_and_leaves_no_trace() {
    let store = Store::in_memory().unwrap();
    let _ = put_link(&store, sample::link("dr")).await.unwrap();
    // The link has begun no generation, so no mirror can have one.
    let change = Change::PutMirror(sample::mirror("dr", "users"));
    let result = store.transact("test", "bad", move |_, _| Ok::<_, String>((vec![change], ()))).await;
    assert!(matches!(result, Err(TransactError::Store(StoreError::Invariant(_)))));
    assert_eq!(store.view().sequence, 1);
    assert_eq!(put_link(&store, sample::link("other")).await.unwrap(), 2);
}

#[tokio::test]
async fn a_panic_in_a_transaction_does_not_stop_the_writer() {
    let store = Store::in_memory().unwrap();
    let result: Result<(), TransactError<String>> =
        store.transact("test", "panic", |_, _| panic!("on purpose")).await;
    assert!(matches!(result, Err(TransactError::Store(StoreError::WriterGone))));
    assert_eq!(put_link(&store, sample::link("dr")).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_transactions_see_each_other_in_order() {
    let store = Store::in_memory().unwrap();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let count = |view: &View, _| {
                    let mut link = view.links.get("dr").cloned().unwrap_or_else(|| sample::link("dr"));
                    link.generations += 1;
                    Ok::<_, String>((vec![Change::PutLink(link)], ()))
                };
                store.transact("test", "count", count).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.view().links["dr"].generations, 50);
    let records = store.journal(1, usize::MAX).await.unwrap();
    invariant::view_is_replay(&records, &store.view()).unwrap();
}

/// A disk that fails on demand, after it has written the rows.
#[derive(Default)]
struct FailingDisk {
    rows: Memory,
    fails: AtomicBool,
}

impl Backend for FailingDisk {
    fn scan(&self, from: &[u8], until: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        self.rows.scan(from, until, limit)
    }

    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.rows.commit(writes)?;
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError::Database("disk full".into()));
        }
        Ok(())
    }

    fn reopen(&self) -> Result<(), StoreError> {
        if self.fails.load(Ordering::SeqCst) { Err(StoreError::Database("disk full".into())) } else { Ok(()) }
    }

    fn sweep(&self) -> Result<(), StoreError> {
        self.rows.sweep()
    }

    fn copy(&self, into: &Path) -> Result<(), StoreError> {
        self.rows.copy(into)
    }
}

#[tokio::test]
async fn after_a_failed_commit_nothing_is_written_until_the_disk_was_read_again() {
    let disk = Arc::new(FailingDisk::default());
    disk.commit(schema::first_rows()).unwrap();
    let store = start(disk.clone()).unwrap();
    disk.fails.store(true, Ordering::SeqCst);
    let failed = put_link(&store, sample::link("dr")).await;
    assert!(matches!(failed, Err(TransactError::Store(StoreError::Database(_)))));
    // Immediately, and while the disk is full
    for _ in 0..2 {
        let next = put_link(&store, sample::link("dr")).await;
        assert!(matches!(next, Err(TransactError::Store(StoreError::Poisoned(_)))));
        assert!(store.trouble(Duration::MAX).unwrap().contains("disk full"));
        assert_eq!(store.view().sequence, 0);
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    }

    disk.fails.store(false, Ordering::SeqCst);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    put_link(&store, sample::link("second")).await.unwrap();

    assert_eq!(store.trouble(Duration::from_secs(60)), None);
    // Then the rows of the failed commit are there, and the journal has no gap
    assert_eq!(store.view().links.keys().collect::<Vec<_>>(), ["dr", "second"]);
    let records = store.journal(1, usize::MAX).await.unwrap();
    invariant::view_is_replay(&records, &store.view()).unwrap();
}

#[tokio::test]
async fn a_database_can_be_reopened_while_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    put_link(&store, sample::link("dr")).await.unwrap();
    store.0.backend.as_ref().unwrap().reopen().unwrap();
    put_link(&store, sample::link("second")).await.unwrap();
    drop(store);
    assert_eq!(Store::open(dir.path()).unwrap().view().links.len(), 2);
}

#[test]
fn a_gap_in_the_journal_is_found_at_open() {
    let disk = Memory::default();
    disk.commit(schema::first_rows()).unwrap();
    for sequence in [1, 3] {
        disk.commit(vec![Write::Put(keys::journal(sequence).to_vec(), vec![])]).unwrap();
    }
    let error = start(Arc::new(disk)).unwrap_err();
    assert!(matches!(error, StoreError::Invariant(broken) if broken.name == "journal-is-gapless"));
}

#[test]
fn a_view_of_more_than_one_page_is_read_whole() {
    let disk = Memory::default();
    disk.commit(schema::first_rows()).unwrap();
    let mut expected = BTreeMap::new();
    for index in 0..2_500 {
        let mirror = sample::mirror("dr", &format!("topic-{index}"));
        let row = serde_json::to_vec(&mirror).unwrap();
        let record = crate::model::Record {
            sequence: index + 1,
            at_ms: i64::MAX,
            who: String::new(),
            why: String::new(),
            changes: vec![Change::PutMirror(mirror.clone())],
            summary: Vec::new(),
            omitted: 0,
        };
        let record = serde_json::to_vec(&record).unwrap();
        disk.commit(vec![
            Write::Put(keys::mirror(&mirror.topic), row),
            Write::Put(keys::journal(index + 1).to_vec(), record),
        ])
        .unwrap();
        drop(expected.insert(mirror.topic.clone(), mirror));
    }
    let store = start(Arc::new(disk)).unwrap();
    assert_eq!(store.view().mirrors, expected);
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
