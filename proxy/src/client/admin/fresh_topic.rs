//! Asks all brokers about a topic, before something irreversible is decided by the answer.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use state::model::KafkaUuid;

use crate::client::cluster::Cluster;
use crate::client::cluster::metadata::{ClusterMetadata, TopicMetadata};
use crate::client::error::ClientError;
use crate::wire::protocol::error_code::ErrorCode;

/// Time after which a broker that does not answer is ignored.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// Combined answer of all brokers about a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FreshTopic {
    /// The topic has the expected id. Holds all partitions that any broker knows, each with its highest
    /// leader epoch.
    Same(Arc<TopicMetadata>),
    /// All brokers that know the topic name agree on this other id: the topic was deleted and created again.
    Other(KafkaUuid),
    /// Some brokers know the expected id and others this one. Some of them are cut off, and it is not known
    /// which.
    Disputed(KafkaUuid),
    /// No broker that answered knows the topic.
    Missing,
}

impl Cluster {
    /// Asks every broker about the topic `name` that should have this id. One broker is not enough: a broker
    /// that is cut off from its controller answers with what it knew, including old leaders and deleted
    /// topics. Caches the result, so that later requests go to the newest leaders and name their epochs.
    ///
    /// # Errors
    /// Fails if no broker answered, or with the topic's own error if no broker gave a better answer.
    pub async fn fresh_topic(&self, name: &str, id: KafkaUuid) -> Result<FreshTopic, ClientError> {
        let first = self.metadata(Some(&[name.to_owned()])).await?;
        let others = first.brokers.keys().map(|broker| async {
            tokio::time::timeout(ANSWER_TIMEOUT, self.metadata_of(*broker, name)).await.ok()?.ok()
        });
        let answers = join_all(others).await;
        let mut joined: Option<TopicMetadata> = None;
        let (mut wrong, mut other) = (None, None);
        for answer in answers.iter().flatten().chain([&*first]) {
            let Some(topic) = answer.topic(name) else { continue };
            if topic.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
                continue;
            }
            if !topic.error_code.is_none() {
                wrong = Some(topic.error_code);
            } else if topic.id != KafkaUuid::ZERO && id != KafkaUuid::ZERO && topic.id != id {
                other = Some(topic.id);
            } else {
                joined = Some(joined.map_or_else(|| topic.clone(), |before| before.joined(topic)));
            }
        }
        if let Some(other) = other {
            return Ok(joined.map_or(FreshTopic::Other(other), |_| FreshTopic::Disputed(other)));
        }
        let Some(joined) = joined else {
            let Some(code) = wrong else { return Ok(FreshTopic::Missing) };
            return Err(self.any().await?.answered(&format!("Metadata '{name}'"), code, ""));
        };
        let topics = [(name.to_owned(), Arc::new(joined))].into();
        let believed = self.remember(ClusterMetadata { topics, ..(*first).clone() }, false);
        Ok(believed.topics.get(name).map_or(FreshTopic::Missing, |topic| FreshTopic::Same(Arc::clone(topic))))
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::metadata_response::{
        MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
    };
    use kafka_protocol::messages::{ApiKey, BrokerId, MetadataResponse};
    use kafka_protocol::protocol::StrBytes;

    use super::*;
    use crate::client::metadata_requests::topic_name;
    use crate::client::test_support::{Scripted, encoded};
    use std::sync::Mutex;

    /// Topic id, and leader and epoch of each partition, as one broker answers them; `None` for no such
    /// topic.
    type Said = Option<(u128, Vec<(i32, i32)>)>;

    /// Starts two brokers that give these answers about topic `t`.
    async fn brokers(said: [Said; 2]) -> Scripted {
        let ports = Arc::new(Mutex::new(Vec::new()));
        let known = Arc::clone(&ports);
        let scripted = Scripted::saying_all(2, move |asked| {
            if asked.api != ApiKey::Metadata {
                return None;
            }
            let ports: Vec<u16> = known.lock().unwrap().clone();
            let brokers = (0..).zip(ports).map(|(node, port)| {
                MetadataResponseBroker::default()
                    .with_node_id(BrokerId(node))
                    .with_host(StrBytes::from_static_str("127.0.0.1"))
                    .with_port(i32::from(port))
            });
            let topic = MetadataResponseTopic::default().with_name(Some(topic_name("t")));
            let topic = match &said[asked.node as usize] {
                None => topic.with_error_code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0),
                Some((id, leaders)) => {
                    let partitions = (0..).zip(leaders).map(|(index, (leader, epoch))| {
                        MetadataResponsePartition::default()
                            .with_partition_index(index)
                            .with_leader_id(BrokerId(*leader))
                            .with_leader_epoch(*epoch)
                    });
                    topic.with_topic_id(uuid::Uuid::from_u128(*id)).with_partitions(partitions.collect())
                }
            };
            let response =
                MetadataResponse::default().with_brokers(brokers.collect()).with_topics(vec![topic]);
            Some(encoded(&response, asked.version))
        })
        .await;
        *ports.lock().unwrap() = scripted.addresses.iter().map(|address| address.port).collect();
        scripted
    }

    async fn ask(said: [Said; 2]) -> (FreshTopic, Scripted) {
        let scripted = brokers(said).await;
        let id = KafkaUuid(uuid::Uuid::from_u128(7));
        (scripted.cluster.fresh_topic("t", id).await.unwrap(), scripted)
    }

    #[tokio::test]
    async fn the_leader_with_the_highest_epoch_is_used_whichever_broker_names_it() {
        let (old, new) = (Some((7, vec![(0, 4)])), Some((7, vec![(1, 5), (1, 0)])));
        for said in [[old.clone(), new.clone()], [new, old]] {
            let (found, scripted) = ask(said).await;
            let FreshTopic::Same(topic) = found else { panic!("{found:?}") };
            let leaders: Vec<_> = topic.partitions.iter().map(|led| (led.leader, led.leader_epoch)).collect();
            assert_eq!(leaders, [(1, 5), (1, 0)]);
            assert_eq!(scripted.cluster.partition("t", 0).await.unwrap().leader, 1);
            // Later answers of the broker that is cut off change nothing.
            for _ in 0..8 {
                let told = scripted.cluster.metadata(Some(&["t".to_owned()])).await.unwrap();
                assert_eq!(told.partition("t", 0).unwrap().leader, 1);
            }
        }
    }

    #[tokio::test]
    async fn another_topic_id_and_disagreeing_brokers_are_reported() {
        let (same, other) = (Some((7, vec![(0, 4)])), Some((8, vec![(0, 0)])));
        let id = KafkaUuid(uuid::Uuid::from_u128(8));
        for said in [[same.clone(), other.clone()], [other.clone(), same.clone()]] {
            assert_eq!(ask(said).await.0, FreshTopic::Disputed(id));
        }
        assert_eq!(ask([other.clone(), other.clone()]).await.0, FreshTopic::Other(id));
        assert_eq!(ask([None, other]).await.0, FreshTopic::Other(id));
        assert_eq!(ask([None, None]).await.0, FreshTopic::Missing);
        // A broker that does not know a new topic yet does not change the answer of the others.
        assert!(matches!(ask([None, same]).await.0, FreshTopic::Same(_)));
    }
}
