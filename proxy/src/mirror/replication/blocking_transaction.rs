//! Finds the producer that holds a partition back: the one of the earliest open transaction on the source.
//!
//! The last stable offset is the first offset of that transaction. So the batch at that offset names the
//! producer, and its timestamp tells when the transaction began.

use std::time::Duration;

use tracing::debug;

use crate::client::Cluster;
use crate::mirror::log_bounds::{At, batch_at};
use crate::mirror::progress::{BlockingTransaction, HoldingProducer};
use crate::mirror::replication::partition::Partition;

/// Time limit of a request to the source.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks the source for the producer that holds `partition` back. Records the answer if the producer still
/// does.
pub(crate) async fn name_holder(source: &Cluster, link: &str, partition: &Partition) {
    let Some(BlockingTransaction { offset, .. }) = partition.progress.held() else { return };
    let id = &partition.id;
    let asked = batch_at(source, &id.source_topic, id.index, offset);
    let header = match tokio::time::timeout(DESCRIBE_TIMEOUT, asked).await {
        Ok(Ok(At::Batch(batch))) => batch.header,
        Ok(Ok(At::Nothing | At::OutOfRange)) | Err(_) => return,
        Ok(Err(error)) => {
            debug!(link, topic = id.topic, partition = id.index, %error, "the open transaction cannot be read");
            return;
        }
    };
    // The transaction may have ended meanwhile, and the batch there may belong to no transaction.
    if !header.is_transactional() || header.is_control() {
        return;
    }
    partition.progress.update(|progress| {
        if let Some(held) = progress.held.as_mut().filter(|held| held.offset == offset) {
            held.producer = Some(HoldingProducer {
                id: header.producer_id,
                epoch: header.producer_epoch,
                since_ms: header.base_timestamp,
            });
            progress.held_back_at(offset);
        }
    });
}
