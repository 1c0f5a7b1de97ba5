//! Failover: open the topic at once with what it has. Needs no source.

use std::time::Duration;

use state::model::{KafkaUuid, Stop};
use tracing::warn;

use super::{NotYet, StopJob};
use crate::mirror::record;

/// How long lowering group offsets may hold up the opening of the topic. They never lie beyond what was acknowledged, so
/// there is something to lower only where a leader change cost the log its tail.
const CLAMP_WITHIN: Duration = Duration::from_secs(2);

impl StopJob {
    /// One attempt: stop appending, fence the logs, lower group offsets that lie beyond them, open the topic.
    ///
    /// Returns the log end offsets, fence included.
    pub(super) async fn failover(&self) -> Result<Vec<i64>, NotYet> {
        for partition in &self.partitions {
            partition.abandon();
        }
        if self.mirror.local_topic_id == KafkaUuid::ZERO {
            // It never came to be; a topic of this name is somebody else's.
            record::forget(&self.store, &self.mirror).await.map_err(|error| NotYet(error.to_string()))?;
            return Ok(Vec::new());
        }
        let ends = self.fence().await?;
        for (partition, end) in self.partitions.iter().zip(&ends) {
            partition.progress.update(|progress| {
                progress.log_end_offset = *end;
                progress.reason.clear();
            });
        }
        let clamp = self.offsets.clamp_to_log_end(&self.mirror.link, self.topic(), &ends);
        match tokio::time::timeout(CLAMP_WITHIN, clamp).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                warn!(topic = self.topic(), %error, "group offsets were not checked against the log end")
            }
            Err(_) => warn!(topic = self.topic(), "checking group offsets against the log end took too long"),
        }
        self.complete(Stop::Failover, ends.clone()).await?;
        Ok(ends)
    }
}
