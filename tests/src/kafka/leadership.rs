//! Moves partition leadership like an operator: changes the order of the replicas, then elects the preferred
//! leader (KIP-455, KIP-183).

use std::collections::BTreeMap;

use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, ElectLeadersRequest, MetadataRequest, TopicName,
    alter_partition_reassignments_request::*, elect_leaders_request::TopicPartitions,
    metadata_request::MetadataRequestTopic,
};

use crate::client::{Connection, Error, text};

/// ELECTION_NOT_NEEDED: the preferred replica is already the leader.
const NOT_NEEDED: i16 = 84;

/// Moves the leadership of every partition of `topics` to the replica after the current leader. Returns the
/// number of partitions that it tried to move.
///
/// # Errors
/// Fails if no broker answers, or if the new leader cannot be elected.
pub fn rotate(bootstrap: &str, topics: &[String]) -> Result<usize, Error> {
    let mut last = Error::Protocol("no brokers".into());
    for address in bootstrap.split(',') {
        match Connection::open(address).and_then(|mut c| rotate_through(&mut c, topics)) {
            Ok(moved) => return Ok(moved),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn rotate_through(connection: &mut Connection, topics: &[String]) -> Result<usize, Error> {
    let wanted = topics.iter().map(|t| MetadataRequestTopic::default().with_name(Some(TopicName(text(t)))));
    let request =
        MetadataRequest::default().with_topics(Some(wanted.collect())).with_allow_auto_topic_creation(false);
    let answer = connection.ask(9, &request)?;
    let mut orders: BTreeMap<TopicName, Vec<ReassignablePartition>> = BTreeMap::new();
    for topic in answer.topics {
        let Some(name) = topic.name else { continue };
        for p in topic.partitions.into_iter().filter(|p| p.replica_nodes.len() > 1) {
            let leader = p.replica_nodes.iter().position(|r| *r == p.leader_id).unwrap_or(0);
            let mut replicas: Vec<BrokerId> = p.replica_nodes;
            let after = (leader + 1) % replicas.len();
            replicas.rotate_left(after);
            let order = ReassignablePartition::default()
                .with_partition_index(p.partition_index)
                .with_replicas(Some(replicas));
            orders.entry(name.clone()).or_default().push(order);
        }
    }
    let elections = orders.iter().map(|(name, partitions)| {
        TopicPartitions::default()
            .with_topic(name.clone())
            .with_partitions(partitions.iter().map(|p| p.partition_index).collect())
    });
    let elections: Vec<TopicPartitions> = elections.collect();
    let moved = orders.values().map(Vec::len).sum();
    let orders = orders
        .into_iter()
        .map(|(name, partitions)| ReassignableTopic::default().with_name(name).with_partitions(partitions));
    let request =
        AlterPartitionReassignmentsRequest::default().with_timeout_ms(20_000).with_topics(orders.collect());
    let answer = connection.ask(0, &request)?;
    Error::check("reassign", answer.error_code)?;
    for p in answer.responses.iter().flat_map(|t| &t.partitions) {
        Error::check("reassign", p.error_code)?;
    }
    let request = ElectLeadersRequest::default()
        .with_election_type(0)
        .with_timeout_ms(20_000)
        .with_topic_partitions(Some(elections));
    let answer = connection.ask(2, &request)?;
    Error::check("elect leaders", answer.error_code)?;
    for p in answer.replica_election_results.iter().flat_map(|t| &t.partition_result) {
        if p.error_code != NOT_NEEDED {
            Error::check("elect leaders", p.error_code)?;
        }
    }
    Ok(moved)
}
