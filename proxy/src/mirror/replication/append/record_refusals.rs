//! Decides what to do with records that a compacted topic refuses.
//!
//! A compacted topic refuses records without a key. The source may hold some from the time before it was
//! compacted. Its own cleaner drops them, and so does the mirror, but only while both topics are compacted:
//! after each fetch of such records, both topics are asked again before a record is left out. A destination
//! topic that somebody made compacted loses nothing: it gets its source's configs back.

use state::model::MirrorError;
use tracing::warn;

use crate::client::{ClientError, Cluster};
use crate::mirror::log_bounds::log_end_offset;
use crate::mirror::replication::failure::PartitionFailure;
use crate::mirror::replication::partition::{Partition, PartitionIdentity, RecordsRefused};
use crate::mirror::sync::configs::ConfigSync;
use crate::mirror::sync::configs::topics;

/// Number of refusals in a row after which the partition fails, although nothing is known to be wrong.
const PATIENCE: u32 = 5;

/// Link, clusters and configs of the topic of a partition.
pub(crate) struct RefusingTopic {
    pub(crate) link: String,
    pub(crate) source: Cluster,
    pub(crate) destination: Cluster,
    pub(crate) configs: ConfigSync,
}

impl RefusingTopic {
    /// Decides what becomes of a partition whose records the destination refused: it leaves out records
    /// without a key, tries again once its configs are the source's, or fails.
    pub(crate) async fn judge(&self, partition: &Partition, refused: RecordsRefused) {
        let id = &partition.id;
        // Read before the configs: everything below was there when the topic was found compacted.
        let source_end = log_end_offset(&self.source, &id.source_topic, id.index).await;
        let compacted = both_compacted(&self.source, &self.destination, id).await;
        match (compacted, source_end) {
            (Ok((true, true)), Ok(source_end)) if !refused.unkeyed_dropped => {
                warn!(
                    link = self.link,
                    topic = id.topic,
                    partition = id.index,
                    below = source_end,
                    reason = refused.failure.reason,
                    "the topic is compacted; records without a key are left out"
                );
                partition.drop_unkeyed_below(source_end);
            }
            (Ok((false, true)), _) => self.configs.run_once(&self.link).await,
            (Ok(_), Ok(_)) if refused.times >= PATIENCE || refused.unkeyed_dropped => {
                let failure = PartitionFailure {
                    error: MirrorError::UnsupportedMirrorState,
                    reason: refused.failure.reason,
                };
                partition.fail(refused.attempt, failure);
            }
            // The configs may just have changed, or a cluster does not answer: the append position is
            // recovered in any case.
            (Ok(_) | Err(_), _) => {}
        }
    }
}

/// Returns true if records without a key may be left out of what was just fetched: both topics are compacted
/// now.
pub(crate) async fn may_leave_out(
    source: &Cluster,
    destination: &Cluster,
    id: &PartitionIdentity,
) -> Result<bool, ClientError> {
    Ok(both_compacted(source, destination, id).await? == (true, true))
}

/// Returns whether the source's topic is compacted, and whether the destination's is.
async fn both_compacted(
    source: &Cluster,
    destination: &Cluster,
    id: &PartitionIdentity,
) -> Result<(bool, bool), ClientError> {
    tokio::try_join!(is_compacted(source, &id.source_topic), is_compacted(destination, &id.topic))
}

async fn is_compacted(cluster: &Cluster, topic: &str) -> Result<bool, ClientError> {
    let configs = topics::configs(cluster, topic).await?;
    let policy = configs.get("cleanup.policy").map_or("delete", |config| config.value.as_str());
    Ok(policy.split(',').any(|policy| policy.trim() == "compact"))
}
