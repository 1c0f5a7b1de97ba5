//! What a cluster says of one topic now, for those who decide by it what cannot be undone.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use state::model::KafkaUuid;

use super::super::cluster::Cluster;
use super::super::error::ClientError;
use super::super::metadata::{ClusterMetadata, TopicMetadata};
use crate::wire::error_code::ErrorCode;

/// A broker that does not answer in this time has no say.
const WITHIN: Duration = Duration::from_secs(3);

/// What the brokers of a cluster say of a topic, asked all of them now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FreshTopic {
    /// It has the id asked for: all partitions that any broker knows, each by its highest leader epoch.
    Same(Arc<TopicMetadata>),
    /// All brokers that know a topic of this name say that it has this other id: it was deleted and created anew.
    Other(KafkaUuid),
    /// Some say that it has the id asked for, and others this one: some are cut off, and it is not known which.
    Disputed(KafkaUuid),
    /// No broker that answered knows it.
    Missing,
}

impl Cluster {
    /// Asks every broker for the topic `name` that should have this id. One broker is not enough: one that is cut off
    /// from its controller goes on answering out of what it knew, old leaders and topics that are gone included. What
    /// is learnt is cached, so that requests which follow go to the newest leaders, under their epochs.
    ///
    /// # Errors
    /// No broker answered, or the topic's own error where none says anything better.
    pub async fn fresh_topic(&self, name: &str, id: KafkaUuid) -> Result<FreshTopic, ClientError> {
        let first = self.metadata(Some(&[name.to_owned()])).await?;
        let others = first.brokers.keys().map(|broker| async {
            tokio::time::timeout(WITHIN, self.metadata_of(*broker, name)).await.ok()?.ok()
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
    use crate::client::cluster::topic_name;
    use crate::client::testing::{Scripted, encoded};
    use std::sync::Mutex;

    /// Topic id, and leader and epoch of each partition, as one broker tells them; `None` for no such topic.
    type Said = Option<(u128, Vec<(i32, i32)>)>;

    /// Two brokers that say these things of topic `t`.
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
    async fn the_newest_leader_counts_whichever_broker_names_it() {
        let (old, new) = (Some((7, vec![(0, 4)])), Some((7, vec![(1, 5), (1, 0)])));
        for said in [[old.clone(), new.clone()], [new, old]] {
            let (found, scripted) = ask(said).await;
            let FreshTopic::Same(topic) = found else { panic!("{found:?}") };
            let leaders: Vec<_> = topic.partitions.iter().map(|led| (led.leader, led.leader_epoch)).collect();
            assert_eq!(leaders, [(1, 5), (1, 0)]);
            assert_eq!(scripted.cluster.partition("t", 0).await.unwrap().leader, 1);
            // What the broker that is cut off says later changes nothing.
            for _ in 0..8 {
                let told = scripted.cluster.metadata(Some(&["t".to_owned()])).await.unwrap();
                assert_eq!(told.partition("t", 0).unwrap().leader, 1);
            }
        }
    }

    #[tokio::test]
    async fn another_topic_of_the_name_is_told_and_so_is_that_brokers_do_not_agree() {
        let (same, other) = (Some((7, vec![(0, 4)])), Some((8, vec![(0, 0)])));
        let id = KafkaUuid(uuid::Uuid::from_u128(8));
        for said in [[same.clone(), other.clone()], [other.clone(), same.clone()]] {
            assert_eq!(ask(said).await.0, FreshTopic::Disputed(id));
        }
        assert_eq!(ask([other.clone(), other.clone()]).await.0, FreshTopic::Other(id));
        assert_eq!(ask([None, other]).await.0, FreshTopic::Other(id));
        assert_eq!(ask([None, None]).await.0, FreshTopic::Missing);
        // A broker that does not know a new topic yet takes nothing from the others.
        assert!(matches!(ask([None, same]).await.0, FreshTopic::Same(_)));
    }
}
