//! Tests of journals that other versions wrote.

use super::*;

/// Returns the rows of a journal with one link, written by hand.
pub(super) fn rows(configs: &str) -> Vec<Write> {
    let link = format!(
        r#"{{"name":"dr","id":"eEBkTffYSESld6EO898x3w","source_cluster_id":"","mode":"DESTINATION",
        "connection_mode":"OUTBOUND","configs":{configs},"state":"ACTIVE","error":"NO_ERROR","error_message":"",
        "generations":0,"created_ms":0,"state_ms":0}}"#
    );
    let record = format!(
        r#"{{"sequence":1,"at_ms":4102444800000,"who":"operator","why":"create","changes":[{{"put_link":{link}}}]}}"#
    );
    let mut rows = schema::first_rows();
    rows.push(Write::Put(keys::link("dr"), link.into_bytes()));
    rows.push(Write::Put(keys::journal(1).to_vec(), record.into_bytes()));
    rows
}

#[tokio::test]
async fn a_journal_of_a_version_with_other_configs_opens() {
    let disk = Memory::default();
    disk.commit(rows(r#"{"no.such.config":"plain","sasl.jaas.config":"in the clear"}"#)).unwrap();
    let disk = Arc::new(disk);
    let store = start(disk.clone()).unwrap();
    assert_eq!(store.view().links["dr"].configs["no.such.config"], "plain");
    assert_eq!(store.view().links["dr"].configs["sasl.jaas.config"], "in the clear");
    // The value that is a secret today is sealed from now on.
    let row = disk.scan(&keys::link("dr"), &keys::link("ds"), 1).unwrap().pop().unwrap().1;
    let row = String::from_utf8(row).unwrap();
    assert!(!row.contains("in the clear") && row.contains("sealed:v1:"), "{row}");
}

#[tokio::test]
async fn rows_of_a_newer_version_are_reported_as_newer_not_damaged() {
    let damage = |from: &str, to: &str| {
        let disk = Memory::default();
        disk.commit(rows("{}")).unwrap();
        let row = disk.scan(&keys::link("dr"), &keys::link("ds"), 1).unwrap().pop().unwrap().1;
        let row = String::from_utf8(row).unwrap().replace(from, to);
        disk.commit(vec![Write::Put(keys::link("dr"), row.into_bytes())]).unwrap();
        start(Arc::new(disk)).unwrap_err()
    };
    let newer = damage("ACTIVE", "HIBERNATING");
    assert!(matches!(newer, StoreError::NewerRow(_)), "{newer}");
    let text = newer.to_string();
    assert!(
        text.contains("newer version") && text.contains("link dr") && text.contains("HIBERNATING"),
        "{text}"
    );
    for (from, to) in [("\"generations\":0,", ""), ("\"state\"", "state"), ("0", "x")] {
        let error = damage(from, to);
        assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
    }
}
