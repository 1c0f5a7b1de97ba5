//! Looks up offsets of partitions by kind or time, with one request to each leader.

use crate::client::types::ListedOffset;
use crate::client::types::OffsetSpec;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::future::join_all;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest};

use crate::client::cluster::batcher;
use crate::client::cluster::{ATTEMPTS, Cluster};
use crate::client::error::ClientError;
use crate::client::metadata_requests::topic_name;
use crate::client::types::TopicPartition;
use crate::wire::protocol::error_code::ErrorCode;

/// Isolation level of a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Considers records up to the high watermark.
    ReadUncommitted,
    /// Considers records up to the last stable offset.
    ReadCommitted,
}

type ListedOffsets = BTreeMap<TopicPartition, Result<ListedOffset, ClientError>>;

impl Cluster {
    /// Looks up the wanted offsets, and retries where that can help. The result has an entry for each wanted
    /// partition: its offset or its own error.
    pub async fn list_offsets(
        &self,
        wanted: Vec<(String, i32, OffsetSpec)>,
        isolation: Isolation,
    ) -> BTreeMap<TopicPartition, Result<ListedOffset, ClientError>> {
        let mut answers = ListedOffsets::new();
        let mut open = wanted;
        let cached = self.cached();
        let known = |topic: &str| cached.as_ref().is_some_and(|cached| cached.topics.contains_key(topic));
        let unknown = topics_of(open.iter().filter(|(topic, ..)| !known(topic)));
        if !unknown.is_empty() {
            // One request for all unknown topics. The lookups below ask again for a topic that is still
            // unknown, one by one.
            let _refreshed = self.metadata(Some(&unknown)).await;
        }
        for failures in 1..=ATTEMPTS {
            let specs: HashMap<TopicPartition, OffsetSpec> =
                open.drain(..).map(|(topic, partition, spec)| ((topic, partition), spec)).collect();
            let round = self.list_offsets_once(&specs, isolation).await;
            for (key, answer) in round {
                let retry = answer.as_ref().is_err_and(ClientError::retriable);
                if retry
                    && failures < ATTEMPTS
                    && let Some(spec) = specs.get(&key)
                {
                    open.push((key.0, key.1, *spec));
                } else {
                    let _ = answers.insert(key, answer);
                }
            }
            if open.is_empty() {
                break;
            }
            self.pause(failures).await;
            // If no broker answers, the next round returns that error.
            let _refreshed = self.metadata(Some(&topics_of(open.iter()))).await;
        }
        answers
    }

    /// Looks up one offset of one partition; uncommitted records count. Concurrent lookups at the same leader
    /// share a request.
    ///
    /// # Errors
    /// Returns the broker's error code, or the reason why no broker could be asked.
    pub async fn list_offset(
        &self,
        topic: &str,
        partition: i32,
        spec: OffsetSpec,
    ) -> Result<ListedOffset, ClientError> {
        let api = format!("ListOffsets {topic}-{partition}");
        self.retrying(Some(topic), || async {
            let led = self.partition(topic, partition).await?;
            let at = (topic.to_owned(), partition);
            let asked =
                self.gathered().offsets.ask(led.leader, at, spec, || self.asking(ask_uncommitted)).await;
            asked.unwrap_or_else(|| Err(self.unanswered(led.leader, &api)))
        })
        .await
    }

    async fn list_offsets_once(
        &self,
        specs: &HashMap<TopicPartition, OffsetSpec>,
        isolation: Isolation,
    ) -> ListedOffsets {
        let mut answers = ListedOffsets::new();
        let mut by_leader: HashMap<i32, Vec<(TopicPartition, OffsetSpec)>> = HashMap::new();
        for (key, spec) in specs {
            match self.partition(&key.0, key.1).await {
                Ok(found) => by_leader.entry(found.leader).or_default().push((key.clone(), *spec)),
                Err(error) => {
                    let _ = answers.insert(key.clone(), Err(error));
                }
            }
        }
        let rounds = by_leader.into_iter().map(|(leader, wanted)| self.ask_leader(leader, wanted, isolation));
        answers.extend(join_all(rounds).await.into_iter().flatten());
        answers
    }

    async fn ask_leader(
        &self,
        leader: i32,
        wanted: Vec<(TopicPartition, OffsetSpec)>,
        isolation: Isolation,
    ) -> ListedOffsets {
        // A request that names the known leader epoch is refused by a deposed leader, and by a leader that
        // does not know its election yet (KIP-320). Their high watermarks are not those of the current log.
        let cached = self.cached();
        let epoch = |topic: &str, index: i32| {
            let known = cached.as_ref()?.partition(topic, index)?;
            (known.leader == leader).then_some(known.leader_epoch)
        };
        let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
        for ((topic, partition), spec) in &wanted {
            let timestamp = match spec {
                OffsetSpec::Latest => -1,
                OffsetSpec::Earliest => -2,
                OffsetSpec::Timestamp(at) => *at,
            };
            let partition = ListOffsetsPartition::default()
                .with_partition_index(*partition)
                .with_current_leader_epoch(epoch(topic, *partition).unwrap_or(-1))
                .with_timestamp(timestamp);
            topics.entry(topic).or_default().push(partition);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(partitions)
        });
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_isolation_level(i8::from(isolation == Isolation::ReadCommitted))
            .with_topics(topics.collect());
        let asked = async {
            let broker = self.broker(leader).await?;
            let response = broker.call_at_most(request, 9).await?;
            Ok((broker, response))
        };
        let (broker, response) = match asked.await {
            Ok(answer) => answer,
            Err(error) => {
                let error: ClientError = error;
                return wanted.into_iter().map(|(key, _)| (key, Err(error.clone()))).collect();
            }
        };
        let mut answers = ListedOffsets::new();
        for topic in response.topics {
            for partition in topic.partitions {
                let key = (topic.name.to_string(), partition.partition_index);
                let answer = match ErrorCode(partition.error_code).ok() {
                    Ok(()) => Ok(ListedOffset {
                        offset: partition.offset,
                        timestamp: partition.timestamp,
                        leader_epoch: partition.leader_epoch,
                    }),
                    Err(code) => Err(broker.answered(&format!("ListOffsets {}-{}", key.0, key.1), code, "")),
                };
                let _ = answers.insert(key, answer);
            }
        }
        for (key, _) in wanted {
            let missing =
                || Err(broker.misfit(&format!("ListOffsets {}-{}", key.0, key.1), "no answer".into()));
            let _ = answers.entry(key.clone()).or_insert_with(missing);
        }
        answers
    }
}

async fn ask_uncommitted(
    cluster: Cluster,
    leader: i32,
    wanted: Vec<(TopicPartition, OffsetSpec)>,
) -> batcher::AnswersByPartition<ListedOffset> {
    Ok(cluster.ask_leader(leader, wanted, Isolation::ReadUncommitted).await.into_iter().collect())
}

fn topics_of<'a>(wanted: impl Iterator<Item = &'a (String, i32, OffsetSpec)>) -> Vec<String> {
    let topics: BTreeSet<&String> = wanted.map(|(topic, ..)| topic).collect();
    topics.into_iter().cloned().collect()
}
