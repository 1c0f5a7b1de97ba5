//! Where the logs of single partitions begin and end, as their leaders tell.

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::client::admin::LogBound;
use crate::client::{ClientError, Cluster};
use crate::wire::batch::RawBatch;
use crate::wire::error_code::ErrorCode;
use crate::wire::walk::walk;

/// Bytes fetched to see the last batch of a log; the broker sends one whole batch even if it is larger.
const LAST_BATCH_BYTES: i32 = 64 * 1024;

/// First offset, or high watermark, of one partition.
pub(super) async fn log_bound(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    bound: LogBound,
) -> Result<i64, ClientError> {
    cluster.log_bound(topic, partition, bound).await.map(|listed| listed.offset)
}

/// Log end offset of one partition: what is not replicated yet counts.
pub(super) async fn log_end_offset(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
) -> Result<i64, ClientError> {
    cluster.end_offset_for_epoch(topic, partition, None).await.map(|end| end.end_offset)
}

/// Producer id of the last batch below `high_watermark`; `None` when no batch was found there.
pub(super) async fn last_producer_id(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    high_watermark: i64,
) -> Result<Option<i64>, ClientError> {
    let records = records_at(cluster, topic, partition, high_watermark - 1).await?.unwrap_or_default();
    Ok(walk(&records).map_while(Result::ok).last().map(|batch| batch.header.producer_id))
}

/// What a log has at an offset, uncommitted data included.
#[derive(Debug)]
pub(super) enum At {
    /// The batch that holds the offset, or the next one.
    Batch(RawBatch),
    /// Nothing that a client may see yet.
    Nothing,
    /// The log does not reach there, or begins behind it.
    OutOfRange,
}

/// What stands at `offset`.
///
/// # Errors
/// The leader's code, or why it could not be asked.
pub(super) async fn batch_at(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<At, ClientError> {
    let Some(records) = records_at(cluster, topic, partition, offset).await? else {
        return Ok(At::OutOfRange);
    };
    let mut batches = walk(&records).map_while(Result::ok);
    Ok(batches.find(|batch| batch.header.last_offset() >= offset).map_or(At::Nothing, At::Batch))
}

/// `None` when the offset is out of range.
async fn records_at(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<Option<Bytes>, ClientError> {
    let wanted = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_current_leader_epoch(-1)
        .with_last_fetched_epoch(-1)
        .with_log_start_offset(-1)
        .with_partition_max_bytes(LAST_BATCH_BYTES);
    let topic_name = TopicName(StrBytes::from_string(topic.to_owned()));
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_bytes(LAST_BATCH_BYTES)
        .with_session_epoch(-1)
        .with_topics(vec![FetchTopic::default().with_topic(topic_name).with_partitions(vec![wanted])]);
    let leader = cluster.broker(cluster.partition(topic, partition).await?.leader).await?;
    // Version 12 is the last that names topics.
    let response = leader.call_at_most(request, 12).await?;
    let api = format!("Fetch {topic}-{partition}");
    let Some(data) = response.responses.into_iter().flat_map(|topic| topic.partitions).next() else {
        return Err(leader.misfit(&api, "the response names no partition".into()));
    };
    match ErrorCode(data.error_code) {
        ErrorCode::OFFSET_OUT_OF_RANGE => Ok(None),
        code if code.is_none() => Ok(Some(data.records.unwrap_or_default())),
        code => Err(leader.answered(&api, code, "")),
    }
}
