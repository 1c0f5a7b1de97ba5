//! Reads from the leaders of single partitions where their logs begin and end.

use crate::client::types::OffsetSpec;
use crate::client::{ClientError, Cluster};
use crate::wire::records::batch::RawBatch;
use crate::wire::records::walk::walk;

/// Returns one offset of a partition that clients may see: its log start offset or its high watermark.
pub(crate) async fn list_offset(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    spec: OffsetSpec,
) -> Result<i64, ClientError> {
    cluster.list_offset(topic, partition, spec).await.map(|listed| listed.offset)
}

/// Returns the log end offset of one partition. It includes records that are not replicated yet.
pub(crate) async fn log_end_offset(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
) -> Result<i64, ClientError> {
    cluster.end_offset_for_epoch(topic, partition, None).await.map(|end| end.end_offset)
}

/// Returns producer id and epoch of the last batch below `high_watermark`; `None` if no batch was found
/// there.
pub(crate) async fn last_writer(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    high_watermark: i64,
) -> Result<Option<(i64, i16)>, ClientError> {
    let records = cluster.records_at(topic, partition, high_watermark - 1).await?.unwrap_or_default();
    let last = walk(&records).map_while(Result::ok).last();
    Ok(last.map(|batch| (batch.header.producer_id, batch.header.producer_epoch)))
}

/// Content of a log at an offset, uncommitted data included.
#[derive(Debug)]
pub(crate) enum At {
    /// The batch that holds the offset, or the next one.
    Batch(RawBatch),
    /// Nothing that a client may see yet.
    Nothing,
    /// The log ends before the offset, or begins behind it.
    OutOfRange,
}

/// Returns what the log holds at `offset`.
///
/// # Errors
/// Fails with the leader's error code, or with the reason why the leader could not be asked.
pub(crate) async fn batch_at(
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
