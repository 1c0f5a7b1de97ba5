//! Where the logs of single partitions begin and end, as their leaders tell.

use crate::client::admin::OffsetSpec;
use crate::client::{ClientError, Cluster};
use crate::wire::batch::RawBatch;
use crate::wire::walk::walk;

/// One offset of one partition that a client may see: its first, or its high watermark.
pub(super) async fn list_offset(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    spec: OffsetSpec,
) -> Result<i64, ClientError> {
    cluster.list_offset(topic, partition, spec).await.map(|listed| listed.offset)
}

/// Log end offset of one partition: what is not replicated yet counts.
pub(super) async fn log_end_offset(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
) -> Result<i64, ClientError> {
    cluster.end_offset_for_epoch(topic, partition, None).await.map(|end| end.end_offset)
}

/// Producer id and epoch of the last batch below `high_watermark`; `None` when no batch was found there.
pub(super) async fn last_writer(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    high_watermark: i64,
) -> Result<Option<(i64, i16)>, ClientError> {
    let records = cluster.records_at(topic, partition, high_watermark - 1).await?.unwrap_or_default();
    let last = walk(&records).map_while(Result::ok).last();
    Ok(last.map(|batch| (batch.header.producer_id, batch.header.producer_epoch)))
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
    let Some(records) = cluster.records_at(topic, partition, offset).await? else {
        return Ok(At::OutOfRange);
    };
    let mut batches = walk(&records).map_while(Result::ok);
    Ok(batches.find(|batch| batch.header.last_offset() >= offset).map_or(At::Nothing, At::Batch))
}
