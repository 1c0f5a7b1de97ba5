//! Moves the log start offset of partitions (DeleteRecords).

use std::collections::{BTreeMap, HashMap};

use futures::future::join_all;
use kafka_protocol::messages::DeleteRecordsRequest;
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};

use crate::client::cluster::Cluster;
use crate::client::error::ClientError;
use crate::client::metadata_requests::topic_name;
use crate::wire::protocol::error_code::ErrorCode;

/// Time that a leader may wait for its followers, in ms.
const REPLICAS_TIMEOUT_MS: i32 = 10_000;

type DeletedRecords = BTreeMap<i32, Result<i64, ClientError>>;

impl Cluster {
    /// Moves the log start offsets of partitions of a topic up to these offsets. An offset must not be above
    /// the partition's high watermark. Sends one request to each leader and does not retry; that is left to
    /// the caller.
    ///
    /// The result has an entry for each partition: the lowest log start offset among the replicas, the
    /// broker's error code, or the reason why the broker could not be asked.
    pub async fn delete_records(&self, topic: &str, wanted: &[(i32, i64)]) -> DeletedRecords {
        let mut answers = DeletedRecords::new();
        let mut by_leader: HashMap<i32, Vec<(i32, i64)>> = HashMap::new();
        for (partition, offset) in wanted {
            match self.partition(topic, *partition).await {
                Ok(led) => by_leader.entry(led.leader).or_default().push((*partition, *offset)),
                Err(error) => {
                    let _ = answers.insert(*partition, Err(error));
                }
            }
        }
        let requests = by_leader.into_iter().map(|(leader, wanted)| self.delete_at(leader, topic, wanted));
        answers.extend(join_all(requests).await.into_iter().flatten());
        answers
    }

    async fn delete_at(&self, leader: i32, topic: &str, wanted: Vec<(i32, i64)>) -> DeletedRecords {
        let api = |partition: i32| format!("DeleteRecords {topic}-{partition}");
        let partitions = wanted.iter().map(|(partition, offset)| {
            DeleteRecordsPartition::default().with_partition_index(*partition).with_offset(*offset)
        });
        let named =
            DeleteRecordsTopic::default().with_name(topic_name(topic)).with_partitions(partitions.collect());
        let request =
            DeleteRecordsRequest::default().with_topics(vec![named]).with_timeout_ms(REPLICAS_TIMEOUT_MS);
        let asked = async {
            let broker = self.broker(leader).await?;
            let response = broker.call_at_most(request, 2).await?;
            Ok::<_, ClientError>((broker, response))
        };
        let (broker, response) = match asked.await {
            Ok(answer) => answer,
            Err(error) => {
                return wanted.into_iter().map(|(partition, _)| (partition, Err(error.clone()))).collect();
            }
        };
        let found = response.topics.into_iter().flat_map(|topic| topic.partitions);
        let mut answers: DeletedRecords = found
            .map(|found| {
                let index = found.partition_index;
                let answer = ErrorCode(found.error_code)
                    .ok()
                    .map(|()| found.low_watermark)
                    .map_err(|code| broker.answered(&api(index), code, ""));
                (index, answer)
            })
            .collect();
        for (partition, _) in wanted {
            let missing = || Err(broker.misfit(&api(partition), "the response does not name it".into()));
            let _ = answers.entry(partition).or_insert_with(missing);
        }
        answers
    }
}
