//! Checks the source before a promote takes a target: it must be the mirrored one, and all its partitions
//! must be mirrored.

use std::cmp::Ordering;
use std::time::Duration;

use state::model::MirrorTopic;

use crate::mirror::clusters::fresh_topic;
use crate::mirror::journal;
use crate::mirror::stop::{NotYet, StopJob};
use crate::mirror::sync::configs::topics;

/// Timeout of a request to the source, after which it is asked again.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after the destination refused more partitions. An immediate retry would hardly succeed.
const REFUSED_BACKOFF: Duration = Duration::from_secs(2);

/// Result of comparing the number of partitions of the source with the mirror.
#[derive(Debug, PartialEq, Eq)]
enum PartitionCountCheck {
    /// The numbers are equal.
    Right,
    /// The source has more. The value is its number of partitions.
    Grown(u32),
    /// The source has fewer. The value is a text for operators.
    Wrong(String),
}

impl StopJob {
    /// Asks the source again for its identity and for the topic's number of partitions. Gives the mirror the
    /// partitions that it lacks.
    ///
    /// # Errors
    /// Fails if the source does not answer or is another cluster. Also fails if the mirror has fewer
    /// partitions: either it gets them now, which ends this job, or the destination refuses them.
    pub(crate) async fn source_is_mirrored_whole(&self) -> Result<(), NotYet> {
        let found = tokio::time::timeout(CHECK_TIMEOUT, fresh_topic(&self.source, &self.mirror))
            .await
            .map_err(|_| NotYet("the source does not answer".to_owned()))?
            .map_err(|error| NotYet(error.to_string()))?;
        match judge(&self.mirror, found.partitions.len()) {
            PartitionCountCheck::Right => self.compare_with_destination().await,
            PartitionCountCheck::Wrong(reason) => Err(NotYet(reason)),
            PartitionCountCheck::Grown(count) => {
                let waits = format!(
                    "the source topic '{}' has {count} partitions, the mirror {}: waiting until it has them too",
                    self.mirror.source_topic, self.mirror.partitions
                );
                match journal::grow(&self.store, &self.destination, &self.mirror, count).await {
                    Ok(()) => Err(NotYet(waits)),
                    Err(refused) => {
                        tokio::time::sleep(REFUSED_BACKOFF).await;
                        Err(NotYet(format!("{waits}; {refused}")))
                    }
                }
            }
        }
    }

    /// Reports partitions that only the destination has. They were never mirrored, and Kafka cannot remove
    /// partitions.
    async fn compare_with_destination(&self) -> Result<(), NotYet> {
        let found = topics::describe(&self.destination, self.topic())
            .await
            .map_err(|error| NotYet(format!("the destination's partitions cannot be listed: {error}")))?
            .ok_or_else(|| NotYet(format!("the destination has no topic '{}'", self.topic())))?;
        if found.partitions > self.mirror.partitions {
            self.go_on_without(format!(
                "the destination topic has {} partitions, its source {}: the others were added past the \
                 gateway, and their records are not the source's",
                found.partitions, self.mirror.partitions
            ));
        }
        Ok(())
    }
}

/// Compares the number of partitions. A pure function. `on_source` is the number of partitions of the source
/// topic.
fn judge(mirror: &MirrorTopic, on_source: usize) -> PartitionCountCheck {
    let count = u32::try_from(on_source).unwrap_or(u32::MAX);
    match count.cmp(&mirror.partitions) {
        Ordering::Equal => PartitionCountCheck::Right,
        Ordering::Greater => PartitionCountCheck::Grown(count),
        Ordering::Less => PartitionCountCheck::Wrong(format!(
            "the partition count of the source topic '{}' is {count}, that of the mirror is {}",
            mirror.source_topic, mirror.partitions
        )),
    }
}

#[cfg(test)]
mod tests {
    use state::model::{MirrorState, StopKind};

    use super::*;
    use crate::mirror::test_support::mirror;

    #[test]
    fn a_promote_requires_that_the_mirror_has_all_partitions() {
        let mirror = mirror("dr", "users", MirrorState::PendingStopped { stop: StopKind::Promote });
        assert_eq!(judge(&mirror, 2), PartitionCountCheck::Right);
        assert_eq!(judge(&mirror, 5), PartitionCountCheck::Grown(5));
        let fewer = judge(&mirror, 1);
        assert!(
            matches!(&fewer, PartitionCountCheck::Wrong(why) if why.contains("is 1, that of the mirror is 2")),
            "{fewer:?}"
        );
    }
}
