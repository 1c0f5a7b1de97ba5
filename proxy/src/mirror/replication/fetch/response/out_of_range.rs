//! Settles OFFSET_OUT_OF_RANGE: the source no longer has the offset (trimmed before it was copied, or truncated),
//! or it does not know the leader epoch.

use std::sync::Arc;
use std::time::Duration;

use state::model::MirrorError;
use tracing::info;

use crate::client::Cluster;
use crate::client::types::OffsetSpec;
use crate::mirror::log_bounds::{list_offset, log_end_offset};
use crate::mirror::replication::failure::PartitionFailure;
use crate::mirror::replication::fetch::response::MAX_LEADER_BACKOFF;
use crate::mirror::replication::partition::{FetchPlan, Partition};

/// Maximum time for the answers.
const ASKING_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks the source for its log bounds, in a task of its own: the fetcher goes on with its other partitions. This
/// one is left out of fetches until the task ends, or until the answer would not matter any more.
pub(crate) fn ask(
    link: String,
    source: Cluster,
    partition: &Arc<Partition>,
    plan: FetchPlan,
    backoff: Duration,
) {
    let Some(asking) = partition.asking() else { return };
    let partition = Arc::clone(partition);
    drop(tokio::spawn(async move {
        let settled = settle(&link, &source, &partition, plan, backoff);
        if tokio::time::timeout(ASKING_TIMEOUT, settled).await.is_err() {
            let why = "source: OFFSET_OUT_OF_RANGE, and it does not tell its log bounds";
            partition.delay(plan.attempt, why, backoff);
        }
        drop(asking);
    }));
}

/// Asks for the log bounds and tells the partition what follows from them. If it has begun another attempt
/// meanwhile, nothing follows.
pub(crate) async fn settle(
    link: &str,
    source: &Cluster,
    partition: &Partition,
    plan: FetchPlan,
    backoff: Duration,
) {
    let id = &partition.id;
    // -1 is the log end of a source that keeps no leader epochs, as for messages of v0 and v1. It says nothing.
    let (start, end) = tokio::join!(
        list_offset(source, &id.source_topic, id.index, OffsetSpec::Earliest),
        log_end_offset(source, &id.source_topic, id.index)
    );
    let (Ok(start), Ok(end)) = (start, end) else {
        let why = "source: OFFSET_OUT_OF_RANGE, and its log bounds are not known yet";
        return partition.delay(plan.attempt, why, backoff);
    };
    partition.source_starts_at(start);
    if plan.offset < start {
        partition.jump_to_log_start(plan, start);
    } else if end >= 0 && plan.offset > end {
        partition.source_diverged(plan, |held| truncated(held, end));
    } else if plan.last_fetched_epoch >= 0 {
        info!(
            link,
            topic = id.topic,
            partition = id.index,
            offset = plan.offset,
            epoch = plan.last_fetched_epoch,
            "the source does not know the leader epoch of the mirror's last record"
        );
        partition.epoch_not_placed(plan);
    } else {
        info!(
            link,
            topic = id.topic,
            partition = id.index,
            offset = plan.offset,
            "offset was briefly out of range"
        );
        partition.delay(plan.attempt, "source: OFFSET_OUT_OF_RANGE", MAX_LEADER_BACKOFF);
    }
}

/// Returns the failure of a mirror that holds records up to `held`, while the source's log ends before that,
/// at `end`.
pub(crate) fn truncated(held: i64, end: i64) -> PartitionFailure {
    PartitionFailure {
        error: MirrorError::UnexpectedTruncation,
        reason: format!(
            "the mirror holds records up to offset {held}, but the source log ends at offset {end}: the \
             source was truncated"
        ),
    }
}
