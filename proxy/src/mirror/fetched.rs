//! What a fetch response means for each partition: data to queue, a wait, or the end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::{FetchResponse, PartitionData};
use state::model::MirrorError;
use tokio::sync::Semaphore;
use tracing::{info, warn};

use super::compacted;
use super::fetch_session::{FetchSession, Told};
use super::fetcher::FetchOptions;
use super::lane::lane;
use super::log_bounds::{list_offset, log_end_offset};
use super::partition::{Failure, FetchPlan, Partition};
use super::ready::ReadyBoard;
use super::shape::{ShapedRun, Target, is_heavy, shape};
use crate::client::Cluster;
use crate::client::admin::OffsetSpec;
use crate::wire::aborted::AbortedTransaction;
use crate::wire::error_code::ErrorCode;

/// Longest pause of a partition whose source leader is elsewhere or not ready.
const LEADER_PAUSE: Duration = Duration::from_millis(100);

/// The configs of both topics later than this do not count: other partitions wait meanwhile.
const CONFIGS_WITHIN: Duration = Duration::from_secs(2);

/// Takes fetch responses of one source broker.
pub(super) struct Fetched<'a> {
    pub(super) link: &'a str,
    pub(super) source: &'a Cluster,
    pub(super) destination: &'a Cluster,
    pub(super) ready: &'a ReadyBoard,
    pub(super) options: &'a FetchOptions,
}

impl Fetched<'_> {
    /// Handles every partition of a response. Returns true when the source's metadata looks stale.
    pub(super) async fn take(&self, response: FetchResponse, session: &FetchSession) -> bool {
        let top = ErrorCode(response.error_code);
        if !top.is_none() {
            warn!(link = self.link, error = top.name(), "source refused a fetch");
            for Told { partition, .. } in session.all() {
                partition.delay(&format!("the source refused a fetch: {}", top.name()), self.options.backoff);
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

    /// `bytes` of records came for all partitions together.
    async fn partition(&self, told: &Told, data: PartitionData, bytes: usize) -> bool {
        let Told { partition, plan, .. } = told;
        let code = ErrorCode(data.error_code);
        // After an error there may be much to fill.
        let bytes = if code.is_none() { bytes } else { usize::MAX };
        partition.choose_lane(lane(&partition.id.topic, partition.id.index, bytes));
        if code.is_none() {
            self.data(partition, *plan, data).await;
            return false;
        }
        match code {
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                self.out_of_range(partition, *plan).await;
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
                let pause = LEADER_PAUSE.min(self.options.backoff);
                partition.delay(&format!("source: {}", code.name()), pause);
                true
            }
            other => {
                let FetchOptions { backoff, retry_timeout, .. } = *self.options;
                partition.delay(&format!("source: {}", other.name()), backoff);
                partition.source_refused(plan.attempt, other, retry_timeout);
                true
            }
        }
    }

    async fn data(&self, partition: &Arc<Partition>, plan: FetchPlan, data: PartitionData) {
        let id = &partition.id;
        if data.diverging_epoch.epoch >= 0 {
            let (epoch, end) = (data.diverging_epoch.epoch, data.diverging_epoch.end_offset);
            partition.source_diverged(plan, |held| Failure {
                error: MirrorError::UnexpectedTruncation,
                reason: format!(
                    "the source log was truncated: its leader epoch {epoch} ends at offset {end}, the mirror already holds records of epoch {} up to offset {held}",
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
        let aborted = data.aborted_transactions.unwrap_or_default().into_iter();
        let aborted = aborted
            .map(|aborted| AbortedTransaction {
                first_offset: aborted.first_offset,
                producer_id: aborted.producer_id.0,
            })
            .collect();
        let target = Target {
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
                ready: self.ready.clone(),
                source: self.source.clone(),
                destination: self.destination.clone(),
                backoff: self.options.backoff,
            };
            shape_aside(records, aborted, target, plan, queue).await;
        } else {
            let run = shape(&records, aborted, target);
            if run.unkeyed > 0
                && !may_leave_out(self.source, self.destination, partition, self.options.backoff).await
            {
                return;
            }
            take(self.link, partition, self.ready, plan, run);
        }
    }

    /// The source has no such offset (trimmed away before it was copied, or truncated), or it cannot place the epoch.
    async fn out_of_range(&self, partition: &Arc<Partition>, plan: FetchPlan) {
        let id = &partition.id;
        let start = list_offset(self.source, &id.source_topic, id.index, OffsetSpec::Earliest).await;
        // -1 where the source keeps no leader epochs, as for messages of v0 and v1: that says nothing of its end.
        let end = log_end_offset(self.source, &id.source_topic, id.index).await;
        let (Ok(start), Ok(end)) = (start, end) else {
            partition.delay(
                "source: OFFSET_OUT_OF_RANGE, and its log bounds are not known yet",
                self.options.backoff,
            );
            return;
        };
        partition.source_starts_at(start);
        if plan.offset < start {
            partition.met_gap(plan, start);
        } else if end >= 0 && plan.offset > end {
            partition.source_diverged(plan, |held| truncated(held, end));
        } else if plan.last_fetched_epoch >= 0 {
            info!(
                link = self.link,
                topic = id.topic,
                partition = id.index,
                offset = plan.offset,
                epoch = plan.last_fetched_epoch,
                "the source cannot place the leader epoch of the mirror's last record"
            );
            partition.epoch_not_placed(plan);
        } else {
            info!(
                link = self.link,
                topic = id.topic,
                partition = id.index,
                offset = plan.offset,
                "offset was briefly out of range"
            );
            partition.delay("source: OFFSET_OUT_OF_RANGE", LEADER_PAUSE);
        }
    }
}

/// Whether records without a key may be left out of what was just fetched. Where not, it is fetched again: the destination takes them
/// by now, or they stand in the way until somebody sets its `cleanup.policy` right, but they are not lost.
async fn may_leave_out(
    source: &Cluster,
    destination: &Cluster,
    partition: &Partition,
    backoff: Duration,
) -> bool {
    let asked = compacted::may_leave_out(source, destination, &partition.id);
    let why = match tokio::time::timeout(CONFIGS_WITHIN, asked).await {
        Ok(Ok(true)) => return true,
        Ok(Ok(false)) => {
            partition.keep_unkeyed();
            return false;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer".to_owned(),
    };
    let why = format!("records without a key: it is not known whether they may be left out: {why}");
    partition.delay(&why, backoff);
    false
}

/// Queues what was shaped.
fn take(link: &str, partition: &Arc<Partition>, ready: &ReadyBoard, plan: FetchPlan, run: ShapedRun) {
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
    if partition.fetched(plan, run) {
        ready.push(Arc::clone(partition));
    }
}

/// Where what is shaped aside goes.
struct Queue {
    link: String,
    partition: Arc<Partition>,
    ready: ReadyBoard,
    source: Cluster,
    destination: Cluster,
    backoff: Duration,
}

/// Answers that are shaped off the async workers at the same time.
static SHAPERS: Semaphore = Semaphore::const_new(2);
/// What takes longer is not waited for: the other partitions of the source broker go on.
const ASIDE_AFTER: Duration = Duration::from_millis(50);

/// As [`shape`], off the async workers. Where that takes long, the partition is left out of fetches until it is done.
async fn shape_aside(
    records: Bytes,
    aborted: Vec<AbortedTransaction>,
    target: Target,
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
                let Queue { link, partition, ready, source, destination, backoff } = &queue;
                if run.unkeyed == 0 || may_leave_out(source, destination, partition, *backoff).await {
                    take(link, partition, ready, plan, run);
                }
            }
            // Nobody may be waiting any more, so it is told here.
            Err(failed) if failed.is_panic() => queue.partition.fail(Failure {
                error: MirrorError::Unknown,
                reason: format!(
                    "the records from source offset {} on ended their shaping by a panic",
                    plan.offset
                ),
            }),
            // The process is ending.
            Err(_) => {}
        }
        drop(shaping);
    });
    // Done, or it goes on by itself.
    let _ = tokio::time::timeout(ASIDE_AFTER, &mut task).await;
}
/// The mirror holds records up to `held`, and the source's log ends before that.
pub(super) fn truncated(held: i64, end: i64) -> Failure {
    Failure {
        error: MirrorError::UnexpectedTruncation,
        reason: format!(
            "the mirror holds records up to offset {held}, the source log ends at offset {end}: the source was truncated"
        ),
    }
}

#[cfg(test)]
mod tests;
