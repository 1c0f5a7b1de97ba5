//! Tests of the creation of a journal, and of its refusal.

use super::*;

#[tokio::test]
async fn an_interrupted_first_start_is_completed() {
    let dir = tempfile::tempdir().unwrap();
    Sealer::prepare_key(dir.path()).unwrap();
    fs::create_dir(dir.path().join("journal.new")).unwrap();
    fs::write(dir.path().join("journal.new/LOCK"), "").unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert!(store.is_new());
    assert_eq!(put_link(&store, sample::link("dr")).await.unwrap(), 1);
    drop(store);

    // A start that died between the journal and its key is completed too.
    fs::rename(dir.path().join(seal::KEY_FILE), dir.path().join(seal::NEW_KEY_FILE)).unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert!(!store.is_new() && store.view().links.contains_key("dr"));
}

#[tokio::test]
async fn a_lost_journal_is_not_replaced_by_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    drop(Store::open(&state).unwrap());
    let key = fs::read(state.join(seal::KEY_FILE)).unwrap();

    // The directory of the journal is gone, but its key is there
    fs::rename(state.join("journal"), dir.path().join("aside")).unwrap();
    assert!(matches!(Store::open(&state), Err(StoreError::Missing { .. })));
    assert_eq!(fs::read(state.join(seal::KEY_FILE)).unwrap(), key);
    assert!(!state.join("journal").exists());
    // The journal was moved aside within the state directory
    fs::remove_file(state.join(seal::KEY_FILE)).unwrap();
    fs::rename(dir.path().join("aside"), state.join("journal.lost")).unwrap();
    assert!(matches!(Store::open(&state), Err(StoreError::Missing { .. })));

    // With `create: false`, an empty directory and a missing one are refused too
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    for place in [empty, dir.path().join("absent")] {
        let options = StoreOptions { create: false, ..StoreOptions::new(&place) };
        let error = Store::open_with(&options).unwrap_err();
        assert!(matches!(error, StoreError::Missing { .. }), "{error}");
        assert!(!place.join("journal").exists() && !place.join(seal::KEY_FILE).exists());
    }
    assert!(!dir.path().join("absent").exists());
}

#[tokio::test]
async fn directories_writable_by_others_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open(dir.path(), 0o775);
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Unsafe { .. })));
    open(dir.path(), 0o755);
    open(&dir.path().join("journal"), 0o777);
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Unsafe { .. })));
    open(&dir.path().join("journal"), 0o755);
    drop(Store::open(dir.path()).unwrap());
    for path in [dir.path().to_path_buf(), dir.path().join("journal")] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
