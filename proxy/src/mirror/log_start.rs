//! The destination's log start follows the source's, with DeleteRecords.
//!
//! Brokers delete records only where `cleanup.policy` has `delete` (`Partition.deleteRecordsOnLeader` of Kafka). A source that
//! was not always compacted, or a mirror that begins later than its source, has a compacted log that begins above 0, too: its
//! mirror gets `delete` for the moment of the trim (`ConfigSync::while_trimmable`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info};

use super::config_sync::ConfigSync;
use super::partition::Partition;
use crate::client::{ClientError, Cluster};
use crate::wire::error_code::ErrorCode;

/// An answer later than this does not count.
const WITHIN: Duration = Duration::from_secs(15);
/// Brokers know a config that the controller accepted by then.
const LEARNT_WITHIN: Duration = Duration::from_secs(5);
/// Pause before they are asked again.
const POLL: Duration = Duration::from_millis(100);

type Answers = BTreeMap<i32, Result<i64, ClientError>>;

/// Trims partitions of one topic to the offsets given. What fails is tried again by a later round.
pub(super) async fn follow(
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
            // Its policy has `delete`: the violation is of another policy.
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
    let asked = tokio::time::timeout(WITHIN, destination.delete_records(topic, offsets)).await;
    asked.unwrap_or_else(|_| Answers::new())
}

/// The same until no broker goes by the policy of before.
async fn ask_until_learnt(destination: &Cluster, topic: &str, offsets: &[(i32, i64)]) -> Answers {
    let deadline = tokio::time::Instant::now() + LEARNT_WITHIN;
    loop {
        let answers = ask(destination, topic, offsets).await;
        if !answers.values().any(is_against_policy) || tokio::time::Instant::now() >= deadline {
            return answers;
        }
        tokio::time::sleep(POLL).await;
    }
}

fn is_against_policy(answer: &Result<i64, ClientError>) -> bool {
    answer.as_ref().is_err_and(|error| error.code() == Some(ErrorCode::POLICY_VIOLATION))
}
