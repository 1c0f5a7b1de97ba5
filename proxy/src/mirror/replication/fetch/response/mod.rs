//! Handles fetch responses: for each partition, queues the data, delays the partition or fails it.

pub(crate) mod out_of_range;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::{FetchResponse, PartitionData};
use state::model::MirrorError;
use tokio::sync::Semaphore;
use tracing::warn;

use crate::client::Cluster;
use crate::mirror::replication::append::record_refusals;
use crate::mirror::replication::failure::PartitionFailure;
use crate::mirror::replication::fetch::FetchOptions;
use crate::mirror::replication::fetch::extent::Extent;
use crate::mirror::replication::fetch::session::{FetchSession, SessionPartition};
use crate::mirror::replication::lane::lane;
use crate::mirror::replication::partition::{Attempt, FetchPlan, Partition};
use crate::mirror::replication::shape::{ShapeOutput, ShapeTarget, is_heavy, shape};
use crate::wire::protocol::error_code::ErrorCode;
use crate::wire::records::aborted::AbortedTransaction;

/// Maximum pause of a partition whose source leader is elsewhere or not ready.
pub(crate) const MAX_LEADER_BACKOFF: Duration = Duration::from_millis(100);

/// Time limit for reading the configs of both topics, since other partitions wait meanwhile.
const CONFIGS_TIMEOUT: Duration = Duration::from_secs(2);

/// Takes a partition, what was fetched for it, and the last stable offset of the source.
pub(crate) type OnRecords<'a> = dyn Fn(&Arc<Partition>, Extent, i64) + Send + Sync + 'a;

/// Handler of the fetch responses of one source broker.
pub(crate) struct FetchResponseHandler<'a> {
    pub(crate) link: &'a str,
    pub(crate) source: &'a Cluster,
    pub(crate) destination: &'a Cluster,
    pub(crate) options: &'a FetchOptions,
    /// Told of records that were handled, if somebody wants to know.
    pub(crate) on_records: Option<&'a OnRecords<'a>>,
}

impl FetchResponseHandler<'_> {
    /// Handles every partition of a response. Returns true if the source's metadata looks stale.
    pub(crate) async fn take(&self, response: FetchResponse, session: &FetchSession) -> bool {
        let top = ErrorCode(response.error_code);
        if !top.is_none() {
            warn!(link = self.link, error = top.name(), "source refused a fetch");
            let why = format!("the source refused a fetch: {}", top.name());
            for SessionPartition { partition, plan, .. } in session.all() {
                partition.delay(plan.attempt, &why, self.options.backoff);
            }
            return true;
        }
        let records = response.responses.iter().flat_map(|topic| &topic.partitions);
        let bytes = records.filter_map(|data| data.records.as_ref()).map(Bytes::len).sum();
        let mut stale = false;
        for topic in response.responses {
            for data in topic.partitions {
                let index = data.partition_index;
                if let Some(told) = session.told(topic.topic_id, &topic.topic.0, index) {
                    stale |= self.partition(told, data, bytes).await;
                }
            }
        }
        stale
    }

    /// Handles one partition of a response with `bytes` of records for all partitions. Returns true if the
    /// source's metadata looks stale.
    async fn partition(&self, told: &SessionPartition, data: PartitionData, bytes: usize) -> bool {
        let SessionPartition { partition, plan, .. } = told;
        let code = ErrorCode(data.error_code);
        // After an error there may be much to fill, so the partition takes its own lane.
        let bytes = if code.is_none() { bytes } else { usize::MAX };
        partition.choose_lane(lane(&partition.id.topic, partition.id.index, bytes));
        if code.is_none() {
            self.data(partition, *plan, data).await;
            return false;
        }
        match code {
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                let (link, source) = (self.link.to_owned(), self.source.clone());
                out_of_range::ask(link, source, partition, *plan, self.options.backoff);
                false
            }
            ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::LEADER_NOT_AVAILABLE
            | ErrorCode::REPLICA_NOT_AVAILABLE
            | ErrorCode::FENCED_LEADER_EPOCH
            | ErrorCode::UNKNOWN_LEADER_EPOCH
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::UNKNOWN_TOPIC_ID
            | ErrorCode::INCONSISTENT_TOPIC_ID
            | ErrorCode::OFFSET_NOT_AVAILABLE => {
                let pause = MAX_LEADER_BACKOFF.min(self.options.backoff);
                partition.delay(plan.attempt, &format!("source: {}", code.name()), pause);
                true
            }
            other => {
                let FetchOptions { backoff, retry_timeout, .. } = *self.options;
                partition.delay(plan.attempt, &format!("source: {}", other.name()), backoff);
                partition.source_refused(plan.attempt, other, retry_timeout);
                true
            }
        }
    }

    /// Handles the data of one partition that was fetched outside of the session.
    pub(crate) async fn in_order(&self, partition: &Arc<Partition>, plan: FetchPlan, data: PartitionData) {
        let bytes = data.records.as_ref().map_or(0, Bytes::len);
        partition.choose_lane(lane(&partition.id.topic, partition.id.index, bytes));
        self.data(partition, plan, data).await;
    }

    async fn data(&self, partition: &Arc<Partition>, plan: FetchPlan, data: PartitionData) {
        let id = &partition.id;
        if data.diverging_epoch.epoch >= 0 {
            let (epoch, end) = (data.diverging_epoch.epoch, data.diverging_epoch.end_offset);
            partition.source_diverged(plan, |held| PartitionFailure {
                error: MirrorError::UnexpectedTruncation,
                reason: format!(
                    "the source log was truncated: its leader epoch {epoch} ends at offset {end}, but the \
                     mirror already holds records of epoch {} up to offset {held}",
                    plan.last_fetched_epoch
                ),
            });
            return;
        }
        partition.source_answers(data.log_start_offset);
        let records = data.records.unwrap_or_default();
        let held =
            records.is_empty() && (plan.offset..data.high_watermark).contains(&data.last_stable_offset);
        partition.progress.update(|progress| {
            progress.source_high_watermark = data.high_watermark;
            progress.source_last_stable_offset = data.last_stable_offset;
            progress.last_fetch_offset = plan.offset;
            progress.last_fetch_ms = crate::clock::now_ms();
            if held {
                progress.held_back_at(plan.offset);
            } else {
                progress.held = None;
                progress.reason.clear();
            }
        });
        if records.is_empty() {
            return;
        }
        let extent = self.on_records.and_then(|_| Extent::of(&records));
        let aborted = data.aborted_transactions.unwrap_or_default().into_iter();
        let aborted = aborted
            .map(|aborted| AbortedTransaction {
                first_offset: aborted.first_offset,
                producer_id: aborted.producer_id.0,
            })
            .collect();
        let target = ShapeTarget {
            next_offset: plan.offset,
            last_timestamp: partition.last_timestamp(),
            producer_id: id.producer_id,
            unkeyed_below: partition.drops_unkeyed_below(),
            join_bytes: partition.join_bytes(),
        };
        if is_heavy(&records, &target) {
            let queue = Queue {
                link: self.link.to_owned(),
                partition: Arc::clone(partition),
                source: self.source.clone(),
                destination: self.destination.clone(),
                backoff: self.options.backoff,
            };
            shape_aside(records, aborted, target, plan, queue).await;
        } else {
            let run = shape(&records, aborted, target);
            if run.unkeyed > 0
                && !may_leave_out(
                    self.source,
                    self.destination,
                    partition,
                    plan.attempt,
                    self.options.backoff,
                )
                .await
            {
                return;
            }
            take(self.link, partition, plan, run);
        }
        if let Some((on_records, seen)) = self.on_records.zip(extent) {
            on_records(partition, seen, data.last_stable_offset);
        }
    }
}

/// Returns true if records without a key may be left out of what was just fetched. If not, it is fetched
/// again and no record is lost: either the destination takes the records by now, or they block the partition
/// until somebody corrects its `cleanup.policy`.
async fn may_leave_out(
    source: &Cluster,
    destination: &Cluster,
    partition: &Partition,
    attempt: Attempt,
    backoff: Duration,
) -> bool {
    let asked = record_refusals::may_leave_out(source, destination, &partition.id);
    let why = match tokio::time::timeout(CONFIGS_TIMEOUT, asked).await {
        Ok(Ok(true)) => return true,
        Ok(Ok(false)) => {
            partition.keep_unkeyed();
            return false;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer".to_owned(),
    };
    let why = format!("cannot find out whether records without a key may be left out: {why}");
    partition.delay(attempt, &why, backoff);
    false
}

/// Queues what was shaped.
fn take(link: &str, partition: &Arc<Partition>, plan: FetchPlan, run: ShapeOutput) {
    let unkeyed = run.unkeyed;
    if unkeyed > 0 {
        partition.progress.update(|progress| progress.unkeyed_records += unkeyed as u64);
        warn!(
            link,
            topic = partition.id.topic,
            partition = partition.id.index,
            offset = plan.offset,
            records = unkeyed,
            "records without a key are left out of the compacted topic"
        );
    }
    partition.fetched(plan, run);
}

/// Context to queue what was shaped on a blocking thread.
struct Queue {
    link: String,
    partition: Arc<Partition>,
    source: Cluster,
    destination: Cluster,
    backoff: Duration,
}

/// Limit on the number of answers that are shaped on blocking threads at the same time.
static SHAPERS: Semaphore = Semaphore::const_new(2);
/// Time after which shaping is not waited for, so that the other partitions of the source broker go on.
const SHAPING_WAIT: Duration = Duration::from_millis(50);

/// Runs [`shape`] on a blocking thread. If that takes long, the partition is left out of fetches until it is
/// done.
async fn shape_aside(
    records: Bytes,
    aborted: Vec<AbortedTransaction>,
    target: ShapeTarget,
    plan: FetchPlan,
    queue: Queue,
) {
    let shaping = queue.partition.shaping();
    let mut task = tokio::spawn(async move {
        // The semaphore is never closed.
        let turn = SHAPERS.acquire().await;
        let done = tokio::task::spawn_blocking(move || shape(&records, aborted, target)).await;
        drop(turn);
        match done {
            Ok(run) => {
                let Queue { link, partition, source, destination, backoff } = &queue;
                if run.unkeyed == 0
                    || may_leave_out(source, destination, partition, plan.attempt, *backoff).await
                {
                    take(link, partition, plan, run);
                }
            }
            // The fetcher may not wait any more, so the failure is reported here.
            Err(failed) if failed.is_panic() => {
                let reason = format!("shaping the records from source offset {} on panicked", plan.offset);
                queue.partition.fail(plan.attempt, PartitionFailure { error: MirrorError::Unknown, reason });
            }
            // The process is ending.
            Err(_) => {}
        }
        drop(shaping);
    });
    // Either the task is done, or it goes on by itself.
    let _ = tokio::time::timeout(SHAPING_WAIT, &mut task).await;
}

#[cfg(test)]
mod tests;
