//! Reads the ends of many logs frequently: one connection and one request per broker, without retries.

use std::collections::BTreeMap;

use kafka_protocol::messages::{
    BrokerId, ListOffsetsRequest, MetadataRequest, TopicName, list_offsets_request::*,
    metadata_request::MetadataRequestTopic,
};

use crate::client::{Connection, Error, text};

/// End offset of each partition's log, by topic and partition.
pub type Ends = BTreeMap<(String, i32), i64>;

/// Client that asks the brokers of one cluster for the log ends of some topics.
#[derive(Debug)]
pub struct LogEnds {
    bootstrap: Vec<String>,
    topics: Vec<String>,
    connections: BTreeMap<String, Connection>,
    /// Partitions by the address of their leader.
    leaders: BTreeMap<String, Vec<(String, i32)>>,
}

impl LogEnds {
    /// Creates a client for `topics` in the cluster at `bootstrap`.
    #[must_use]
    pub fn of(bootstrap: &str, topics: &[String]) -> LogEnds {
        LogEnds {
            bootstrap: bootstrap.split(',').map(str::to_owned).collect(),
            topics: topics.to_vec(),
            connections: BTreeMap::new(),
            leaders: BTreeMap::new(),
        }
    }

    /// Returns the last stable offsets, where committed data end.
    ///
    /// # Errors
    /// Fails if a leader is unknown or does not answer. The next call looks up the leaders again.
    pub fn committed(&mut self) -> Result<Ends, Error> {
        self.ask(1)
    }

    /// Returns the high watermarks.
    ///
    /// # Errors
    /// Fails if a leader is unknown or does not answer. The next call looks up the leaders again.
    pub fn high_watermarks(&mut self) -> Result<Ends, Error> {
        self.ask(0)
    }

    /// Makes the next call look up the leaders again: topics may have new partitions.
    pub fn look_again(&mut self) {
        self.leaders.clear();
    }

    fn ask(&mut self, isolation: i8) -> Result<Ends, Error> {
        let answer = self.try_ask(isolation);
        if answer.is_err() {
            self.connections.clear();
            self.leaders.clear();
        }
        answer
    }

    fn try_ask(&mut self, isolation: i8) -> Result<Ends, Error> {
        if self.leaders.is_empty() {
            self.leaders = self.find_leaders()?;
        }
        let mut ends = Ends::new();
        for (address, partitions) in self.leaders.clone() {
            let mut by_topic: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
            for (topic, partition) in &partitions {
                let p = ListOffsetsPartition::default()
                    .with_partition_index(*partition)
                    .with_current_leader_epoch(-1)
                    .with_timestamp(crate::client::admin::LATEST);
                by_topic.entry(topic).or_default().push(p);
            }
            let topics = by_topic
                .into_iter()
                .map(|(t, p)| ListOffsetsTopic::default().with_name(TopicName(text(t))).with_partitions(p))
                .collect();
            let request = ListOffsetsRequest::default()
                .with_replica_id(BrokerId(-1))
                .with_isolation_level(isolation)
                .with_topics(topics);
            let answer = self.connection(&address)?.ask(5, &request)?;
            for topic in &answer.topics {
                for p in &topic.partitions {
                    Error::check("list offsets", p.error_code)?;
                    let _ = ends.insert((topic.name.0.to_string(), p.partition_index), p.offset);
                }
            }
        }
        Ok(ends)
    }

    fn connection(&mut self, address: &str) -> Result<&mut Connection, Error> {
        if !self.connections.contains_key(address) {
            let _ = self.connections.insert(address.to_owned(), Connection::open(address)?);
        }
        self.connections.get_mut(address).ok_or_else(|| Error::Protocol("no connection".into()))
    }

    fn find_leaders(&self) -> Result<BTreeMap<String, Vec<(String, i32)>>, Error> {
        let mut last = Error::Protocol("no brokers".into());
        for address in &self.bootstrap {
            match self.leaders_from(address) {
                Ok(leaders) => return Ok(leaders),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn leaders_from(&self, address: &str) -> Result<BTreeMap<String, Vec<(String, i32)>>, Error> {
        let wanted =
            self.topics.iter().map(|t| MetadataRequestTopic::default().with_name(Some(TopicName(text(t)))));
        let request = MetadataRequest::default()
            .with_topics(Some(wanted.collect()))
            .with_allow_auto_topic_creation(false);
        let answer = Connection::open(address)?.ask(9, &request)?;
        let brokers: BTreeMap<i32, String> =
            answer.brokers.iter().map(|b| (b.node_id.0, format!("{}:{}", b.host, b.port))).collect();
        let mut leaders: BTreeMap<String, Vec<(String, i32)>> = BTreeMap::new();
        for topic in &answer.topics {
            let name = topic.name.as_ref().map(|n| n.0.to_string()).unwrap_or_default();
            Error::check(&name, topic.error_code)?;
            for p in &topic.partitions {
                Error::check(&name, p.error_code)?;
                let leader = brokers.get(&p.leader_id.0);
                let leader = leader
                    .ok_or_else(|| Error::Protocol(format!("{name}-{} has no leader", p.partition_index)))?;
                leaders.entry(leader.clone()).or_default().push((name.clone(), p.partition_index));
            }
        }
        Ok(leaders)
    }
}

/// Returns the partitions that have not reached `target`, with their current and their target offset.
#[must_use]
pub fn behind(have: &Ends, target: &Ends) -> BTreeMap<(String, i32), (i64, i64)> {
    target
        .iter()
        .map(|(at, want)| (at.clone(), (have.get(at).copied().unwrap_or(-1), *want)))
        .filter(|(_, (have, want))| have < want)
        .collect()
}
