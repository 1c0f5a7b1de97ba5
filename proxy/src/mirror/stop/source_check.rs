//! Before a promote takes a target: is the source the one that was mirrored, and is all of it mirrored?

use std::cmp::Ordering;
use std::time::Duration;

use state::model::MirrorTopic;

use super::{NotYet, StopJob};
use crate::mirror::source_clusters::fresh_topic;
use crate::mirror::{record, topic_admin};

/// A source that does not answer in this time is asked again.
const WITHIN: Duration = Duration::from_secs(10);
/// Pause after the destination refused more partitions: it will hardly change its mind at once.
const REFUSED_PAUSE: Duration = Duration::from_secs(2);

/// What the number of the source's partitions says of a mirror that is to be promoted.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The mirror has as many.
    Right,
    /// There are so many by now.
    Grown(u32),
    /// There are fewer, for people.
    Wrong(String),
}

impl StopJob {
    /// Asks the source anew who it is and how many partitions the topic has; gives the mirror those that it lacks.
    ///
    /// # Errors
    /// The source does not answer, or is another one; or the mirror has fewer partitions, and either gets them now
    /// (this job ends then) or the destination refuses them.
    pub(super) async fn source_is_mirrored_whole(&self) -> Result<(), NotYet> {
        let found = tokio::time::timeout(WITHIN, fresh_topic(&self.source, &self.mirror))
            .await
            .map_err(|_| NotYet("the source does not answer".to_owned()))?
            .map_err(|error| NotYet(error.to_string()))?;
        match judge(&self.mirror, found.partitions.len()) {
            Verdict::Right => self.compare_with_destination().await,
            Verdict::Wrong(reason) => Err(NotYet(reason)),
            Verdict::Grown(count) => {
                let waits = format!(
                    "the source topic '{}' has {count} partitions, the mirror {}: waiting until it has them too",
                    self.mirror.source_topic, self.mirror.partitions
                );
                match record::grow(&self.store, &self.destination, &self.mirror, count).await {
                    Ok(()) => Err(NotYet(waits)),
                    Err(refused) => {
                        tokio::time::sleep(REFUSED_PAUSE).await;
                        Err(NotYet(format!("{waits}; {refused}")))
                    }
                }
            }
        }
    }

    /// Partitions that only the destination has were never mirrored; nobody can take them away again.
    async fn compare_with_destination(&self) -> Result<(), NotYet> {
        let found = topic_admin::describe(&self.destination, self.topic())
            .await
            .map_err(|error| NotYet(format!("the destination does not tell its partitions: {error}")))?
            .ok_or_else(|| NotYet(format!("the destination has no topic '{}'", self.topic())))?;
        if found.partitions > self.mirror.partitions {
            self.go_on_without(format!(
                "the destination topic has {} partitions, its source {}: the others were added past the gateway, and what \
                 they hold is not the source's",
                found.partitions, self.mirror.partitions
            ));
        }
        Ok(())
    }
}

/// Pure. `on_source` is how many partitions the source topic has.
fn judge(mirror: &MirrorTopic, on_source: usize) -> Verdict {
    let count = u32::try_from(on_source).unwrap_or(u32::MAX);
    match count.cmp(&mirror.partitions) {
        Ordering::Equal => Verdict::Right,
        Ordering::Greater => Verdict::Grown(count),
        Ordering::Less => Verdict::Wrong(format!(
            "the source topic '{}' has {count} partitions, the mirror {}",
            mirror.source_topic, mirror.partitions
        )),
    }
}

#[cfg(test)]
mod tests {
    use state::model::{MirrorState, Stop};

    use super::*;
    use crate::mirror::sample::mirror;

    #[test]
    fn a_target_is_taken_only_where_the_mirror_has_all_partitions() {
        let mirror = mirror("dr", "users", MirrorState::PendingStopped { stop: Stop::Promote });
        assert_eq!(judge(&mirror, 2), Verdict::Right);
        assert_eq!(judge(&mirror, 5), Verdict::Grown(5));
        let fewer = judge(&mirror, 1);
        assert!(
            matches!(&fewer, Verdict::Wrong(why) if why.contains("has 1 partitions, the mirror 2")),
            "{fewer:?}"
        );
    }
}
