//! Requests of a well-behaved client, in every version in which it can send them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use linkgate_tests::produce::raw_batch::{batch, record};
use linkgate_tests::rpc::Schemas;
use serde_json::{Value, json};

use crate::normal::{Side, compare};

/// Runs every step on both sides. Returns the number of requests.
pub(crate) fn run(
    schemas: &Schemas,
    offered: &BTreeMap<i16, (i16, i16)>,
    sides: &mut [Side; 2],
    differences: &mut Vec<String>,
) -> usize {
    let mut asked = 0;
    for (name, key, step) in STEPS {
        // Telemetry, for example, is not offered without a plugin of the broker.
        let Some((min, max)) = offered.get(key).copied() else { continue };
        let known = &schemas.requests[key].versions;
        for version in min.max(*known.start())..=max.min(*known.end()) {
            let Some(body) = step(version) else { continue };
            let answers = sides.each_mut().map(|side| side.ask_until_ready(schemas, *key, version, &body));
            compare(&format!("{name} v{version}, {body}"), answers, differences);
            asked += 1;
        }
    }
    asked
}

type Step = (&'static str, i16, fn(i16) -> Option<Value>);

/// The steps in the order of their run: written records are read, created topics are described and deleted.
const STEPS: &[Step] = &[
    ("CreateTopics", 19, |v| {
        Some(json!({ "timeoutMs": 9000, "Topics": [topic(&format!("t{v}")), topic("t7")] }))
    }),
    ("Metadata", 3, |v| (v < 10).then(|| json!({ "Topics": [{ "Name": "t7" }] }))),
    ("Metadata", 3, |v| {
        (v >= 10).then(|| json!({ "Topics": [{ "Name": "t7" }], "AllowAutoTopicCreation": false }))
    }),
    ("Metadata", 3, |_| {
        Some(json!({ "Topics": [{ "Name": "no-such-topic" }], "AllowAutoTopicCreation": false }))
    }),
    ("Produce", 0, |v| (v >= 3).then(|| produce(v, &records(), 0))),
    ("Produce to a partition that is not there", 0, |v| (v >= 3).then(|| produce(v, &records(), 99))),
    ("Produce of a damaged batch", 0, |v| {
        (v >= 3).then(|| produce(v, &records().replace("6b6579", "6b657a"), 0))
    }),
    ("ListOffsets", 2, |v| Some(list_offsets(v, -1))),
    ("ListOffsets", 2, |v| Some(list_offsets(v, -2))),
    ("ListOffsets of an instant", 2, |v| Some(list_offsets(v, 1_700_000_000_000))),
    ("Fetch", 1, |v| Some(fetch(v, 0))),
    ("Fetch beyond the end", 1, |v| Some(fetch(v, 1_000_000))),
    ("OffsetForLeaderEpoch", 23, |_| {
        let partition = json!({ "Partition": 0, "CurrentLeaderEpoch": -1, "LeaderEpoch": 0 });
        Some(json!({ "ReplicaId": -2, "Topics": [{ "Topic": "t7", "Partitions": [partition] }] }))
    }),
    ("DescribeProducers", 61, |_| Some(json!({ "Topics": [{ "Name": "t7", "PartitionIndexes": [0, 9] }] }))),
    ("FindCoordinator", 10, |v| {
        Some(if v >= 4 { json!({ "CoordinatorKeys": ["g"] }) } else { json!({ "Key": "g" }) })
    }),
    ("OffsetCommit", 8, |v| Some(commit(v))),
    ("OffsetFetch", 9, |v| Some(offset_fetch(v))),
    ("JoinGroup without a member id", 11, |v| (v >= 4).then(|| join("joined"))),
    ("ListGroups", 16, |_| Some(json!({}))),
    ("DescribeGroups", 15, |_| Some(json!({ "Groups": ["g", "no-such-group"] }))),
    ("OffsetDelete", 47, |_| {
        let topics = json!([{ "Name": "t7", "Partitions": [{ "PartitionIndex": 0 }] }]);
        Some(json!({ "GroupId": "g", "Topics": topics }))
    }),
    ("DeleteGroups", 42, |_| Some(json!({ "GroupsNames": ["g", "no-such-group"] }))),
    ("FindCoordinator of transactions", 10, |v| (v == 3).then(|| json!({ "Key": "tx", "KeyType": 1 }))),
    ("InitProducerId", 22, |v| {
        (v < 6).then(|| json!({ "TransactionalId": "tx", "TransactionTimeoutMs": 60_000 }))
    }),
    ("AddPartitionsToTxn", 24, |_| {
        Some(json!({
            "V3AndBelowTransactionalId": "tx",
            "V3AndBelowProducerId": "@ProducerId",
            "V3AndBelowProducerEpoch": "@ProducerEpoch",
            "V3AndBelowTopics": [{ "Name": "t7", "Partitions": [0] }]
        }))
    }),
    ("DescribeTransactions", 65, |_| Some(json!({ "TransactionalIds": ["tx", "no-such-id"] }))),
    ("ListTransactions", 66, |_| Some(json!({ "DurationFilter": -1 }))),
    ("EndTxn", 26, |v| {
        (v == 3).then(|| {
        json!({ "TransactionalId": "tx", "ProducerId": "@ProducerId", "ProducerEpoch": "@ProducerEpoch", "Committed": true })
    })
    }),
    ("DescribeConfigs", 32, |_| {
        Some(
            json!({ "Resources": [{ "ResourceType": 2, "ResourceName": "t7" }, { "ResourceType": 4, "ResourceName": "1" }] }),
        )
    }),
    ("IncrementalAlterConfigs", 44, |_| {
        let configs = json!([{ "Name": "retention.ms", "ConfigOperation": 0, "Value": "86400000" }]);
        Some(json!({ "Resources": [{ "ResourceType": 2, "ResourceName": "t7", "Configs": configs }] }))
    }),
    ("AlterConfigs of nonsense", 33, |_| {
        let configs = json!([{ "Name": "no.such.config", "Value": "1" }]);
        Some(json!({ "Resources": [{ "ResourceType": 2, "ResourceName": "t7", "Configs": configs }] }))
    }),
    ("CreatePartitions", 37, |v| {
        Some(json!({ "Topics": [{ "Name": "t7", "Count": 3 + v, "Assignments": null }], "TimeoutMs": 9000 }))
    }),
    ("DeleteRecords", 21, |_| {
        let partitions =
            json!([{ "PartitionIndex": 0, "Offset": 2 }, { "PartitionIndex": 0, "Offset": 1_000_000 }]);
        Some(json!({ "Topics": [{ "Name": "t7", "Partitions": partitions }], "TimeoutMs": 9000 }))
    }),
    ("DescribeLogDirs", 35, |_| Some(json!({ "Topics": [{ "Topic": "t7", "Partitions": [0] }] }))),
    ("ElectLeaders", 43, |_| {
        Some(json!({ "TopicPartitions": [{ "Topic": "t7", "Partitions": [0] }], "TimeoutMs": 9000 }))
    }),
    ("ListPartitionReassignments", 46, |_| Some(json!({ "TimeoutMs": 9000, "Topics": null }))),
    ("DescribeCluster", 60, |_| Some(json!({}))),
    ("DescribeQuorum", 55, |_| {
        let partitions = json!([{ "PartitionIndex": 0 }]);
        Some(json!({ "Topics": [{ "TopicName": "__cluster_metadata", "Partitions": partitions }] }))
    }),
    ("DescribeTopicPartitions", 75, |_| {
        Some(json!({ "Topics": [{ "Name": "t7" }, { "Name": "nope" }], "Cursor": null }))
    }),
    ("ConsumerGroupHeartbeat", 68, |_| {
        Some(json!({
            "GroupId": "g2", "MemberId": "AAAAAAAAAAAAAAAAAAAAAQ", "MemberEpoch": 0, "RebalanceTimeoutMs": 9000,
            "SubscribedTopicNames": ["t7"], "TopicPartitions": []
        }))
    }),
    ("ConsumerGroupDescribe", 69, |_| Some(json!({ "GroupIds": ["g2", "no-such-group"] }))),
    ("DescribeAcls", 29, |_| Some(json!({ "ResourceTypeFilter": 1, "Operation": 1, "PermissionType": 1 }))),
    ("ListConfigResources", 74, |_| Some(json!({}))),
    ("GetTelemetrySubscriptions", 71, |_| Some(json!({}))),
    ("DeleteTopics", 20, |v| {
        let name = format!("t{v}");
        Some(if v >= 6 {
            json!({ "Topics": [{ "Name": name, "TopicId": "0".repeat(32) }], "TimeoutMs": 9000 })
        } else {
            json!({ "TopicNames": [name, "no-such-topic"], "TimeoutMs": 9000 })
        })
    }),
];

fn topic(name: &str) -> Value {
    json!({ "Name": name, "NumPartitions": 2, "ReplicationFactor": 1 })
}

fn records() -> String {
    let records = (0..3).map(|at| record(1_700_000_000_000 + at, Some(b"key"), Some(b"value")));
    batch(records.collect()).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Adds the topic to `topic`: by name, or by id from version `ids_from` on.
fn by(version: i16, ids_from: i16, name_field: &str, mut topic: Value) -> Value {
    if version >= ids_from {
        topic["TopicId"] = json!("@topic:t7");
    } else {
        topic[name_field] = json!("t7");
    }
    topic
}

fn produce(version: i16, records: &str, partition: i32) -> Value {
    let topic = json!({ "PartitionData": [{ "Index": partition, "Records": records }] });
    json!({ "TransactionalId": null, "Acks": -1, "TimeoutMs": 9000, "TopicData": [by(version, 13, "Name", topic)] })
}

fn list_offsets(_: i16, timestamp: i64) -> Value {
    let partitions = json!([{ "PartitionIndex": 0, "CurrentLeaderEpoch": -1, "Timestamp": timestamp, "MaxNumOffsets": 1 }]);
    json!({ "ReplicaId": -1, "Topics": [{ "Name": "t7", "Partitions": partitions }], "TimeoutMs": 9000 })
}

fn fetch(version: i16, offset: i64) -> Value {
    let partition = json!({
        "Partition": 0, "CurrentLeaderEpoch": -1, "FetchOffset": offset, "LastFetchedEpoch": -1, "LogStartOffset": -1,
        "PartitionMaxBytes": 100_000
    });
    let topic = by(version, 13, "Topic", json!({ "Partitions": [partition] }));
    json!({
        "ReplicaId": -1, "MaxWaitMs": 100, "MinBytes": 1, "MaxBytes": 1_000_000, "SessionId": 0, "SessionEpoch": -1,
        "Topics": [topic]
    })
}

fn commit(version: i16) -> Value {
    let partitions = json!([{ "PartitionIndex": 0, "CommittedOffset": 3, "CommittedMetadata": "m" }]);
    let topic = by(version, 10, "Name", json!({ "Partitions": partitions }));
    json!({ "GroupId": "g", "GenerationIdOrMemberEpoch": -1, "MemberId": "", "Topics": [topic] })
}

fn offset_fetch(version: i16) -> Value {
    let topic = by(version, 10, "Name", json!({ "PartitionIndexes": [0, 1] }));
    if version >= 8 {
        json!({ "Groups": [{ "GroupId": "g", "Topics": [topic] }] })
    } else {
        json!({ "GroupId": "g", "Topics": [topic] })
    }
}

fn join(group: &str) -> Value {
    json!({
        "GroupId": group, "SessionTimeoutMs": 10_000, "RebalanceTimeoutMs": 1_000, "MemberId": "", "ProtocolType": "consumer",
        "Protocols": [{ "Name": "range", "Metadata": "" }]
    })
}
