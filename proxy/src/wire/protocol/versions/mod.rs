//! Lists the apis that pass the gateway: the advertised versions, and what the gateway does with each api.
//!
//! If an api is not listed, or a version is outside its row, it is not advertised, and a request for it
//! closes the connection, as a broker does. [`REFUSED`] lists what brokers offer and the gateway does not,
//! with the reason. A test suite compares both tables with real brokers. Before the upper end of a row is
//! raised, the schema must be checked: a response may have a new field that must be rewritten.

/// Treatment of an api's messages by the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Request and response pass unchanged, as a stream: the gateway does not wait for their end.
    Pass,
    /// The response is decoded and rewritten.
    Rewrite,
    /// The request is decoded as well.
    Inspect,
}

/// One row of the table: an api, the versions that pass, and its first flexible version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Api {
    /// Api key.
    pub key: i16,
    /// Kafka's name of the api.
    pub name: &'static str,
    /// Lowest version that passes.
    pub min: i16,
    /// Highest version that is advertised and passes.
    pub max: i16,
    /// First flexible version (KIP-482); `i16::MAX` for none.
    pub flexible_from: i16,
    /// Treatment by the gateway.
    pub treatment: Treatment,
}

impl Api {
    /// Returns true if this version has compact types and tagged fields, also in its header.
    #[must_use]
    pub fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible_from
    }

    /// Returns true if the response header of this version has tagged fields. That is the case if the body
    /// has them, but never for ApiVersions: its reader cannot know yet which versions the broker speaks.
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
/// Api key of SaslHandshake.
pub const SASL_HANDSHAKE: i16 = 17;
/// Api key of ApiVersions.
pub const API_VERSIONS: i16 = 18;
/// Api key of DeleteTopics.
pub const DELETE_TOPICS: i16 = 20;
/// Api key of DeleteRecords.
pub const DELETE_RECORDS: i16 = 21;
/// Api key of AddPartitionsToTxn.
pub const ADD_PARTITIONS_TO_TXN: i16 = 24;
/// Api key of WriteTxnMarkers.
pub const WRITE_TXN_MARKERS: i16 = 27;
/// Api key of DescribeConfigs.
pub const DESCRIBE_CONFIGS: i16 = 32;
/// Api key of AlterConfigs.
pub const ALTER_CONFIGS: i16 = 33;
/// Api key of SaslAuthenticate.
pub const SASL_AUTHENTICATE: i16 = 36;
/// Api key of CreatePartitions.
pub const CREATE_PARTITIONS: i16 = 37;
/// Api key of IncrementalAlterConfigs.
pub const INCREMENTAL_ALTER_CONFIGS: i16 = 44;
/// Api key of DescribeQuorum.
pub const DESCRIBE_QUORUM: i16 = 55;
/// Api key of DescribeCluster.
pub const DESCRIBE_CLUSTER: i16 = 60;
/// Api key of ShareFetch.
pub const SHARE_FETCH: i16 = 78;
/// Api key of ShareAcknowledge.
pub const SHARE_ACKNOWLEDGE: i16 = 79;

/// Lowest Produce version that the gateway can read: earlier versions have no v2 batches. The gateway still
/// advertises version 0, as brokers do (KAFKA-18659: old librdkafka takes a minimum above 0 for a broker
/// without idempotence and compression).
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

/// Apis that pass the gateway, sorted by api key.
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
    row(SASL_HANDSHAKE, "SaslHandshake", 0, 1, NEVER, Inspect),
    row(API_VERSIONS, "ApiVersions", 0, 4, 3, Rewrite),
    row(19, "CreateTopics", 0, 7, 5, Pass),
    row(DELETE_TOPICS, "DeleteTopics", 1, 6, 4, Inspect),
    row(DELETE_RECORDS, "DeleteRecords", 0, 2, 2, Inspect),
    row(22, "InitProducerId", 0, 6, 2, Pass),
    row(23, "OffsetForLeaderEpoch", 0, 4, 4, Pass),
    row(ADD_PARTITIONS_TO_TXN, "AddPartitionsToTxn", 0, 3, 3, Inspect),
    row(25, "AddOffsetsToTxn", 0, 4, 3, Pass),
    row(26, "EndTxn", 0, 5, 3, Pass),
    row(WRITE_TXN_MARKERS, "WriteTxnMarkers", 0, 2, 1, Inspect),
    row(28, "TxnOffsetCommit", 0, 5, 3, Pass),
    row(29, "DescribeAcls", 0, 3, 2, Pass),
    row(30, "CreateAcls", 0, 3, 2, Pass),
    row(31, "DeleteAcls", 0, 3, 2, Pass),
    row(DESCRIBE_CONFIGS, "DescribeConfigs", 1, 4, 4, Rewrite),
    row(ALTER_CONFIGS, "AlterConfigs", 0, 2, 2, Inspect),
    row(34, "AlterReplicaLogDirs", 0, 2, 2, Pass),
    row(35, "DescribeLogDirs", 0, 5, 2, Pass),
    row(SASL_AUTHENTICATE, "SaslAuthenticate", 0, 2, 2, Pass),
    row(CREATE_PARTITIONS, "CreatePartitions", 0, 3, 2, Inspect),
    row(38, "CreateDelegationToken", 0, 3, 2, Pass),
    row(39, "RenewDelegationToken", 0, 2, 2, Pass),
    row(40, "ExpireDelegationToken", 0, 2, 2, Pass),
    row(41, "DescribeDelegationToken", 0, 3, 2, Pass),
    row(42, "DeleteGroups", 0, 2, 2, Pass),
    row(43, "ElectLeaders", 0, 2, 2, Pass),
    row(INCREMENTAL_ALTER_CONFIGS, "IncrementalAlterConfigs", 0, 1, 1, Inspect),
    row(45, "AlterPartitionReassignments", 0, 1, 0, Pass),
    row(46, "ListPartitionReassignments", 0, 0, 0, Pass),
    row(47, "OffsetDelete", 0, 0, NEVER, Pass),
    row(48, "DescribeClientQuotas", 0, 1, 1, Pass),
    row(49, "AlterClientQuotas", 0, 1, 1, Pass),
    row(50, "DescribeUserScramCredentials", 0, 0, 0, Pass),
    row(51, "AlterUserScramCredentials", 0, 0, 0, Pass),
    row(DESCRIBE_QUORUM, "DescribeQuorum", 0, 2, 0, Rewrite),
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
    row(SHARE_FETCH, "ShareFetch", 1, 2, 0, Inspect),
    row(SHARE_ACKNOWLEDGE, "ShareAcknowledge", 1, 2, 0, Rewrite),
    row(80, "AddRaftVoter", 0, 1, 0, Pass),
    row(81, "RemoveRaftVoter", 0, 0, 0, Pass),
    row(88, "StreamsGroupHeartbeat", 0, 0, 0, Pass),
    row(89, "StreamsGroupDescribe", 0, 0, 0, Pass),
    row(90, "DescribeShareGroupOffsets", 0, 1, 0, Pass),
    row(91, "AlterShareGroupOffsets", 0, 0, 0, Pass),
    row(92, "DeleteShareGroupOffsets", 0, 0, 0, Pass),
];

/// An api, or a range of its versions, that brokers offer and the gateway refuses on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedApi {
    /// Api key.
    pub key: i16,
    /// Kafka's name of the api.
    pub name: &'static str,
    /// First version that does not pass; later versions do not pass either.
    pub from: i16,
    /// Reason, for the documentation.
    pub why: &'static str,
}

const fn refused(key: i16, name: &'static str, from: i16, why: &'static str) -> RefusedApi {
    RefusedApi { key, name, from, why }
}

const BETWEEN_BROKERS: &str = "brokers and controllers use it among themselves, past the gateway";

/// Apis that the gateway refuses, sorted by api key.
pub const REFUSED: &[RefusedApi] = &[
    refused(4, "LeaderAndIsr", 0, BETWEEN_BROKERS),
    refused(5, "StopReplica", 0, BETWEEN_BROKERS),
    refused(6, "UpdateMetadata", 0, BETWEEN_BROKERS),
    refused(7, "ControlledShutdown", 0, BETWEEN_BROKERS),
    refused(
        ADD_PARTITIONS_TO_TXN,
        "AddPartitionsToTxn",
        4,
        "only brokers verify transactions of several producers at once",
    ),
    refused(52, "Vote", 0, BETWEEN_BROKERS),
    refused(53, "BeginQuorumEpoch", 0, BETWEEN_BROKERS),
    refused(54, "EndQuorumEpoch", 0, BETWEEN_BROKERS),
    refused(56, "AlterPartition", 0, BETWEEN_BROKERS),
    refused(58, "Envelope", 0, BETWEEN_BROKERS),
    refused(59, "FetchSnapshot", 0, BETWEEN_BROKERS),
    refused(62, "BrokerRegistration", 0, BETWEEN_BROKERS),
    refused(63, "BrokerHeartbeat", 0, BETWEEN_BROKERS),
    refused(67, "AllocateProducerIds", 0, BETWEEN_BROKERS),
    refused(70, "ControllerRegistration", 0, BETWEEN_BROKERS),
    refused(73, "AssignReplicasToDirs", 0, BETWEEN_BROKERS),
    refused(82, "UpdateRaftVoter", 0, BETWEEN_BROKERS),
    refused(83, "InitializeShareGroupState", 0, BETWEEN_BROKERS),
    refused(84, "ReadShareGroupState", 0, BETWEEN_BROKERS),
    refused(85, "WriteShareGroupState", 0, BETWEEN_BROKERS),
    refused(86, "DeleteShareGroupState", 0, BETWEEN_BROKERS),
    refused(87, "ReadShareGroupStateSummary", 0, BETWEEN_BROKERS),
];

/// Returns the row of an api key.
#[must_use]
pub fn api(key: i16) -> Option<&'static Api> {
    APIS.binary_search_by_key(&key, |api| api.key).ok().and_then(|at| APIS.get(at))
}

/// Returns the row of an api key if `version` passes.
#[must_use]
pub fn supported(key: i16, version: i16) -> Option<&'static Api> {
    api(key).filter(|api| (api.min..=api.max).contains(&version))
}

#[cfg(test)]
mod tests;
