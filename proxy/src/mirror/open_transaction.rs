//! Who holds a partition back: the producer of the earliest open transaction on the source.
//!
//! The last stable offset is the first offset of that transaction, so the batch that stands there names its producer, and
//! its timestamp says since when.

use std::time::Duration;

use tracing::debug;

use super::log_bounds::{At, batch_at};
use super::partition::Partition;
use super::progress::{Held, HoldingProducer};
use crate::client::Cluster;

/// An answer later than this does not count.
const WITHIN: Duration = Duration::from_secs(5);

/// Asks the source for the producer that holds `partition` back, and notes it while it still does.
pub(super) async fn name_holder(source: &Cluster, link: &str, partition: &Partition) {
    let Some(Held { offset, .. }) = partition.progress.held() else { return };
    let id = &partition.id;
    let asked = batch_at(source, &id.source_topic, id.index, offset);
    let header = match tokio::time::timeout(WITHIN, asked).await {
        Ok(Ok(At::Batch(batch))) => batch.header,
        Ok(Ok(At::Nothing | At::OutOfRange)) | Err(_) => return,
        Ok(Err(error)) => {
            debug!(link, topic = id.topic, partition = id.index, %error, "the open transaction cannot be looked at");
            return;
        }
    };
    // The transaction may have ended meanwhile, and what stands there now be of nobody.
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
