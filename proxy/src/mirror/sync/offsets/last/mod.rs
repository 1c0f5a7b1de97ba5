//! Group offsets at the end of a mirror: a promote syncs them a last time, a failover lowers them to the log
//! end. Topics of a link that wait for this at the same time share one pass over its groups.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use state::model::link_config::LinkConfig;
use state::model::{Link, MirrorState, MirrorTopic, StopKind};

use crate::client::ClientError;
use crate::client::types::OffsetSpec;
use crate::mirror::clusters::lost;
use crate::mirror::log_bounds::list_offset;
use crate::mirror::sync::offsets::bounds::Next;
use crate::mirror::sync::offsets::groups::Group;
use crate::mirror::sync::offsets::plan::Offsets;
use crate::mirror::sync::offsets::trouble::GroupTrouble;
use crate::mirror::sync::offsets::{CONCURRENT_GROUPS, OffsetSync, is_synced};
use crate::mirror::sync::offsets::{groups, plan};
use crate::mirror::sync::task_status::Task;
use crate::mirror::together::Together;
use crate::mirror::topic_ids::is_on;

/// Reason why no group offsets could be brought up to date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("group offsets of topic '{topic}' are not in sync: {reason}")]
pub struct OffsetSyncError {
    /// Name of the mirror topic.
    pub topic: String,
    /// The first error.
    pub reason: String,
}

/// Troubles of single groups, or an error if there was no pass. Groups without trouble are done.
type Outcome = Result<Vec<GroupTrouble>, OffsetSyncError>;

/// Callers that wait for the last pass over the groups of a link.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastSyncs {
    promoted: Together<String, Outcome>,
    /// Each topic comes with the bounds of its partitions.
    failed_over: Together<(String, Vec<i64>), Outcome>,
}

impl OffsetSync {
    /// Syncs the groups' offsets in one mirror topic a last time, for a promote. Groups that could not be
    /// synced are reported by name and do not count as a failure.
    ///
    /// # Errors
    /// Fails if the groups could not be listed, on either side.
    pub async fn final_sync(&self, link: &str, topic: &str) -> Outcome {
        let pass = |topics: Vec<String>| self.last_pass(link, topics);
        let outcome = self.last.promoted.ask(link, topic.to_owned(), pass).await;
        outcome.unwrap_or_else(|| Err(interrupted(topic)))
    }

    /// Lowers the link's group offsets on the destination that lie beyond `ends` in `topic`. Needs no source.
    /// Groups that could not be lowered are reported by name and do not count as a failure.
    ///
    /// # Errors
    /// Fails if the groups could not be listed.
    pub async fn clamp(&self, link: &str, topic: &str, ends: &[i64]) -> Outcome {
        let pass = |topics| self.clamping_pass(link, topics);
        let outcome = self.last.failed_over.ask(link, (topic.to_owned(), ends.to_vec()), pass).await;
        outcome.unwrap_or_else(|| Err(interrupted(topic)))
    }

    /// Makes one pass over the groups for all of these topics. The failure of one topic does not affect the
    /// others.
    async fn last_pass(&self, name: &str, topics: Vec<String>) -> Vec<Outcome> {
        // Wait for a periodic round: commits that it began before the logs were closed are then answered.
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
                Some(_) => "it is not known whether the destination topic is the mirror",
                None => "the mirror topic is gone",
            };
            let _ = apart.insert(topic.clone(), failed(topic, reason));
        }
        let found = self.sync_what_is_there(link, &config, mirrors).await;
        let outcomes = topics.iter().zip(self.tell(name, &topics, found));
        outcomes.map(|(topic, told)| apart.remove(topic).map_or(told, Err)).collect()
    }

    /// Syncs the groups in these mirrors. Mirrors whose source topics are gone are left out and reported by
    /// name.
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
        let mut troubles = self.sync(link, config, &ends, is_being_promoted, Next::Open).await?;
        // A deleted topic takes its group offsets along. If one was deleted meanwhile, its offsets may be
        // incomplete.
        gone.extend(lost(&source, &mirrors).await?);
        troubles.extend(gone.iter().map(|(topic, why)| GroupTrouble::lost(topic, why)));
        Ok(troubles)
    }

    async fn clamping_pass(&self, name: &str, topics: Vec<(String, Vec<i64>)>) -> Vec<Outcome> {
        // Wait for a periodic round: commits that it began before the failover are then answered.
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
        let groups = groups::list(&self.destination).await?;
        let topics: Vec<(String, u32)> = ends
            .iter()
            .map(|(topic, ends)| (topic.clone(), u32::try_from(ends.len()).unwrap_or(u32::MAX)))
            .collect();
        let (ends, topics) = (&ends, &topics);
        let synced = groups.iter().filter(|group| is_synced(config, &group.name));
        let lowered = synced.map(|group| async move {
            match groups::committed(&self.destination, &group.name, topics).await {
                Ok(local) => {
                    let own_name = |topic: &str| Some(topic.to_owned());
                    let mut troubles = GroupTrouble::untold(&group.name, &local.refused, own_name);
                    let due = plan::beyond(&local.offsets, ends);
                    let due = self.to_be_lowered(group, due, &local.offsets, &mut troubles).await;
                    // A group in use whose offsets are within the bounds is no trouble.
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

    /// Returns the positions in `due` that may be lowered. If the topic is open by now, clients may have
    /// moved the group to its position. Then it is lowered only from beyond the current log end, where no
    /// client has written. Otherwise it is reported by name, unless it has members.
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

    /// Adds new troubles to the status of the task, and returns to each topic its own.
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
                // A pass over some topics says nothing about the others: their known troubles stay.
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
    mirror.state == (MirrorState::PendingStopped { stop: StopKind::Promote })
}

fn all(topics: &[String], outcome: impl Fn(&String) -> Outcome) -> Vec<Outcome> {
    topics.iter().map(outcome).collect()
}

fn failed(topic: &str, reason: &str) -> OffsetSyncError {
    OffsetSyncError { topic: topic.to_owned(), reason: reason.to_owned() }
}

fn interrupted(topic: &str) -> OffsetSyncError {
    failed(topic, "the pass over the groups was interrupted and is repeated")
}

#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;
