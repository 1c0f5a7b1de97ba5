//! The destination's log start follows the source's, with DeleteRecords.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info};

use super::partition::Partition;
use crate::client::Cluster;

/// An answer later than this does not count.
const WITHIN: Duration = Duration::from_secs(15);

/// Trims partitions of one topic to the offsets given. What fails is tried again by the next round.
pub(super) async fn follow(destination: &Cluster, link: &str, wanted: Vec<(Arc<Partition>, i64)>) {
    let Some((first, _)) = wanted.first() else { return };
    let topic = first.id.topic.clone();
    let offsets: Vec<(i32, i64)> =
        wanted.iter().map(|(partition, offset)| (partition.id.index, *offset)).collect();
    let answers = tokio::time::timeout(WITHIN, destination.delete_records(&topic, &offsets)).await;
    let mut answers = answers.unwrap_or_else(|_| BTreeMap::new());
    for (partition, offset) in wanted {
        let index = partition.id.index;
        match answers.remove(&index) {
            Some(Ok(_)) => {
                info!(link, topic, partition = index, offset, "the mirror's log start follows the source");
                partition.trimmed(Some(offset));
            }
            Some(Err(error)) => {
                debug!(link, topic, partition = index, offset, %error, "the mirror's log start does not follow yet");
                partition.trimmed(None);
            }
            None => partition.trimmed(None),
        }
    }
}
