//! Offsets of partitions by kind or time, asked of each leader for all of its partitions at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::future::join_all;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest};

use super::super::cluster::{ATTEMPTS, Cluster, topic_name};
use super::super::error::ClientError;
use super::super::gather;
use super::TopicPartition;
use crate::wire::error_code::ErrorCode;

/// Which offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The log start.
    Earliest,
    /// The high watermark, or with [`Isolation::ReadCommitted`] the last stable offset. Not the log end.
    Latest,
    /// The first record whose timestamp is this (ms) or later.
    Timestamp(i64),
}

/// Which records count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// All up to the high watermark.
    ReadUncommitted,
    /// Those up to the last stable offset.
    ReadCommitted,
}

/// An offset that a leader named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset; -1 when no record has the timestamp asked for.
    pub offset: i64,
    /// Timestamp of the record there, in ms; -1 for the kinds that are no record.
    pub timestamp: i64,
    /// Leader epoch of the offset; -1 when the broker does not say.
    pub leader_epoch: i32,
}

type Answers = BTreeMap<TopicPartition, Result<ListedOffset, ClientError>>;

impl Cluster {
    /// The offsets asked for. Every partition asked for is in the answer, with its offset or its own error; what can be
    /// retried has been.
    pub async fn list_offsets(
        &self,
        wanted: Vec<(String, i32, OffsetSpec)>,
        isolation: Isolation,
    ) -> BTreeMap<TopicPartition, Result<ListedOffset, ClientError>> {
        let mut answers = Answers::new();
        let mut open = wanted;
        let cached = self.cached();
        let known = |topic: &str| cached.as_ref().is_some_and(|cached| cached.topics.contains_key(topic));
        let unknown = topics_of(open.iter().filter(|(topic, ..)| !known(topic)));
        if !unknown.is_empty() {
            // One request for all of them; what it leaves unknown is asked for again, one by one.
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
            // When nobody answers, the next round says so itself.
            let _refreshed = self.metadata(Some(&topics_of(open.iter()))).await;
        }
        answers
    }

    /// One offset of one partition, uncommitted data included; what is asked of its leader at the same time travels along.
    ///
    /// # Errors
    /// The broker's code, or why none could be asked.
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
    ) -> Answers {
        let mut answers = Answers::new();
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
    ) -> Answers {
        // A leader that was deposed, and one that does not know its election yet, refuse a question that names the
        // epoch known here (KIP-320): their high watermarks are not those of the log.
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
        let mut answers = Answers::new();
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
) -> gather::Answers<ListedOffset> {
    Ok(cluster.ask_leader(leader, wanted, Isolation::ReadUncommitted).await.into_iter().collect())
}

fn topics_of<'a>(wanted: impl Iterator<Item = &'a (String, i32, OffsetSpec)>) -> Vec<String> {
    let topics: BTreeSet<&String> = wanted.map(|(topic, ..)| topic).collect();
    topics.into_iter().cloned().collect()
}
