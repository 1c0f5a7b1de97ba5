//! Syncs consumer group offsets from the source.
//!
//! Every `consumer.offset.sync.ms` the committed offsets of the selected groups, in the topics that the link
//! mirrors, are read from the source and committed on the destination. Only offsets that differ are
//! committed, never beyond what all in-sync replicas of the mirror have, and without a leader epoch (the
//! source's epochs mean nothing on the destination). The source wins. A group that has members on the
//! destination is left alone and reported: the broker would refuse the commit anyway.
//!
//! Topics that are paused, failed or stopped are left alone. While the link is not active, nothing is synced.
pub(crate) mod bounds;
pub(crate) mod groups;
pub(crate) mod last;
pub(crate) mod plan;
pub(crate) mod trouble;

use std::collections::{BTreeMap, HashSet};

use futures::StreamExt as _;
use state::model::link_config::{LinkConfig, OffsetSyncConfig as Settings};
use state::model::{Link, LinkState, MirrorState, MirrorTopic, StopKind, View};
use state::store::Store;
use tokio_util::sync::CancellationToken;

use crate::client::{ClientError, Cluster};
use crate::mirror::clusters::SourceClusters;
use crate::mirror::progress::ProgressTable;
use crate::mirror::sync::offsets::bounds::{Bounds, Next};
use crate::mirror::sync::offsets::last::LastSyncs;
use crate::mirror::sync::offsets::plan::{MirrorEnds, Offsets, TopicPartition};
use crate::mirror::sync::offsets::trouble::GroupTrouble;
use crate::mirror::sync::per_link::in_rounds;
use crate::mirror::sync::round_lock::RoundLock;
use crate::mirror::sync::task_status::{RoundError, Task, TaskErrorCode, TaskTable};
use crate::mirror::topic_ids::are_its_topics;

/// Number of groups that are synced at the same time, per link.
pub(crate) const CONCURRENT_GROUPS: usize = 8;

/// One round over the groups of a link.
struct Round<'a> {
    link: &'a str,
    source: Cluster,
    mirrors: BTreeMap<String, MirrorEnds>,
    goes_on: fn(&MirrorTopic) -> bool,
}

/// Sync of committed group offsets from the sources to the destination. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OffsetSync {
    pub(crate) store: Store,
    pub(crate) destination: Cluster,
    pub(crate) sources: SourceClusters,
    progress: ProgressTable,
    pub(crate) tasks: TaskTable,
    pub(crate) turns: RoundLock,
    pub(crate) last: LastSyncs,
}

impl OffsetSync {
    /// Creates the sync for all links of the store.
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
            turns: RoundLock::default(),
            last: LastSyncs::default(),
        }
    }

    /// Syncs every link at its own interval until shut down.
    pub async fn run(self, shutdown: CancellationToken) {
        let store = self.store.clone();
        let period = |config: &LinkConfig| config.offset_sync.period;
        in_rounds(store, shutdown, period, move |name| {
            let sync = self.clone();
            async move { sync.run_once(&name).await }
        })
        .await;
    }

    /// Runs one round for one link. Errors are put into the task table.
    pub async fn run_once(&self, name: &str) {
        let view = self.store.view();
        let Some(link) = view.links.get(name) else { return };
        let Ok(config) = LinkConfig::parse(&link.configs) else { return };
        if !config.offset_sync.enabled || link.state != LinkState::Active {
            return;
        }
        let errors = if config.offset_sync.filters.is_none() {
            vec![RoundError::new(TaskErrorCode::Misconfiguration, MISCONFIGURED)]
        } else {
            let source = self.sources.of(link, &config);
            let mirrors = self.synced_mirrors(&view, name, &source);
            match self.sync(link, &config, &mirrors, follows_source, Next::Round).await {
                Ok(mut troubles) => {
                    troubles.dedup_by(|a, b| a.group == b.group && a.topic == b.topic);
                    let mut errors: Vec<_> = troubles.into_iter().map(|trouble| trouble.error).collect();
                    errors.extend(self.left_out(link, &config).await);
                    errors
                }
                Err(error) => vec![RoundError::of("groups cannot be listed", &error)],
            }
        };
        self.tasks.set(name, Task::ConsumerOffsetSync, errors);
    }

    /// Reports the selected groups whose type is not synced. If the source cannot be asked, the sync itself
    /// reports that.
    async fn left_out(&self, link: &Link, config: &LinkConfig) -> Vec<RoundError> {
        let mut groups = groups::streams(&self.sources.of(link, config)).await.unwrap_or_default();
        groups.retain(|group| selects(&config.offset_sync, group));
        groups.sort();
        let told = |group: String| RoundError::new(TaskErrorCode::Misconfiguration, not_synced(&group));
        groups.into_iter().map(told).collect()
    }

    /// Brings the offsets of the groups in these topics in line with the source, as long as `goes_on` is true
    /// for a topic. What the next round can bring is no trouble: offsets that depend on an open transaction,
    /// or are not replicated yet. If none comes, it is.
    ///
    /// # Errors
    /// Fails if groups cannot be listed.
    pub(crate) async fn sync(
        &self,
        link: &Link,
        config: &LinkConfig,
        mirrors: &BTreeMap<String, MirrorEnds>,
        goes_on: fn(&MirrorTopic) -> bool,
        next: Next,
    ) -> Result<Vec<GroupTrouble>, ClientError> {
        if mirrors.is_empty() {
            return Ok(Vec::new());
        }
        let source = self.sources.of(link, config);
        let (there, here) = tokio::try_join!(groups::list(&source), groups::list(&self.destination))?;
        let in_use: HashSet<&str> =
            here.iter().filter(|group| group.in_use).map(|group| group.name.as_str()).collect();
        let Bounds { mirrors, troubles: short } = self.bounds(mirrors, next).await;
        let round = &Round { link: &link.name, source, mirrors, goes_on };
        let selected = there.iter().filter(|group| selects(&config.offset_sync, &group.name));
        let groups = selected.map(|group| {
            let local = local_group(config, &group.name);
            let is_in_use = in_use.contains(local.as_str());
            async move { self.sync_group(round, &group.name, &local, is_in_use, next).await }
        });
        // Collected first: a stream of borrowing closures is not general enough for a spawned task.
        let groups: Vec<_> = groups.collect();
        let mut troubles: Vec<GroupTrouble> =
            futures::stream::iter(groups).buffer_unordered(CONCURRENT_GROUPS).concat().await;
        troubles.extend(short);
        // Sorted, so that a round with the same troubles changes nothing in the task table.
        troubles.sort_by(|a, b| a.error.message.cmp(&b.error.message));
        Ok(troubles)
    }

    async fn sync_group(
        &self,
        round: &Round<'_>,
        group: &str,
        local_group: &str,
        in_use: bool,
        next: Next,
    ) -> Vec<GroupTrouble> {
        let partitions = |ends: &MirrorEnds| u32::try_from(ends.ends.len()).unwrap_or(u32::MAX);
        let mirrors = &round.mirrors;
        let there: Vec<_> = mirrors.iter().map(|(topic, ends)| (topic.clone(), partitions(ends))).collect();
        let here: Vec<_> = mirrors.values().map(|ends| (ends.topic.clone(), partitions(ends))).collect();
        let wanted = match groups::committed(&round.source, group, &there).await {
            Ok(wanted) => wanted,
            Err(error) => return vec![GroupTrouble::unread(group, &error)],
        };
        let mirror_of = |topic: &str| mirrors.get(topic).map(|ends| ends.topic.clone());
        let mut troubles = GroupTrouble::untold(group, &wanted.refused, mirror_of);
        if next == Next::Open {
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
        let present = match groups::committed(&self.destination, local_group, &here).await {
            Ok(present) => present,
            Err(error) => return vec![GroupTrouble::unread(local_group, &error)],
        };
        let own_name = |topic: &str| Some(topic.to_owned());
        troubles.extend(GroupTrouble::untold(local_group, &present.refused, own_name));
        // Held until the commit is answered, so that a stop that begins meanwhile waits for it.
        let _turn = self.turns.share(round.link).await;
        // A topic that was stopped meanwhile has consumers of its own. The source must not overwrite their
        // offsets.
        let view = self.store.view();
        let mut still = mirrors.clone();
        still.retain(|_, ends| view.mirrors.get(&ends.topic).is_some_and(round.goes_on));
        let mut due = plan::due(&wanted.offsets, &still, &present.offsets);
        due.retain(|at, _| !present.refused.contains_key(at));
        troubles.extend(self.commit(local_group, in_use, &due).await);
        troubles
    }

    /// Commits offsets, unless the group has members. If it has, or if the broker finds some, that is the
    /// trouble.
    pub(crate) async fn commit(&self, group: &str, in_use: bool, commits: &Offsets) -> Vec<GroupTrouble> {
        let refused = || vec![GroupTrouble::in_use(group)];
        if in_use {
            return refused();
        }
        if commits.is_empty() {
            return Vec::new();
        }
        let what = format!("offsets of group '{group}' cannot be committed");
        match groups::commit(&self.destination, group, commits).await {
            Ok(outcome) if outcome.is_empty() => {
                tracing::debug!(group, partitions = commits.len(), "group offsets committed");
                Vec::new()
            }
            Ok(outcome) if outcome.values().any(groups::is_in_use) => refused(),
            Ok(outcome) => {
                let trouble = |((topic, _), error): (&TopicPartition, &ClientError)| {
                    GroupTrouble::of(group, Some(topic.clone()), &what, error)
                };
                let mut troubles: Vec<_> = outcome.iter().map(trouble).collect();
                troubles.dedup_by(|a, b| a.topic == b.topic);
                troubles
            }
            Err(error) if groups::is_in_use(&error) => refused(),
            Err(error) => vec![GroupTrouble::of(group, None, &what, &error)],
        }
    }

    fn synced_mirrors(&self, view: &View, link: &str, source: &Cluster) -> BTreeMap<String, MirrorEnds> {
        view.mirrors_of(link)
            .filter(|mirror| follows_source(mirror) && are_its_topics(mirror, source, &self.destination))
            .map(|mirror| (mirror.source_topic.clone(), self.ends_of(mirror)))
            .collect()
    }
}

const MISCONFIGURED: &str = "Consumer offset sync is enabled but consumer.offset.group.filters is not set. Please set \
                             consumer.offset.group.filters to proceed with consumer offset sync.";

fn not_synced(group: &str) -> String {
    format!(
        "The offsets of group '{group}' are not synced: it uses the Streams protocol (KIP-1071), which this \
         version does not support. Exclude it in consumer.offset.group.filters, and set the start offsets \
         of the application after a promote or failover."
    )
}

/// Returns true if the periodic syncs work on a mirror topic. Once a promote has begun to fence, only its own
/// last sync may.
pub(crate) fn follows_source(mirror: &MirrorTopic) -> bool {
    !mirror.is_closed()
        && matches!(
            mirror.state,
            MirrorState::Active | MirrorState::PendingStopped { stop: StopKind::Promote }
        )
}

fn selects(settings: &Settings, group: &str) -> bool {
    settings.filters.as_ref().is_some_and(|filters| filters.matches(group))
}

/// Returns the name that a group of the source has on the destination.
fn local_group(config: &LinkConfig, group: &str) -> String {
    if config.offset_sync.prefix_groups { format!("{}{group}", config.prefix) } else { group.to_owned() }
}

/// Returns true if the link syncs this group of the destination.
pub(crate) fn is_synced(config: &LinkConfig, local: &str) -> bool {
    let prefix = if config.offset_sync.prefix_groups { config.prefix.as_str() } else { "" };
    local.strip_prefix(prefix).is_some_and(|group| selects(&config.offset_sync, group))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::test_support::mirror;

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
            ..mirror("dr", "t", MirrorState::PendingStopped { stop: StopKind::Promote })
        };
        assert!(!follows_source(&closed));
        assert!(is_followed(MirrorState::Active));
        assert!(is_followed(MirrorState::PendingStopped { stop: StopKind::Promote }));
        assert!(!is_followed(MirrorState::PendingStopped { stop: StopKind::Failover }));
        assert!(!is_followed(MirrorState::Paused));
        assert!(!is_followed(MirrorState::PendingMirror));
        assert!(!is_followed(MirrorState::Stopped { stop: StopKind::Failover, log_end_offsets: vec![] }));
    }
}
