//! Group offsets at the end of a mirror: synced a last time by a promote, lowered to the log by a failover. The topics of a link
//! that wait for it at the same time share one pass over its groups.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use state::model::link_config::LinkConfig;
use state::model::{Link, MirrorState, MirrorTopic, Stop};

use super::group_offsets::Group;
use super::group_trouble::GroupTrouble;
use super::log_bounds::list_offset;
use super::offset_plan::Offsets;
use super::offset_sync::{CONCURRENT_GROUPS, OffsetSync, is_synced};
use super::source_clusters::lost;
use super::task_status::Task;
use super::together::Together;
use super::topic::is_on;
use super::{group_offsets, offset_plan};
use crate::client::ClientError;
use crate::client::admin::OffsetSpec;

/// Why group offsets could not be brought up to date at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("group offsets of topic '{topic}' are not in step: {reason}")]
pub struct OffsetSyncError {
    /// The mirror topic.
    pub topic: String,
    /// What went wrong first.
    pub reason: String,
}

/// What stands against single groups; the others are done.
type Outcome = Result<Vec<GroupTrouble>, OffsetSyncError>;

/// Who waits for the last pass over the groups of a link.
#[derive(Debug, Clone, Default)]
pub(super) struct LastSyncs {
    promoted: Together<String, Outcome>,
    /// With how far the partitions go.
    failed_over: Together<(String, Vec<i64>), Outcome>,
}

impl OffsetSync {
    /// Brings the groups' offsets in one mirror topic that is being promoted up to date a last time. Groups that could not be
    /// are named, and do not count as a failure.
    ///
    /// # Errors
    /// The groups could not be listed, on either side.
    pub async fn final_sync(&self, link: &str, topic: &str) -> Outcome {
        let pass = |topics: Vec<String>| self.last_pass(link, topics);
        let outcome = self.last.promoted.ask(link, topic.to_owned(), pass).await;
        outcome.unwrap_or_else(|| Err(interrupted(topic)))
    }

    /// Lowers the offsets of the link's groups on the destination that lie beyond `ends` in `topic`. Needs no source. Groups that
    /// could not be lowered are named, and do not count as a failure.
    ///
    /// # Errors
    /// The groups could not be listed.
    pub async fn clamp(&self, link: &str, topic: &str, ends: &[i64]) -> Outcome {
        let pass = |topics| self.clamping_pass(link, topics);
        let outcome = self.last.failed_over.ask(link, (topic.to_owned(), ends.to_vec()), pass).await;
        outcome.unwrap_or_else(|| Err(interrupted(topic)))
    }

    /// One pass over the groups for all of these topics. What stands against one of them is its own.
    async fn last_pass(&self, name: &str, topics: Vec<String>) -> Vec<Outcome> {
        // What a periodic round began to commit before the logs were closed is answered by now.
        drop(self.turns.take(name).await);
        let view = self.store.view();
        let Some(link) = view.links.get(name) else {
            return all(&topics, |topic| Err(failed(topic, "the link is gone")));
        };
        let Ok(config) = LinkConfig::parse(&link.configs) else {
            return all(&topics, |topic| Err(failed(topic, "the link's configs are not valid")));
        };
        if !config.offset_sync.enabled || config.offset_sync.filters.is_none() {
            return all(&topics, |_| Ok(Vec::new()));
        }
        let (mut apart, mut mirrors) = (BTreeMap::new(), Vec::new());
        for topic in &topics {
            let reason = match view.mirrors.get(topic) {
                Some(mirror) if is_on(mirror, &self.destination) => {
                    mirrors.push(mirror.clone());
                    continue;
                }
                Some(_) => "the destination topic is not known to be the mirror",
                None => "the mirror topic is gone",
            };
            let _ = apart.insert(topic.clone(), failed(topic, reason));
        }
        let found = self.sync_what_is_there(link, &config, mirrors).await;
        let outcomes = topics.iter().zip(self.tell(name, &topics, found));
        outcomes.map(|(topic, told)| apart.remove(topic).map_or(told, Err)).collect()
    }

    /// Syncs the groups in these mirrors, but for those whose source topics are gone: they are named.
    async fn sync_what_is_there(
        &self,
        link: &Link,
        config: &LinkConfig,
        mut mirrors: Vec<MirrorTopic>,
    ) -> Result<Vec<GroupTrouble>, ClientError> {
        let source = self.sources.of(link, config);
        let mut gone = lost(&source, &mirrors).await?;
        mirrors.retain(|mirror| !gone.contains_key(&mirror.topic));
        let ends = mirrors.iter().map(|mirror| (mirror.source_topic.clone(), self.ends_of(mirror))).collect();
        let mut troubles = self.sync(link, config, &ends, is_being_promoted, true).await?;
        // With its topic a group loses its positions: what was read of one that went meanwhile may not be all.
        gone.extend(lost(&source, &mirrors).await?);
        troubles.extend(gone.iter().map(|(topic, why)| GroupTrouble::lost(topic, why)));
        Ok(troubles)
    }

    async fn clamping_pass(&self, name: &str, topics: Vec<(String, Vec<i64>)>) -> Vec<Outcome> {
        // What a periodic round began to commit before the failover is answered by now.
        drop(self.turns.take(name).await);
        let names: Vec<String> = topics.iter().map(|(topic, _)| topic.clone()).collect();
        let config = self.store.view().links.get(name).map(|link| LinkConfig::parse(&link.configs));
        let Some(Ok(config)) = config else { return all(&names, |_| Ok(Vec::new())) };
        if !config.offset_sync.enabled {
            return all(&names, |_| Ok(Vec::new()));
        }
        let found = self.lower(&config, topics.into_iter().collect()).await;
        self.tell(name, &names, found)
    }

    async fn lower(
        &self,
        config: &LinkConfig,
        ends: BTreeMap<String, Vec<i64>>,
    ) -> Result<Vec<GroupTrouble>, ClientError> {
        let groups = group_offsets::list(&self.destination).await?;
        let topics: Vec<(String, u32)> = ends
            .iter()
            .map(|(topic, ends)| (topic.clone(), u32::try_from(ends.len()).unwrap_or(u32::MAX)))
            .collect();
        let (ends, topics) = (&ends, &topics);
        let synced = groups.iter().filter(|group| is_synced(config, &group.name));
        let lowered = synced.map(|group| async move {
            match group_offsets::committed(&self.destination, &group.name, topics).await {
                Ok(local) => {
                    let own_name = |topic: &str| Some(topic.to_owned());
                    let mut troubles = GroupTrouble::untold(&group.name, &local.refused, own_name);
                    let due = offset_plan::beyond(&local.offsets, ends);
                    let due = self.to_be_lowered(group, due, &local.offsets, &mut troubles).await;
                    // A group in use whose offsets are right is no trouble.
                    if !due.is_empty() {
                        troubles.extend(self.commit(&group.name, group.in_use, &due).await);
                    }
                    troubles
                }
                Err(error) => vec![GroupTrouble::unread(&group.name, &error)],
            }
        });
        let lowered: Vec<_> = lowered.collect();
        Ok(futures::stream::iter(lowered).buffer_unordered(CONCURRENT_GROUPS).concat().await)
    }

    /// Which of the positions that are `due` may be lowered. In a topic that is open by now, clients may have brought
    /// a group to where it stands: it is lowered only from where nobody has written yet, and otherwise named, unless
    /// it has members.
    async fn to_be_lowered(
        &self,
        group: &Group,
        mut due: Offsets,
        stands: &Offsets,
        troubles: &mut Vec<GroupTrouble>,
    ) -> Offsets {
        let view = self.store.view();
        let is_open = |topic: &str| view.mirrors.get(topic).is_none_or(|mirror| !mirror.is_read_only());
        let open: Vec<_> = due.keys().filter(|(topic, _)| is_open(topic)).cloned().collect();
        for at in open {
            let stands_at = stands.get(&at).map_or(-1, |committed| committed.offset);
            match list_offset(&self.destination, &at.0, at.1, OffsetSpec::Latest).await {
                Ok(end) if stands_at > end => {}
                Ok(_) => {
                    let lowered = due.remove(&at);
                    if let Some(bound) = lowered.filter(|_| !group.in_use) {
                        troubles.push(GroupTrouble::beyond(&group.name, &at, stands_at, bound.offset));
                    }
                }
                Err(error) => {
                    let _ = due.remove(&at);
                    let refused = BTreeMap::from([(at, error)]);
                    troubles
                        .extend(GroupTrouble::untold(&group.name, &refused, |topic| Some(topic.to_owned())));
                }
            }
        }
        due
    }

    /// Shows on the task what is new, and tells each topic what concerns it.
    fn tell(
        &self,
        link: &str,
        topics: &[String],
        found: Result<Vec<GroupTrouble>, ClientError>,
    ) -> Vec<Outcome> {
        match found {
            Err(error) => {
                let reason = format!("groups cannot be listed: {error}");
                all(topics, |topic| Err(failed(topic, &reason)))
            }
            Ok(troubles) => {
                // A pass over some topics says nothing of the others: what was known of them stays.
                let errors = troubles.iter().map(|trouble| trouble.error.clone());
                self.tasks.add(link, Task::ConsumerOffsetSync, errors);
                let of = |topic: &String| {
                    let mine = |trouble: &&GroupTrouble| trouble.topic.as_ref().is_none_or(|of| of == topic);
                    troubles.iter().filter(mine).cloned().collect()
                };
                all(topics, |topic| Ok(of(topic)))
            }
        }
    }
}

fn is_being_promoted(mirror: &MirrorTopic) -> bool {
    mirror.state == (MirrorState::PendingStopped { stop: Stop::Promote })
}

fn all(topics: &[String], outcome: impl Fn(&String) -> Outcome) -> Vec<Outcome> {
    topics.iter().map(outcome).collect()
}

fn failed(topic: &str, reason: &str) -> OffsetSyncError {
    OffsetSyncError { topic: topic.to_owned(), reason: reason.to_owned() }
}

fn interrupted(topic: &str) -> OffsetSyncError {
    failed(topic, "the pass over the groups was interrupted; again")
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
