//! Tests of where secrets are in the files, and when they disappear from them.

use super::versions::rows;
use super::*;
use crate::model::HIDDEN;

/// Returns the contents of all files below a directory.
fn bytes_below(dir: &Path) -> Vec<u8> {
    files(dir).into_iter().flat_map(|file| fs::read(file).unwrap()).collect()
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Returns the sealed forms of all secrets of a link, from its row.
fn sealed_forms(store: &Store, link: &str) -> Vec<String> {
    let backend = store.0.backend.as_ref().unwrap();
    let row = backend.scan(&keys::link(link), &KeyKind::Link.upper(), 1).unwrap().pop().unwrap().1;
    let link: Link = serde_json::from_slice(&row).unwrap();
    link.configs.values().filter(|value| value.starts_with("sealed:v1:")).cloned().collect()
}

fn with_secret(link: &Link, secret: &str) -> Link {
    let mut link = link.clone();
    drop(link.configs.insert("sasl.jaas.config".into(), secret.into()));
    link
}

#[tokio::test]
async fn replaced_and_deleted_secrets_are_removed_from_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let link = sample::link("dr");
    let _ = put_link(&store, with_secret(&link, "the first word")).await.unwrap();
    let first = sealed_forms(&store, "dr");
    assert!(holds(&bytes_below(dir.path()), &first[0]), "the search must be able to find something");
    let _ = put_link(&store, with_secret(&link, "the second word")).await.unwrap();
    let second = sealed_forms(&store, "dr");
    // The writer tidies up before it takes the next transaction.
    let _ = put_link(&store, sample::link("other")).await.unwrap();
    let bytes = bytes_below(dir.path());
    assert!(!holds(&bytes, &first[0]) && holds(&bytes, &second[0]));

    let gone = vec![Change::RemoveLink("dr".into())];
    store.transact("test", "delete", |_, _| Ok::<_, String>((gone, ()))).await.unwrap();
    let _ = put_link(&store, sample::link("other")).await.unwrap();
    assert!(!holds(&bytes_below(dir.path()), &second[0]));

    // The history shows that there was a secret.
    let records = store.journal(1, 1).await.unwrap();
    let Change::PutLink(told) = &records[0].changes[0] else { panic!("{records:?}") };
    assert_eq!(told.configs["sasl.jaas.config"], HIDDEN);
}

#[tokio::test]
async fn secrets_in_records_of_an_earlier_version_are_removed_at_open() {
    let disk = Memory::default();
    disk.commit(rows(r#"{"sasl.jaas.config":"sealed:v1:old"}"#)).unwrap();
    // Remove the link's row: its sealed value does not open with the key of this store.
    disk.commit(vec![Write::Delete(keys::link("dr"))]).unwrap();
    let gone = r#"{"sequence":2,"at_ms":4102444800000,"who":"operator","why":"delete","changes":[{"remove_link":"dr"}]}"#;
    disk.commit(vec![Write::Put(keys::journal(2).to_vec(), gone.into())]).unwrap();
    let disk = Arc::new(disk);
    let store = start(disk.clone()).unwrap();
    let record = disk.scan(&keys::journal(1), &keys::journal(2), 1).unwrap().pop().unwrap().1;
    assert!(!holds(&record, "sealed:v1:") && holds(&record, HIDDEN));
    assert_eq!(store.journal(1, 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn certificates_in_the_clear_are_read_and_then_sealed() {
    let disk = Memory::default();
    disk.commit(rows(r#"{"ssl.truststore.certificates":"a certificate"}"#)).unwrap();
    let store = start(Arc::new(disk)).unwrap();
    assert_eq!(store.view().links["dr"].configs["ssl.truststore.certificates"], "a certificate");
    assert_eq!(sealed_forms(&store, "dr").len(), 1);
}
