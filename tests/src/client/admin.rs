//! Requests of the tests to a cluster: topics, configs, offsets, groups. Retries transient errors for a
//! limited time.

use std::collections::BTreeMap;

use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    DescribeConfigsRequest, FindCoordinatorRequest, GroupId, IncrementalAlterConfigsRequest,
    ListOffsetsRequest, MetadataRequest, MetadataResponse, OffsetCommitRequest, OffsetFetchRequest,
    TopicName, create_partitions_request::CreatePartitionsTopic, create_topics_request::*,
    delete_records_request::*, describe_configs_request::*, incremental_alter_configs_request::*,
    list_offsets_request::*, metadata_request::*, offset_commit_request::*,
};

use crate::client::{Connection, Error, text};
use crate::machine::wait::{LONG, until, until_ok};

/// `timestamp` of ListOffsets for the log start.
pub const EARLIEST: i64 = -2;
/// `timestamp` of ListOffsets for the high watermark.
pub const LATEST: i64 = -1;

/// A partition and its leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// Partition number.
    pub partition: i32,
    /// Broker id.
    pub broker: i32,
    /// `host:port` of the broker.
    pub address: String,
}

/// Client of one cluster, through any of its brokers (or through the gateway).
#[derive(Debug)]
pub struct Admin {
    bootstrap: Vec<String>,
    connection: Option<Connection>,
}

impl Admin {
    /// Creates a client for `bootstrap.servers`. It connects at the first request.
    #[must_use]
    pub fn to(bootstrap: &str) -> Admin {
        Admin { bootstrap: bootstrap.split(',').map(str::to_owned).collect(), connection: None }
    }

    /// Connects to exactly one broker.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn connect(address: &str) -> Result<Admin, Error> {
        Ok(Admin { bootstrap: vec![address.to_owned()], connection: Some(Connection::open(address)?) })
    }

    fn ask<R: kafka_protocol::protocol::Request>(
        &mut self,
        version: i16,
        request: &R,
    ) -> Result<R::Response, Error> {
        if self.connection.is_none() {
            self.connection =
                Some(self.bootstrap.iter().find_map(|address| Connection::open(address).ok()).ok_or_else(
                    || Error::Protocol(format!("nobody answers at {}", self.bootstrap.join(","))),
                )?);
        }
        let answer = self.connection.as_mut().map(|c| c.ask(version, request));
        let answer = answer.unwrap_or_else(|| Err(Error::Protocol("no connection".into())));
        if answer.is_err() {
            self.connection = None;
        }
        answer
    }

    /// Asks the controller. Brokers with ZooKeeper do not forward these requests; with KRaft, the broker that
    /// Metadata names as controller forwards them.
    fn ask_controller<R: kafka_protocol::protocol::Request>(
        &mut self,
        version: i16,
        request: &R,
    ) -> Result<R::Response, Error> {
        let answer = self.ask(9, &MetadataRequest::default().with_topics(Some(vec![])))?;
        let controller = answer.brokers.iter().find(|b| b.node_id == answer.controller_id);
        let controller = controller.ok_or_else(|| Error::Protocol("no controller".into()))?;
        Connection::open(&format!("{}:{}", controller.host, controller.port))?.ask(version, request)
    }

    fn metadata(&mut self, topic: Option<&str>) -> Result<MetadataResponse, Error> {
        let topics = topic.map(|t| vec![MetadataRequestTopic::default().with_name(Some(TopicName(text(t))))]);
        self.ask(9, &MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(false))
    }

    /// Returns the id and address of every broker that the cluster shows.
    ///
    /// # Errors
    /// Fails if the cluster does not answer.
    pub fn brokers(&mut self) -> Result<BTreeMap<i32, String>, Error> {
        let answer = self.ask(9, &MetadataRequest::default().with_topics(Some(vec![])))?;
        Ok(answer.brokers.iter().map(|b| (b.node_id.0, format!("{}:{}", b.host, b.port))).collect())
    }

    /// Returns the rack of every broker, ordered by broker id.
    pub fn racks(&mut self) -> Vec<Option<String>> {
        let answer = until_ok("the cluster shows its brokers", LONG, || {
            self.ask(9, &MetadataRequest::default().with_topics(Some(vec![])))
        });
        let brokers: BTreeMap<i32, _> =
            answer.brokers.iter().map(|b| (b.node_id.0, b.rack.as_ref())).collect();
        brokers.into_values().map(|rack| rack.map(ToString::to_string)).collect()
    }

    /// Returns the cluster id.
    pub fn cluster_id(&mut self) -> String {
        until_ok("the cluster tells its id", LONG, || {
            self.metadata(None)
                .and_then(|m| m.cluster_id.ok_or_else(|| Error::Protocol("no cluster id".into())))
        })
        .to_string()
    }

    /// Returns the names of all topics.
    pub fn topics(&mut self) -> Vec<String> {
        let answer = until_ok("the cluster lists its topics", LONG, || self.metadata(None));
        answer.topics.iter().filter_map(|t| t.name.as_ref()).map(|n| n.0.to_string()).collect()
    }

    /// Returns the leader of every partition of `topic`, in partition order. Waits until each has one.
    pub fn leaders(&mut self, topic: &str) -> Vec<Leader> {
        until_ok(&format!("every partition of {topic} has a leader"), LONG, || self.try_leaders(topic))
    }

    fn try_leaders(&mut self, topic: &str) -> Result<Vec<Leader>, Error> {
        let answer = self.metadata(Some(topic))?;
        let brokers: BTreeMap<i32, String> =
            answer.brokers.iter().map(|b| (b.node_id.0, format!("{}:{}", b.host, b.port))).collect();
        let entry =
            answer.topics.first().ok_or_else(|| Error::Protocol(format!("no answer about {topic}")))?;
        Error::check(topic, entry.error_code)?;
        let mut leaders = Vec::new();
        for p in &entry.partitions {
            Error::check(topic, p.error_code)?;
            let address = brokers.get(&p.leader_id.0).cloned();
            let address = address
                .ok_or_else(|| Error::Protocol(format!("{topic}-{} has no leader", p.partition_index)))?;
            leaders.push(Leader { partition: p.partition_index, broker: p.leader_id.0, address });
        }
        leaders.sort_by_key(|l| l.partition);
        Ok(leaders)
    }

    /// Returns the number of in-sync replicas of each partition of `topic`.
    pub fn in_sync(&mut self, topic: &str) -> Vec<usize> {
        let answer = until_ok(&format!("{topic} is described"), LONG, || self.metadata(Some(topic)));
        let partitions = answer.topics.iter().flat_map(|entry| &entry.partitions);
        partitions.map(|partition| partition.isr_nodes.len()).collect()
    }

    /// Creates a topic with the cluster's default replication factor. Waits until every partition has a
    /// leader.
    pub fn create_topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let configs = configs
            .iter()
            .map(|(k, v)| CreatableTopicConfig::default().with_name(text(k)).with_value(Some(text(v))))
            .collect();
        let topic = CreatableTopic::default()
            .with_name(TopicName(text(name)))
            .with_num_partitions(partitions)
            .with_replication_factor(-1)
            .with_configs(configs);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
        until_ok(&format!("topic {name} is created"), LONG, || {
            let answer = self.ask_controller(5, &request)?;
            match answer.topics.first().map(|t| t.error_code) {
                // TOPIC_ALREADY_EXISTS (36): an earlier attempt succeeded and its answer was lost.
                Some(0 | 36) => Ok(()),
                code => Error::check(&format!("create topic {name}"), code.unwrap_or(-1)),
            }
        });
        let _ = self.leaders(name);
    }

    /// Increases a topic to `count` partitions and waits until each has a leader.
    pub fn grow_topic(&mut self, name: &str, count: i32) {
        let topic = CreatePartitionsTopic::default()
            .with_name(TopicName(text(name)))
            .with_count(count)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
        until_ok(&format!("{name} has {count} partitions"), LONG, || {
            let answer = self.ask_controller(1, &request)?;
            match answer.results.first().map(|t| t.error_code) {
                // INVALID_PARTITIONS (37): an earlier attempt succeeded and its answer was lost.
                Some(0 | 37) => Ok(()),
                code => Error::check(&format!("grow topic {name}"), code.unwrap_or(-1)),
            }
        });
        let count = usize::try_from(count).unwrap_or(0);
        until(&format!("all {count} partitions of {name} are shown"), LONG, || {
            (self.leaders(name).len() >= count).then_some(())
        });
    }

    /// Deletes a topic.
    pub fn delete_topic(&mut self, name: &str) {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![TopicName(text(name))])
            .with_timeout_ms(30_000);
        until_ok(&format!("topic {name} is deleted"), LONG, || {
            let code = self.ask_controller(4, &request)?.responses.first().map_or(-1, |t| t.error_code);
            if code == 3 { Ok(()) } else { Error::check("delete topic", code) }
        });
    }

    /// Returns an offset of every partition (ListOffsets): [`EARLIEST`], [`LATEST`], or the first offset at
    /// or after a timestamp.
    pub fn offsets(&mut self, topic: &str, timestamp: i64) -> Vec<i64> {
        until_ok(&format!("offsets of {topic}"), LONG, || {
            let leaders = self.try_leaders(topic)?;
            leaders.iter().map(|leader| list_offset(leader, topic, timestamp, 0)).collect()
        })
    }

    /// Returns one partition's offset, see [`Admin::offsets`]. With isolation level 1, [`LATEST`] is the last
    /// stable offset.
    ///
    /// # Panics
    /// Panics if that does not succeed in time.
    pub fn offset(&mut self, topic: &str, partition: i32, timestamp: i64, isolation: i8) -> i64 {
        until_ok(&format!("an offset of {topic}-{partition}"), LONG, || {
            let leaders = self.try_leaders(topic)?;
            let leader = leaders.iter().find(|leader| leader.partition == partition);
            let leader = leader.ok_or_else(|| Error::Protocol(format!("no partition {partition}")))?;
            list_offset(leader, topic, timestamp, isolation)
        })
    }

    /// Returns the last stable offset of every partition.
    pub fn last_stable_offsets(&mut self, topic: &str) -> Vec<i64> {
        until_ok(&format!("last stable offsets of {topic}"), LONG, || {
            let leaders = self.try_leaders(topic)?;
            leaders.iter().map(|leader| list_offset(leader, topic, LATEST, 1)).collect()
        })
    }

    /// Sets one config of a topic.
    pub fn alter_config(&mut self, topic: &str, name: &str, value: &str) {
        let config = AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(0)
            .with_value(Some(text(value)));
        let resource = AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text(topic))
            .with_configs(vec![config]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        until_ok(&format!("{name} of {topic} is altered"), LONG, || {
            let answer = self.ask(1, &request)?;
            Error::check("alter config", answer.responses.first().map_or(-1, |r| r.error_code))
        });
    }

    /// Returns the effective value of a config of a topic.
    pub fn config(&mut self, topic: &str, name: &str) -> Option<String> {
        let resource = DescribeConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text(topic))
            .with_configuration_keys(Some(vec![text(name)]));
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let answer = until_ok(&format!("{name} of {topic}"), LONG, || {
            let answer = self.ask(2, &request)?;
            Error::check("describe configs", answer.results.first().map_or(-1, |r| r.error_code))?;
            Ok::<_, Error>(answer)
        });
        let result = answer.results.into_iter().next()?;
        result.configs.into_iter().next()?.value.map(|v| v.to_string())
    }

    /// Deletes the records below `offset`.
    pub fn delete_records(&mut self, topic: &str, partition: i32, offset: i64) {
        until_ok(&format!("records of {topic}-{partition} below {offset} are deleted"), LONG, || {
            let leaders = self.try_leaders(topic)?;
            let leader = leaders.iter().find(|l| l.partition == partition);
            let leader = leader.ok_or_else(|| Error::Protocol(format!("no partition {partition}")))?;
            let p = DeleteRecordsPartition::default().with_partition_index(partition).with_offset(offset);
            let t = DeleteRecordsTopic::default().with_name(TopicName(text(topic))).with_partitions(vec![p]);
            let request = DeleteRecordsRequest::default().with_topics(vec![t]).with_timeout_ms(30_000);
            let answer = Connection::open(&leader.address)?.ask(1, &request)?;
            let code = answer.topics.first().and_then(|t| t.partitions.first()).map_or(-1, |p| p.error_code);
            Error::check("delete records", code)
        });
    }

    fn coordinator(&mut self, group: &str) -> Result<Connection, Error> {
        let answer =
            self.ask(3, &FindCoordinatorRequest::default().with_key(text(group)).with_key_type(0))?;
        Error::check("find coordinator", answer.error_code)?;
        Connection::open(&format!("{}:{}", answer.host, answer.port))
    }

    /// Returns every committed offset of a group, by topic and partition.
    pub fn group_offsets(&mut self, group: &str) -> BTreeMap<(String, i32), i64> {
        until_ok(&format!("offsets of group {group}"), LONG, || {
            let request = OffsetFetchRequest::default().with_group_id(GroupId(text(group))).with_topics(None);
            let answer = self.coordinator(group)?.ask(6, &request)?;
            Error::check("offset fetch", answer.error_code)?;
            let mut offsets = BTreeMap::new();
            for topic in &answer.topics {
                for p in topic.partitions.iter().filter(|p| p.committed_offset >= 0) {
                    offsets.insert((topic.name.0.to_string(), p.partition_index), p.committed_offset);
                }
            }
            Ok::<_, Error>(offsets)
        })
    }

    /// Commits offsets of a group that has no members.
    pub fn commit(&mut self, group: &str, offsets: &[(&str, i32, i64)]) {
        self.commit_noting(group, offsets, "");
    }

    /// Commits offsets with `note` as metadata of each. Brokers limit its length
    /// (`offset.metadata.max.bytes`).
    pub fn commit_noting(&mut self, group: &str, offsets: &[(&str, i32, i64)], note: &str) {
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for (topic, partition, offset) in offsets {
            let p = OffsetCommitRequestPartition::default()
                .with_partition_index(*partition)
                .with_committed_offset(*offset)
                .with_committed_leader_epoch(-1)
                .with_committed_metadata(Some(text(note)));
            topics.entry(topic).or_default().push(p);
        }
        let topics = topics
            .into_iter()
            .map(|(name, p)| {
                OffsetCommitRequestTopic::default().with_name(TopicName(text(name))).with_partitions(p)
            })
            .collect();
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(topics);
        until_ok(&format!("group {group} commits"), LONG, || {
            let answer = self.coordinator(group)?.ask(7, &request)?;
            let codes = answer.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code);
            Error::check("offset commit", codes.into_iter().find(|code| *code != 0).unwrap_or(0))
        });
    }
}

fn list_offset(leader: &Leader, topic: &str, timestamp: i64, isolation: i8) -> Result<i64, Error> {
    let p = ListOffsetsPartition::default()
        .with_partition_index(leader.partition)
        .with_current_leader_epoch(-1)
        .with_timestamp(timestamp);
    let t = ListOffsetsTopic::default().with_name(TopicName(text(topic))).with_partitions(vec![p]);
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(isolation)
        .with_topics(vec![t]);
    let answer = Connection::open(&leader.address)?.ask(5, &request)?;
    let p = answer.topics.first().and_then(|t| t.partitions.first());
    let p = p.ok_or_else(|| Error::Protocol(format!("no offset of {topic}")))?;
    Error::check("list offsets", p.error_code)?;
    Ok(p.offset)
}
