//! Records that a compacted topic does not take.
//!
//! A compacted topic refuses records without a key. The source may hold some from before it was compacted: its own cleaner
//! drops them, and so does the mirror, but only while both topics are compacted: what is about to be left out is left out only when
//! both say so once more, after it was fetched. A destination topic that somebody made compacted loses nothing: it gets its
//! source's configs back.

use state::model::MirrorError;
use tracing::warn;

use super::config_sync::ConfigSync;
use super::log_bounds::log_end_offset;
use super::partition::{Failure, Identity, Partition, RecordsRefused};
use super::topic_admin;
use crate::client::{ClientError, Cluster};

/// Refused this often although nothing is known to be wrong, a batch is given up.
const PATIENCE: u32 = 5;

/// Where the partition is at home.
pub(super) struct Topic {
    pub(super) link: String,
    pub(super) source: Cluster,
    pub(super) destination: Cluster,
    pub(super) configs: ConfigSync,
}

impl Topic {
    /// Decides what becomes of a partition whose records the destination refused: it leaves out those without a key, it
    /// tries again once its configs are the source's, or it gives up.
    pub(super) async fn judge(&self, partition: &Partition, refused: RecordsRefused) {
        let id = &partition.id;
        // Before the configs are read: what is below was there when the topic was found compacted.
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
                let failure =
                    Failure { error: MirrorError::UnsupportedMirrorState, reason: refused.failure.reason };
                partition.fail_attempt(refused.attempt, failure);
            }
            // Its configs may just have changed, or a cluster does not answer: the register is read again in any case.
            (Ok(_) | Err(_), _) => {}
        }
    }
}

/// Whether records without a key may be left out of what has just been fetched: both topics are compacted now.
pub(super) async fn may_leave_out(
    source: &Cluster,
    destination: &Cluster,
    id: &Identity,
) -> Result<bool, ClientError> {
    Ok(both_compacted(source, destination, id).await? == (true, true))
}

/// Whether the source's topic is compacted, and the destination's.
async fn both_compacted(
    source: &Cluster,
    destination: &Cluster,
    id: &Identity,
) -> Result<(bool, bool), ClientError> {
    tokio::try_join!(is_compacted(source, &id.source_topic), is_compacted(destination, &id.topic))
}

async fn is_compacted(cluster: &Cluster, topic: &str) -> Result<bool, ClientError> {
    let configs = topic_admin::configs(cluster, topic).await?;
    let policy = configs.get("cleanup.policy").map_or("delete", |config| config.value.as_str());
    Ok(policy.split(',').any(|policy| policy.trim() == "compact"))
}
