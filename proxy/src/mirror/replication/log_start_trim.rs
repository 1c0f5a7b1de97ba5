//! Trims the destination's log with DeleteRecords, so that its log start follows the source's.
//!
//! Brokers delete records only if `cleanup.policy` has `delete` (`Partition.deleteRecordsOnLeader` of Kafka).
//! A compacted log begins above 0 too if its source was not always compacted, or if the mirror begins later
//! than its source. Such a mirror gets `delete` for the moment of the trim (`ConfigSync::while_trimmable`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info};

use crate::client::{ClientError, Cluster};
use crate::mirror::replication::partition::Partition;
use crate::mirror::sync::configs::ConfigSync;
use crate::wire::protocol::error_code::ErrorCode;

/// Time limit of a DeleteRecords request.
const TRIM_TIMEOUT: Duration = Duration::from_secs(15);
/// Time within which brokers learn a config that the controller accepted.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before brokers that have not learnt it are asked again.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

type Answers = BTreeMap<i32, Result<i64, ClientError>>;

/// Trims partitions of one topic to the given offsets. A later round repeats what failed.
pub(crate) async fn follow(
    destination: &Cluster,
    configs: &ConfigSync,
    link: &str,
    wanted: Vec<(Arc<Partition>, i64)>,
) {
    let Some((first, _)) = wanted.first() else { return };
    let topic = first.id.topic.clone();
    let offsets: Vec<(i32, i64)> =
        wanted.iter().map(|(partition, offset)| (partition.id.index, *offset)).collect();
    let mut answers = ask(destination, &topic, &offsets).await;
    if answers.values().any(is_against_policy) {
        let again =
            configs.while_trimmable(link, &topic, ask_until_learnt(destination, &topic, &offsets)).await;
        match again {
            Ok(Some(again)) => answers = again,
            // The policy has `delete` already: the request violates another policy.
            Ok(None) => {}
            Err(error) => {
                answers = offsets.iter().map(|(index, _)| (*index, Err(error.clone()))).collect();
            }
        }
    }
    for (partition, offset) in wanted {
        let index = partition.id.index;
        match answers.remove(&index) {
            Some(Ok(_)) => {
                info!(link, topic, partition = index, offset, "the mirror's log start follows the source");
                partition.trimmed(offset);
            }
            Some(Err(error)) if error.retriable() => {
                debug!(link, topic, partition = index, offset, %error, "the mirror's log start does not follow yet");
                partition.trim_failed();
            }
            Some(Err(error)) => partition.trim_refused(link, offset, &error.to_string()),
            None => partition.trim_failed(),
        }
    }
}

async fn ask(destination: &Cluster, topic: &str, offsets: &[(i32, i64)]) -> Answers {
    let asked = tokio::time::timeout(TRIM_TIMEOUT, destination.delete_records(topic, offsets)).await;
    asked.unwrap_or_else(|_| Answers::new())
}

/// Repeats the request until no broker goes by the old `cleanup.policy`, for at most [`METADATA_TIMEOUT`].
async fn ask_until_learnt(destination: &Cluster, topic: &str, offsets: &[(i32, i64)]) -> Answers {
    let deadline = tokio::time::Instant::now() + METADATA_TIMEOUT;
    loop {
        let answers = ask(destination, topic, offsets).await;
        if !answers.values().any(is_against_policy) || tokio::time::Instant::now() >= deadline {
            return answers;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn is_against_policy(answer: &Result<i64, ClientError>) -> bool {
    answer.as_ref().is_err_and(|error| error.code() == Some(ErrorCode::POLICY_VIOLATION))
}
