//! The one table of the apis that pass the gateway: what is advertised, and what is done with each.
//!
//! An api that is not listed, or a version outside its row, is not advertised and a request for it closes the
//! connection, as a broker does. The upper ends stop where an answer would carry something that the gateway cannot
//! rewrite yet: raising one means looking at the schema first.

/// What the gateway does with the messages of an api.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Both directions go through byte for byte, without waiting for their end.
    Pass,
    /// The response is decoded and written anew.
    Rewrite,
    /// The request is decoded as well.
    Inspect,
}

/// One row: an api, the versions that are let through, and from which version on it is flexible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Api {
    /// The api key.
    pub key: i16,
    /// Kafka's name of it.
    pub name: &'static str,
    /// Lowest version let through.
    pub min: i16,
    /// Highest version advertised and let through.
    pub max: i16,
    /// First flexible version (KIP-482); `i16::MAX` for none.
    pub flexible_from: i16,
    /// What is done with it.
    pub treatment: Treatment,
}

impl Api {
    /// Whether this version has compact types and tagged fields, in its header too.
    #[must_use]
    pub fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible_from
    }

    /// Whether the header of a response of this version has tagged fields: as the body, but never for ApiVersions, whose
    /// reader cannot know yet what the broker speaks.
    #[must_use]
    pub fn has_flexible_response_header(&self, version: i16) -> bool {
        self.key != API_VERSIONS && self.is_flexible(version)
    }
}

/// Api key of Produce.
pub const PRODUCE: i16 = 0;
/// Api key of Fetch.
pub const FETCH: i16 = 1;
/// Api key of Metadata.
pub const METADATA: i16 = 3;
/// Api key of FindCoordinator.
pub const FIND_COORDINATOR: i16 = 10;
/// Api key of ApiVersions.
pub const API_VERSIONS: i16 = 18;
/// Api key of AddPartitionsToTxn.
pub const ADD_PARTITIONS_TO_TXN: i16 = 24;
/// Api key of DescribeCluster.
pub const DESCRIBE_CLUSTER: i16 = 60;
/// Api key of ShareFetch.
pub const SHARE_FETCH: i16 = 78;
/// Api key of ShareAcknowledge.
pub const SHARE_ACKNOWLEDGE: i16 = 79;

/// Lowest Produce version that can be read: below it there are no v2 batches. It is nevertheless advertised as brokers
/// do (KAFKA-18659: old librdkafka takes a minimum above 0 for a broker without idempotence and compression).
pub const PRODUCE_READABLE_FROM: i16 = 3;

const NEVER: i16 = i16::MAX;

const fn row(
    key: i16,
    name: &'static str,
    min: i16,
    max: i16,
    flexible_from: i16,
    treatment: Treatment,
) -> Api {
    Api { key, name, min, max, flexible_from, treatment }
}

use Treatment::{Inspect, Pass, Rewrite};

/// The table, by api key.
///
/// Not in it: what brokers and controllers say to each other (4-7, 52-54, 56, 58, 59, 62, 63, 67, 70, 73, 82-87).
/// SaslHandshake v0 is followed by tokens without headers, so it begins at 1. DescribeQuorum v2 names the addresses
/// of the voters, so it ends at 1. AddPartitionsToTxn ends where its use by clients does.
pub const APIS: &[Api] = &[
    row(PRODUCE, "Produce", 0, 13, 9, Inspect),
    row(FETCH, "Fetch", 4, 18, 12, Rewrite),
    row(2, "ListOffsets", 0, 11, 6, Pass),
    row(METADATA, "Metadata", 0, 13, 9, Rewrite),
    row(8, "OffsetCommit", 0, 10, 8, Pass),
    row(9, "OffsetFetch", 0, 10, 6, Pass),
    row(FIND_COORDINATOR, "FindCoordinator", 0, 6, 3, Rewrite),
    row(11, "JoinGroup", 0, 9, 6, Pass),
    row(12, "Heartbeat", 0, 4, 4, Pass),
    row(13, "LeaveGroup", 0, 5, 4, Pass),
    row(14, "SyncGroup", 0, 5, 4, Pass),
    row(15, "DescribeGroups", 0, 6, 5, Pass),
    row(16, "ListGroups", 0, 5, 3, Pass),
    row(17, "SaslHandshake", 1, 1, NEVER, Pass),
    row(API_VERSIONS, "ApiVersions", 0, 4, 3, Rewrite),
    row(19, "CreateTopics", 0, 7, 5, Pass),
    row(20, "DeleteTopics", 0, 6, 4, Pass),
    row(21, "DeleteRecords", 0, 2, 2, Pass),
    row(22, "InitProducerId", 0, 6, 2, Pass),
    row(23, "OffsetForLeaderEpoch", 0, 4, 4, Pass),
    row(ADD_PARTITIONS_TO_TXN, "AddPartitionsToTxn", 0, 3, 3, Inspect),
    row(25, "AddOffsetsToTxn", 0, 4, 3, Pass),
    row(26, "EndTxn", 0, 5, 3, Pass),
    row(27, "WriteTxnMarkers", 0, 2, 1, Pass),
    row(28, "TxnOffsetCommit", 0, 5, 3, Pass),
    row(29, "DescribeAcls", 0, 3, 2, Pass),
    row(30, "CreateAcls", 0, 3, 2, Pass),
    row(31, "DeleteAcls", 0, 3, 2, Pass),
    row(32, "DescribeConfigs", 0, 4, 4, Pass),
    row(33, "AlterConfigs", 0, 2, 2, Pass),
    row(34, "AlterReplicaLogDirs", 0, 2, 2, Pass),
    row(35, "DescribeLogDirs", 0, 5, 2, Pass),
    row(36, "SaslAuthenticate", 0, 2, 2, Pass),
    row(37, "CreatePartitions", 0, 3, 2, Pass),
    row(38, "CreateDelegationToken", 0, 3, 2, Pass),
    row(39, "RenewDelegationToken", 0, 2, 2, Pass),
    row(40, "ExpireDelegationToken", 0, 2, 2, Pass),
    row(41, "DescribeDelegationToken", 0, 3, 2, Pass),
    row(42, "DeleteGroups", 0, 2, 2, Pass),
    row(43, "ElectLeaders", 0, 2, 2, Pass),
    row(44, "IncrementalAlterConfigs", 0, 1, 1, Pass),
    row(45, "AlterPartitionReassignments", 0, 1, 0, Pass),
    row(46, "ListPartitionReassignments", 0, 0, 0, Pass),
    row(47, "OffsetDelete", 0, 0, NEVER, Pass),
    row(48, "DescribeClientQuotas", 0, 1, 1, Pass),
    row(49, "AlterClientQuotas", 0, 1, 1, Pass),
    row(50, "DescribeUserScramCredentials", 0, 0, 0, Pass),
    row(51, "AlterUserScramCredentials", 0, 0, 0, Pass),
    row(55, "DescribeQuorum", 0, 1, 0, Pass),
    row(57, "UpdateFeatures", 0, 2, 0, Pass),
    row(DESCRIBE_CLUSTER, "DescribeCluster", 0, 2, 0, Rewrite),
    row(61, "DescribeProducers", 0, 0, 0, Pass),
    row(64, "UnregisterBroker", 0, 0, 0, Pass),
    row(65, "DescribeTransactions", 0, 0, 0, Pass),
    row(66, "ListTransactions", 0, 2, 0, Pass),
    row(68, "ConsumerGroupHeartbeat", 0, 1, 0, Pass),
    row(69, "ConsumerGroupDescribe", 0, 1, 0, Pass),
    row(71, "GetTelemetrySubscriptions", 0, 0, 0, Pass),
    row(72, "PushTelemetry", 0, 0, 0, Pass),
    row(74, "ListConfigResources", 0, 1, 0, Pass),
    row(75, "DescribeTopicPartitions", 0, 0, 0, Pass),
    row(76, "ShareGroupHeartbeat", 1, 1, 0, Pass),
    row(77, "ShareGroupDescribe", 1, 1, 0, Pass),
    row(SHARE_FETCH, "ShareFetch", 1, 1, 0, Rewrite),
    row(SHARE_ACKNOWLEDGE, "ShareAcknowledge", 1, 1, 0, Rewrite),
    row(80, "AddRaftVoter", 0, 1, 0, Pass),
    row(81, "RemoveRaftVoter", 0, 0, 0, Pass),
    row(88, "StreamsGroupHeartbeat", 0, 0, 0, Pass),
    row(89, "StreamsGroupDescribe", 0, 0, 0, Pass),
    row(90, "DescribeShareGroupOffsets", 0, 1, 0, Pass),
    row(91, "AlterShareGroupOffsets", 0, 0, 0, Pass),
    row(92, "DeleteShareGroupOffsets", 0, 0, 0, Pass),
];

/// The row of an api key.
#[must_use]
pub fn api(key: i16) -> Option<&'static Api> {
    APIS.binary_search_by_key(&key, |api| api.key).ok().and_then(|at| APIS.get(at))
}

/// The row of an api key, when `version` is let through.
#[must_use]
pub fn supported(key: i16, version: i16) -> Option<&'static Api> {
    api(key).filter(|api| (api.min..=api.max).contains(&version))
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::ApiKey;

    use super::*;

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

    /// What is decoded must lie within what the codec can decode, and flexibility must agree with it everywhere.
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
            if row.treatment != Treatment::Pass {
                let least = if row.key == PRODUCE { PRODUCE_READABLE_FROM } else { row.min };
                assert!(codec.min <= least && row.max <= codec.max, "{}", row.name);
            }
        }
    }

    /// Where the table and the codec differ in what exists. A change of either shows here, to be looked at.
    #[test]
    fn the_drift_from_the_codec_is_known() {
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
                "DescribeQuorum 2 -> 1",
                "AddRaftVoter 0 -> 1",
                "StreamsGroupHeartbeat -1 -> 0",
                "StreamsGroupDescribe -1 -> 0",
                "DescribeShareGroupOffsets 0 -> 1",
            ]
        );
        let absent: Vec<_> = ApiKey::iter().map(|key| key as i16).filter(|key| api(*key).is_none()).collect();
        assert_eq!(absent, [52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82, 83, 84, 85, 86, 87]);
    }

    /// `UPDATE_SNAPSHOTS=1 cargo test -p linkgate-proxy versions` writes the rows of the documentation anew.
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
                    Treatment::Inspect => "reads the request; may answer it itself",
                };
                let versions =
                    if row.min == row.max { row.min.to_string() } else { format!("{}-{}", row.min, row.max) };
                format!("| {} | {} | {versions} | {done} |\n", row.key, row.name)
            })
            .collect();
        let text = std::fs::read_to_string(path).unwrap();
        let (before, table) = text.split_once(BEGIN).unwrap();
        let end = table.lines().take_while(|line| line.starts_with('|')).map(|line| line.len() + 1).sum();
        let (told, after) = table.split_at(end);
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            return std::fs::write(path, format!("{before}{BEGIN}{rows}{after}")).unwrap();
        }
        assert_eq!(told, rows);
    }
}
