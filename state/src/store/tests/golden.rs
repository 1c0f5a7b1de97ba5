//! Journals that released versions wrote, kept as files. Every later version must open them and lose nothing
//! of them.
//!
//! `golden/VERSION/rows.json` holds all rows as JSON, `golden/VERSION/state/` the same journal as a state
//! directory. To make a new one, run `LINKGATE_GOLDEN=VERSION cargo test --workspace --lib golden_journal`,
//! once for each release that stores something new. Golden journals of releases are never written again.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::*;
use crate::model::{
    Fencing, JournalIdentity, Jump, LinkError, LinkState, MirrorError, MirrorState, MirrorTopic, StopKind,
    TopicRequest,
};

/// Key that the secrets of all golden journals are sealed with.
const KEY: [u8; 32] = *b"a key for tests, known to anyone";
/// The secret that is sealed in them.
const SECRET: &str = "the word of the golden journal";

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Returns links and mirror topics in which every field has a distinct value, and every stored word occurs.
fn specimens() -> (Vec<Link>, Vec<MirrorTopic>) {
    let id = |index: usize| format!("00000000-0000-4000-8000-{index:012}").parse().unwrap();
    let states = [LinkState::Active, LinkState::Paused, LinkState::Unavailable, LinkState::Failed];
    let errors = [
        LinkError::NoError,
        LinkError::AuthenticationError,
        LinkError::UnresolvableBootstrapError,
        LinkError::BootstrapTcpConnectionFailedError,
        LinkError::TimeoutError,
        LinkError::Unknown,
    ];
    let links = errors.into_iter().enumerate().map(|(index, error)| {
        let mut link = sample::link(&format!("link-{index}"));
        link.id = id(index);
        link.source_cluster_id = "source-cluster".into();
        link.configs = [
            ("bootstrap.servers", "source:9092"),
            ("sasl.jaas.config", SECRET),
            ("local.listener.name", "sealed:v1:but a plain value"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        link.state = states[index % states.len()];
        link.error = error;
        link.error_message = "what went wrong".into();
        link.generations = 100;
        link.created_ms = 1_796_000_000_001;
        link.state_ms = 1_796_000_000_002;
        link
    });
    let failures = [
        MirrorError::NoError,
        MirrorError::SourceTopicMayBeDeleted,
        MirrorError::SourceTopicIdChanged,
        MirrorError::SourcePartitionsDecreased,
        MirrorError::UnexpectedTruncation,
        MirrorError::UnsupportedMessageFormat,
        MirrorError::NonMonotonicSourceEpoch,
        MirrorError::IllegalState,
        MirrorError::UnsupportedMirrorState,
        MirrorError::Unknown,
    ];
    let failed = failures.map(|error| MirrorState::Failed {
        error,
        reason: "offset 7: a reason".into(),
        partition: Some(3),
    });
    let states = [
        MirrorState::PendingMirror,
        MirrorState::Active,
        MirrorState::Paused,
        MirrorState::PendingStopped { stop: StopKind::Promote },
        MirrorState::PendingStopped { stop: StopKind::Failover },
        MirrorState::Stopped { stop: StopKind::Promote, log_end_offsets: vec![5, 6] },
        MirrorState::Stopped { stop: StopKind::Failover, log_end_offsets: vec![7] },
    ];
    let mirrors = states.into_iter().chain(failed).enumerate().map(|(index, state)| {
        let mut mirror = sample::mirror("link-0", &format!("topic-{index:02}"));
        mirror.source_topic = format!("source-topic-{index:02}");
        mirror.source_topic_id = id(index + 100);
        mirror.local_topic_id = id(index + 200);
        mirror.generation = u32::try_from(index).unwrap();
        mirror.partitions = 6;
        mirror.stopped_sequence = 2;
        mirror.state = state;
        mirror.state_ms = 1_796_000_000_003;
        mirror.requested = TopicRequest {
            replication_factor: Some(2),
            configs: BTreeMap::from([("retention.ms".to_owned(), "7".to_owned())]),
        };
        mirror.start_offsets = vec![8, 9];
        mirror.fencing = match index % 3 {
            0 => Fencing::NotYet,
            1 => Fencing::Begun,
            _ => Fencing::Done { log_end_offsets: vec![13] },
        };
        mirror.source_configs = BTreeMap::from([("compression.type".to_owned(), "lz4".to_owned())]);
        mirror.left_undone = vec!["what was left".into()];
        mirror.jumps = BTreeMap::from([(1, Jump { from: 10, to: 11, at_ms: 1_796_000_000_004, count: 12 })]);
        mirror
    });
    (links.collect(), mirrors.collect())
}

/// Runs the transactions that make a golden journal.
async fn fill(store: &Store) {
    let (links, mirrors) = specimens();
    let put = |changes: Vec<Change>| async move {
        store.transact("operator", "because", |_, _| Ok::<_, String>((changes, ()))).await.unwrap();
    };
    let id = "00000000-0000-4000-8000-000000000999".parse().unwrap();
    let destination_cluster_id = "destination-cluster".to_owned();
    put(vec![Change::PutIdentity(JournalIdentity { id, destination_cluster_id })]).await;
    let altered = Link { error_message: "what goes wrong".into(), ..links[1].clone() };
    put(links.into_iter().map(Change::PutLink).chain(mirrors.into_iter().map(Change::PutMirror)).collect())
        .await;
    put(vec![Change::PutLink(altered)]).await;
    put(vec![Change::RemoveLink("link-5".into()), Change::RemoveMirror("topic-16".into())]).await;
}

/// Returns all rows, in key order. Secrets are sealed with other nonces each time.
fn rows_of(store: &Store) -> Value {
    let rows = store.0.backend.as_ref().unwrap().scan(&[0], &[0xff], usize::MAX).unwrap();
    let rows = rows.iter().map(|(key, value)| {
        let value = serde_json::from_slice(value).unwrap_or_else(|_| serde_json::to_value(value).unwrap());
        let key: String = key.iter().flat_map(|byte| byte.escape_ascii().map(char::from)).collect();
        (key, value)
    });
    Value::Object(rows.collect::<Map<_, _>>())
}

fn write_key(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    seal::write_key(&dir.join(seal::KEY_FILE), &KEY).unwrap();
}

/// Makes a golden journal on request.
#[tokio::test]
async fn golden_journal_is_made_on_demand() {
    let Ok(version) = std::env::var("LINKGATE_GOLDEN") else { return };
    let into = golden().join(version);
    assert!(!into.exists(), "{} is there and is never written again", into.display());
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    write_key(dir.path());
    let store = Store::open(dir.path()).unwrap();
    fill(&store).await;
    fs::create_dir_all(into.join("state/journal")).unwrap();
    let rows = serde_json::to_string_pretty(&rows_of(&store)).unwrap();
    fs::write(into.join("rows.json"), rows + "\n").unwrap();
    let backup = store.backup(None).await.unwrap();
    for file in files(&backup.path.join("journal")) {
        let _ = fs::copy(&file, into.join("state/journal").join(file.file_name().unwrap())).unwrap();
    }
}

fn versions() -> Vec<PathBuf> {
    let found: Vec<PathBuf> = fs::read_dir(golden()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!found.is_empty());
    found
}

/// Copies a golden state directory, with the file modes that a version control system does not keep.
fn state_of(version: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("journal")).unwrap();
    for file in files(&version.join("state/journal")) {
        let _ = fs::copy(&file, dir.path().join("journal").join(file.file_name().unwrap())).unwrap();
    }
    write_key(dir.path());
    dir
}

/// Checks that `now` has everything that `golden` has. It may have more.
fn holds_all(golden: &Value, now: &Value, path: &str) {
    match (golden, now) {
        (Value::Object(golden), Value::Object(now)) => {
            for (name, value) in golden {
                let now = now.get(name).unwrap_or_else(|| panic!("{path}/{name} is lost"));
                holds_all(value, now, &format!("{path}/{name}"));
            }
        }
        // It was sealed again, with another nonce.
        (Value::String(golden), Value::String(now)) if golden.starts_with("sealed:v") => {
            assert!(now.starts_with("sealed:v"), "{path}: {now}");
        }
        _ => assert_eq!(golden, now, "{path}"),
    }
}

/// Reads every row of a journal, and writes it again with this version.
fn rewritten(store: &Store) -> Value {
    let backend = store.0.backend.as_ref().unwrap();
    let sealer = Sealer::open_key(&KEY);
    let mut rows = Map::new();
    let mut add = |write: Write| {
        let Write::Put(key, value) = write else { panic!("{write:?}") };
        let key: String = key.iter().flat_map(|byte| byte.escape_ascii().map(char::from)).collect();
        drop(rows.insert(key, serde_json::from_slice(&value).unwrap()));
    };
    for record in codec::read_journal(backend.as_ref(), 0, usize::MAX).unwrap() {
        add(codec::record_row(&record).unwrap().0);
    }
    let view = store.view();
    view.links.values().for_each(|link| add(codec::link_row(link, &sealer).unwrap()));
    for mirror in view.mirrors.values() {
        add(Write::Put(keys::mirror(&mirror.topic), serde_json::to_vec(mirror).unwrap()));
    }
    let identity = view.identity.as_ref().unwrap();
    add(Write::Put(keys::identity(), serde_json::to_vec(identity).unwrap()));
    Value::Object(rows)
}

#[test]
fn every_golden_journal_opens_and_nothing_stored_in_it_is_lost() {
    for version in versions() {
        let dir = state_of(&version);
        // Keep the records, however old they are.
        let retention = Retention { age: None, ..Retention::default() };
        let store = Store::open_with(&StoreOptions { retention, ..StoreOptions::new(dir.path()) }).unwrap();
        let text = fs::read_to_string(version.join("rows.json")).unwrap();
        let mut golden: Value = serde_json::from_str(&text).unwrap();
        let schema = golden.as_object_mut().unwrap().remove("\\x01").unwrap();
        assert_eq!(schema, serde_json::json!([0, 0, 0, 1]));
        holds_all(&golden, &rewritten(&store), &version.display().to_string());

        let view = store.view();
        assert_eq!((view.sequence, view.links.len(), view.mirrors.len()), (4, 5, 16));
        for link in view.links.values() {
            assert_eq!(link.configs["sasl.jaas.config"], SECRET);
            assert_eq!(link.configs["local.listener.name"], "sealed:v1:but a plain value");
        }
    }
}

/// Checks that every stored field is in a golden journal. Otherwise no test protects its name.
#[tokio::test]
async fn the_golden_journals_hold_every_field_that_is_stored() {
    let store = Store::in_memory().unwrap();
    fill(&store).await;
    let mut known = std::collections::BTreeSet::new();
    for version in versions() {
        let text = fs::read_to_string(version.join("rows.json")).unwrap();
        paths(&serde_json::from_str(&text).unwrap(), "", &mut known);
    }
    let mut stored = std::collections::BTreeSet::new();
    paths(&rows_of(&store), "", &mut stored);
    let missing: Vec<&String> = stored.difference(&known).collect();
    assert!(missing.is_empty(), "make a golden journal for the next version (see above): {missing:#?}");
}

/// Collects the paths of all fields, without the names of links, topics and records and without list
/// positions.
fn paths(value: &Value, path: &str, into: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_key = name.starts_with(['\\', ' ', '0', '@']);
                paths(value, &if is_key { format!("{path}/*") } else { format!("{path}/{name}") }, into);
            }
        }
        Value::Array(all) => all.iter().for_each(|value| paths(value, &format!("{path}[]"), into)),
        Value::String(word) if word.chars().all(|c| c.is_ascii_uppercase() || c == '_') => {
            let _ = into.insert(format!("{path}={word}"));
        }
        _ => drop(into.insert(path.to_owned())),
    }
}
