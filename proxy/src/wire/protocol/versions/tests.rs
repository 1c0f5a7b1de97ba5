use kafka_protocol::messages::ApiKey;

use crate::wire::protocol::versions::*;

#[test]
fn rows_are_sorted_and_sane() {
    assert!(APIS.windows(2).all(|pair| pair[0].key < pair[1].key));
    assert!(APIS.iter().all(|api| 0 <= api.min && api.min <= api.max));
    assert_eq!(supported(FETCH, 3), None);
    assert_eq!(supported(FETCH, 18).unwrap().name, "Fetch");
    assert_eq!(supported(FETCH, 19), None);
    assert_eq!(supported(4, 0), None);
    assert_eq!(supported(-1, 0), None);
}

/// Apis whose messages the gateway reads and writes without the codec.
const OWN: [i16; 5] = [FETCH, SASL_HANDSHAKE, WRITE_TXN_MARKERS, SHARE_FETCH, SHARE_ACKNOWLEDGE];

/// The codec must be able to decode all versions that the gateway decodes, and both must agree on which
/// versions are flexible.
#[test]
fn the_table_agrees_with_the_codec() {
    for row in APIS {
        let Ok(key) = ApiKey::try_from(row.key) else { continue };
        assert_eq!(format!("{key:?}"), row.name);
        let codec = key.valid_versions();
        for version in codec.min.max(row.min)..=codec.max.min(row.max) {
            let flexible = key.request_header_version(version) == 2;
            assert_eq!(row.is_flexible(version), flexible, "{} v{version}", row.name);
            let flexible = key.response_header_version(version) == 1;
            assert_eq!(row.has_flexible_response_header(version), flexible, "{} v{version}", row.name);
        }
        if row.treatment != Treatment::Pass && !OWN.contains(&row.key) {
            let least = if row.key == PRODUCE { PRODUCE_READABLE_FROM } else { row.min };
            assert!(codec.min <= least && row.max <= codec.max, "{}", row.name);
        }
    }
}

/// Lists the differences between the table and the codec. A change of either fails this test, so that
/// somebody checks it.
#[test]
fn the_differences_from_the_codec_are_known() {
    let beyond: Vec<_> = APIS
        .iter()
        .filter_map(|row| {
            let known = ApiKey::try_from(row.key).map_or(-1, |key| key.valid_versions().max);
            (row.max != known).then(|| format!("{} {known} -> {}", row.name, row.max))
        })
        .collect();
    assert_eq!(
        beyond,
        [
            "ListOffsets 10 -> 11",
            "AddPartitionsToTxn 5 -> 3",
            "WriteTxnMarkers 1 -> 2",
            "DescribeLogDirs 4 -> 5",
            "ShareFetch 1 -> 2",
            "ShareAcknowledge 1 -> 2",
            "AddRaftVoter 0 -> 1",
            "StreamsGroupHeartbeat -1 -> 0",
            "StreamsGroupDescribe -1 -> 0",
            "DescribeShareGroupOffsets 0 -> 1",
        ]
    );
    let absent: Vec<_> = ApiKey::iter().map(|key| key as i16).filter(|key| api(*key).is_none()).collect();
    assert_eq!(absent, [52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82, 83, 84, 85, 86, 87]);
}

/// `UPDATE_EXPECT=1 cargo test --workspace --lib versions` rewrites the rows in the documentation.
#[test]
fn the_documentation_has_the_same_rows() {
    const BEGIN: &str = "| Key | API | Versions | What Linkgate does |\n|---|---|---|---|\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol-support.md");
    let rows: String = APIS
        .iter()
        .map(|row| {
            let done = match row.treatment {
                Treatment::Pass => "passes it through",
                Treatment::Rewrite => "rewrites the response",
                Treatment::Inspect => "reads the request; may answer it itself or add to it",
            };
            let versions =
                if row.min == row.max { row.min.to_string() } else { format!("{}-{}", row.min, row.max) };
            format!("| {} | {} | {versions} | {done} |\n", row.key, row.name)
        })
        .collect();
    same_rows(path, BEGIN, &rows);
    let refused: String = REFUSED
        .iter()
        .map(|row| format!("| {} | {} | from {} | {} |\n", row.key, row.name, row.from, row.why))
        .collect();
    same_rows(path, "| Key | API | Versions | Why not |\n|---|---|---|---|\n", &refused);
}

/// Checks (or rewrites) the rows below the table head `begin` in the file.
fn same_rows(path: &str, begin: &str, rows: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    let (before, table) = text.split_once(begin).unwrap();
    let told: usize = table.lines().take_while(|line| line.starts_with('|')).map(|line| line.len() + 1).sum();
    expect_test::expect_file![path].assert_eq(&format!("{before}{begin}{rows}{}", &table[told..]));
}
