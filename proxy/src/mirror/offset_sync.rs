//! Consumer group offsets follow the source.
//!
//! Every `consumer.offset.sync.ms` the committed offsets of the selected groups, in the topics that the link mirrors, are
//! read from the source and committed on the destination: only what differs, never beyond what all in-sync replicas of the
//! mirror have, without a leader epoch (the source's epochs mean nothing here). The source wins. A group that has members on
//! the destination is left alone and reported: the broker would refuse the commit anyway.
//!
//! Topics that are paused, failed or stopped are left alone; so is everything while the link is not active.

use std::collections::{BTreeMap, HashSet};

use futures::StreamExt as _;
use state::model::link_config::{LinkConfig, OffsetSync as Settings};
use state::model::{Link, LinkState, MirrorState, MirrorTopic, Stop, View};
use state::store::Store;
use tokio_util::sync::CancellationToken;

use super::group_offsets;
use super::group_trouble::GroupTrouble;
use super::last_offsets::LastSyncs;
use super::log_bounds::list_offset;
use super::offset_plan::{self, MirrorEnds, Offsets, TopicPartition};
use super::per_link::in_rounds;
use super::progress::ProgressTable;
use super::source_clusters::SourceClusters;
use super::task_status::{Task, TaskError, TaskErrorCode, TaskTable};
use super::topic::are_its_topics;
use super::turns::Turns;
use crate::client::admin::OffsetSpec;
use crate::client::{ClientError, Cluster};

/// Groups worked on at the same time, per link.
pub(super) const CONCURRENT_GROUPS: usize = 8;

/// One round over the groups of a link.
struct Round<'a> {
    link: &'a str,
    source: Cluster,
    mirrors: BTreeMap<String, MirrorEnds>,
    goes_on: fn(&MirrorTopic) -> bool,
}

/// Copies committed group offsets from the sources to the destination. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OffsetSync {
    pub(super) store: Store,
    pub(super) destination: Cluster,
    pub(super) sources: SourceClusters,
    progress: ProgressTable,
    pub(super) tasks: TaskTable,
    pub(super) turns: Turns,
    pub(super) last: LastSyncs,
}

impl OffsetSync {
    /// A syncer for all links of the store.
    #[must_use]
    pub fn new(
        store: Store,
        destination: Cluster,
        sources: SourceClusters,
        progress: ProgressTable,
        tasks: TaskTable,
    ) -> Self {
        OffsetSync {
            store,
            destination,
            sources,
            progress,
            tasks,
            turns: Turns::default(),
            last: LastSyncs::default(),
        }
    }

    /// Syncs every link in its own rhythm until shut down.
    pub async fn run(self, shutdown: CancellationToken) {
        let store = self.store.clone();
        let period = |config: &LinkConfig| config.offset_sync.period;
        in_rounds(store, shutdown, period, move |name| {
            let sync = self.clone();
            async move { sync.run_once(&name).await }
        })
        .await;
    }

    /// One round for one link. What went wrong stands in the task table.
    pub async fn run_once(&self, name: &str) {
        let view = self.store.view();
        let Some(link) = view.links.get(name) else { return };
        let Ok(config) = LinkConfig::parse(&link.configs) else { return };
        if !config.offset_sync.enabled || link.state != LinkState::Active {
            return;
        }
        let errors = if config.offset_sync.filters.is_none() {
            vec![TaskError::new(TaskErrorCode::Misconfiguration, MISCONFIGURED)]
        } else {
            let source = self.sources.of(link, &config);
            let mirrors = self.synced_mirrors(&view, name, &source);
            match self.sync(link, &config, &mirrors, follows_source, false).await {
                Ok(mut troubles) => {
                    troubles.dedup_by(|a, b| a.group == b.group);
                    let mut errors: Vec<_> = troubles.into_iter().map(|trouble| trouble.error).collect();
                    errors.extend(self.left_out(link, &config).await);
                    errors
                }
                Err(error) => vec![TaskError::of("groups cannot be listed", &error)],
            }
        };
        self.tasks.set(name, Task::ConsumerOffsetSync, errors);
    }

    /// The selected groups whose kind is not synced. When the source cannot be asked, the sync itself says so.
    async fn left_out(&self, link: &Link, config: &LinkConfig) -> Vec<TaskError> {
        let mut groups = group_offsets::streams(&self.sources.of(link, config)).await.unwrap_or_default();
        groups.retain(|group| selects(&config.offset_sync, group));
        groups.sort();
        let told = |group: String| TaskError::new(TaskErrorCode::Misconfiguration, not_synced(&group));
        groups.into_iter().map(told).collect()
    }

    /// Brings the groups in line with the source in these topics, as long as they `go_on`. With `wait_for_stable`, positions
    /// that depend on an open transaction are trouble, too; else a later round finds them.
    ///
    /// # Errors
    /// Groups cannot be listed.
    pub(super) async fn sync(
        &self,
        link: &Link,
        config: &LinkConfig,
        mirrors: &BTreeMap<String, MirrorEnds>,
        goes_on: fn(&MirrorTopic) -> bool,
        wait_for_stable: bool,
    ) -> Result<Vec<GroupTrouble>, ClientError> {
        if mirrors.is_empty() {
            return Ok(Vec::new());
        }
        let source = self.sources.of(link, config);
        let (there, here) =
            tokio::try_join!(group_offsets::list(&source), group_offsets::list(&self.destination))?;
        let in_use: HashSet<&str> =
            here.iter().filter(|group| group.in_use).map(|group| group.name.as_str()).collect();
        let round = &Round { link: &link.name, source, mirrors: self.replicated(mirrors).await, goes_on };
        let selected = there.iter().filter(|group| selects(&config.offset_sync, &group.name));
        let groups = selected.map(|group| {
            let local = local_group(config, &group.name);
            let is_in_use = in_use.contains(local.as_str());
            async move { self.sync_group(round, &group.name, &local, is_in_use, wait_for_stable).await }
        });
        // Collected first: a stream of borrowing closures is not general enough for a spawned task.
        let groups: Vec<_> = groups.collect();
        let mut troubles: Vec<GroupTrouble> =
            futures::stream::iter(groups).buffer_unordered(CONCURRENT_GROUPS).concat().await;
        // In the order of the groups, so that a round that finds the same is no news.
        troubles.sort_by(|a, b| a.error.message.cmp(&b.error.message));
        Ok(troubles)
    }

    async fn sync_group(
        &self,
        round: &Round<'_>,
        group: &str,
        local_group: &str,
        in_use: bool,
        wait_for_stable: bool,
    ) -> Vec<GroupTrouble> {
        let partitions = |ends: &MirrorEnds| u32::try_from(ends.ends.len()).unwrap_or(u32::MAX);
        let mirrors = &round.mirrors;
        let there: Vec<_> = mirrors.iter().map(|(topic, ends)| (topic.clone(), partitions(ends))).collect();
        let here: Vec<_> = mirrors.values().map(|ends| (ends.topic.clone(), partitions(ends))).collect();
        let wanted = match group_offsets::committed(&round.source, group, &there).await {
            Ok(wanted) => wanted,
            Err(error) => return vec![GroupTrouble::unread(group, &error)],
        };
        let mirror_of = |topic: &str| mirrors.get(topic).map(|ends| ends.topic.clone());
        let mut troubles = GroupTrouble::untold(group, &wanted.refused, mirror_of);
        if wait_for_stable {
            let mut held: Vec<_> = wanted
                .unstable
                .iter()
                .map(|((topic, _), error)| {
                    let what = format!("an open transaction holds offsets of group '{group}'");
                    GroupTrouble { passes: true, ..GroupTrouble::of(group, mirror_of(topic), &what, error) }
                })
                .collect();
            held.dedup_by(|a, b| a.topic == b.topic);
            troubles.extend(held);
        }
        if wanted.offsets.is_empty() {
            return troubles;
        }
        let present = match group_offsets::committed(&self.destination, local_group, &here).await {
            Ok(present) => present,
            Err(error) => return vec![GroupTrouble::unread(local_group, &error)],
        };
        let own_name = |topic: &str| Some(topic.to_owned());
        troubles.extend(GroupTrouble::untold(local_group, &present.refused, own_name));
        // Shared until the commit is answered: a stop that has begun meanwhile waits for it.
        let _turn = self.turns.share(round.link).await;
        // A topic that was stopped meanwhile has consumers of its own: their positions are not the source's to set.
        let view = self.store.view();
        let mut still = mirrors.clone();
        still.retain(|_, ends| view.mirrors.get(&ends.topic).is_some_and(round.goes_on));
        let mut due = offset_plan::due(&wanted.offsets, &still, &present.offsets);
        due.retain(|at, _| !present.refused.contains_key(at));
        troubles.extend(self.commit(local_group, in_use, &due).await);
        troubles
    }

    /// Commits, unless the group has members: then, or when the broker finds some, that is the trouble.
    pub(super) async fn commit(&self, group: &str, in_use: bool, commits: &Offsets) -> Vec<GroupTrouble> {
        let refused = || vec![GroupTrouble::in_use(group)];
        if in_use {
            return refused();
        }
        if commits.is_empty() {
            return Vec::new();
        }
        let what = format!("offsets of group '{group}' cannot be committed");
        match group_offsets::commit(&self.destination, group, commits).await {
            Ok(outcome) if outcome.is_empty() => {
                tracing::debug!(group, partitions = commits.len(), "group offsets committed");
                Vec::new()
            }
            Ok(outcome) if outcome.values().any(group_offsets::is_in_use) => refused(),
            Ok(outcome) => {
                let trouble = |((topic, _), error): (&TopicPartition, &ClientError)| {
                    GroupTrouble::of(group, Some(topic.clone()), &what, error)
                };
                let mut troubles: Vec<_> = outcome.iter().map(trouble).collect();
                troubles.dedup_by(|a, b| a.topic == b.topic);
                troubles
            }
            Err(error) if group_offsets::is_in_use(&error) => refused(),
            Err(error) => vec![GroupTrouble::of(group, None, &what, &error)],
        }
    }

    /// The same mirrors, with no end beyond what all in-sync replicas have: what only a leader has may be lost with it, and a
    /// group that stood beyond would skip what clients write in its place.
    async fn replicated(&self, mirrors: &BTreeMap<String, MirrorEnds>) -> BTreeMap<String, MirrorEnds> {
        let mut bounded = mirrors.clone();
        let mut asked = Vec::new();
        for (source_topic, mirror) in mirrors {
            let known = (0..).zip(&mirror.ends).filter(|(_, end)| **end >= 0);
            for (index, _) in known {
                let (destination, topic) = (self.destination.clone(), mirror.topic.clone());
                let source_topic = source_topic.clone();
                asked.push(async move {
                    let mark = list_offset(&destination, &topic, index, OffsetSpec::Latest).await;
                    // Where the leader does not tell, a later round will.
                    (source_topic, index, mark.unwrap_or(-1))
                });
            }
        }
        for (source_topic, index, mark) in futures::future::join_all(asked).await {
            let ends = bounded.get_mut(&source_topic).map(|mirror| &mut mirror.ends);
            let at = usize::try_from(index).ok();
            if let Some(end) = ends.zip(at).and_then(|(ends, at)| ends.get_mut(at)) {
                *end = (*end).min(mark);
            }
        }
        bounded
    }

    fn synced_mirrors(&self, view: &View, link: &str, source: &Cluster) -> BTreeMap<String, MirrorEnds> {
        view.mirrors_of(link)
            .filter(|mirror| follows_source(mirror) && are_its_topics(mirror, source, &self.destination))
            .map(|mirror| (mirror.source_topic.clone(), self.ends_of(mirror)))
            .collect()
    }

    pub(super) fn ends_of(&self, mirror: &MirrorTopic) -> MirrorEnds {
        let known = self.progress.of(&mirror.topic);
        let ends = (0..mirror.partitions as usize)
            .map(|index| known.get(index).map_or(-1, |progress| progress.log_end_offset))
            .collect();
        MirrorEnds { topic: mirror.topic.clone(), ends }
    }
}

const MISCONFIGURED: &str = "Consumer offset sync is enabled but consumer.offset.group.filters is not set. Please set \
                             consumer.offset.group.filters to proceed with consumer offset sync.";

fn not_synced(group: &str) -> String {
    format!(
        "The offsets of group '{group}' are not synced: it is of the Streams protocol (KIP-1071), which this version leaves alone. Exclude it \
         in consumer.offset.group.filters, and let the application begin where you want it to after a promote or failover."
    )
}

/// Whether the periodic syncers work on a mirror topic: not once a promote has begun to fence, when only its own last sync
/// may.
pub(super) fn follows_source(mirror: &MirrorTopic) -> bool {
    !mirror.is_closed()
        && matches!(mirror.state, MirrorState::Active | MirrorState::PendingStopped { stop: Stop::Promote })
}

fn selects(settings: &Settings, group: &str) -> bool {
    settings.filters.as_ref().is_some_and(|filters| filters.matches(group))
}

/// What a group of the source is called on the destination.
fn local_group(config: &LinkConfig, group: &str) -> String {
    if config.offset_sync.prefix_groups { format!("{}{group}", config.prefix) } else { group.to_owned() }
}

/// Whether a group of the destination is one that the link syncs.
pub(super) fn is_synced(config: &LinkConfig, local: &str) -> bool {
    let prefix = if config.offset_sync.prefix_groups { config.prefix.as_str() } else { "" };
    local.strip_prefix(prefix).is_some_and(|group| selects(&config.offset_sync, group))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::sample::mirror;

    fn config(prefixed: bool) -> LinkConfig {
        let filters = r#"{"groupFilters":[{"name":"app","patternType":"PREFIXED","filterType":"INCLUDE"}]}"#;
        let configs = BTreeMap::from(
            [
                ("bootstrap.servers", "localhost:9092"),
                ("cluster.link.prefix", "west."),
                ("consumer.offset.sync.enable", "true"),
                ("consumer.offset.group.filters", filters),
                ("consumer.group.prefix.enable", if prefixed { "true" } else { "false" }),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        LinkConfig::parse(&configs).unwrap()
    }

    #[test]
    fn groups_keep_their_names_unless_they_are_prefixed() {
        assert_eq!(local_group(&config(false), "app-1"), "app-1");
        assert_eq!(local_group(&config(true), "app-1"), "west.app-1");
    }

    #[test]
    fn a_local_group_is_synced_when_the_filters_select_its_source_name() {
        assert!(is_synced(&config(false), "app-1"));
        assert!(!is_synced(&config(false), "west.app-1"));
        assert!(is_synced(&config(true), "west.app-1"));
        assert!(!is_synced(&config(true), "app-1"));
        assert!(!is_synced(&config(true), "west.other"));
    }

    #[test]
    fn only_live_mirrors_follow_the_source() {
        let is_followed = |state| follows_source(&mirror("dr", "t", state));
        let closed = MirrorTopic {
            fencing: state::model::Fencing::Begun,
            ..mirror("dr", "t", MirrorState::PendingStopped { stop: Stop::Promote })
        };
        assert!(!follows_source(&closed));
        assert!(is_followed(MirrorState::Active));
        assert!(is_followed(MirrorState::PendingStopped { stop: Stop::Promote }));
        assert!(!is_followed(MirrorState::PendingStopped { stop: Stop::Failover }));
        assert!(!is_followed(MirrorState::Paused));
        assert!(!is_followed(MirrorState::PendingMirror));
        assert!(!is_followed(MirrorState::Stopped { stop: Stop::Failover, log_end_offsets: vec![] }));
    }
}
