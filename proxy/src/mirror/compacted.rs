//! Records that a compacted topic does not take.
//!
//! A compacted topic refuses records without a key. The source may hold some from before it was compacted: its own cleaner
//! drops them, and so does the mirror, but only when the source is compacted, too. A destination topic that somebody made
//! compacted loses nothing: it gets its source's configs back.

use state::model::MirrorError;
use tracing::warn;

use super::config_sync::ConfigSync;
use super::partition::{Failure, Partition, RecordsRefused};
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
        let compacted = tokio::try_join!(
            is_compacted(&self.source, &id.source_topic),
            is_compacted(&self.destination, &id.topic),
        );
        match compacted {
            Ok((true, true)) if !refused.unkeyed_dropped => {
                warn!(
                    link = self.link,
                    topic = id.topic,
                    partition = id.index,
                    reason = refused.failure.reason,
                    "the topic is compacted; records without a key are left out from here on"
                );
                partition.drop_unkeyed();
            }
            Ok((false, true)) => self.configs.run_once(&self.link).await,
            Ok(_) if refused.times >= PATIENCE || refused.unkeyed_dropped => partition
                .fail(Failure { error: MirrorError::UnsupportedMirrorState, reason: refused.failure.reason }),
            // Its configs may just have changed, or a cluster does not answer: the register is read again in any case.
            Ok(_) | Err(_) => {}
        }
    }
}

async fn is_compacted(cluster: &Cluster, topic: &str) -> Result<bool, ClientError> {
    let configs = topic_admin::configs(cluster, topic).await?;
    let policy = configs.get("cleanup.policy").map_or("delete", |config| config.value.as_str());
    Ok(policy.split(',').any(|policy| policy.trim() == "compact"))
}
