//! Consumer group offsets follow the source.
//!
//! Every `consumer.offset.sync.ms` the committed offsets of the selected groups, in the topics that the link mirrors, are
//! read from the source and committed on the destination: only what differs, never beyond what the mirror holds, without a
//! leader epoch (the source's epochs mean nothing here). The source wins. A group that has members on the destination is
//! left alone and reported: the broker would refuse the commit anyway.
//!
//! Topics that are paused, failed or stopped are left alone; so is everything while the link is not active.

use std::collections::{BTreeMap, HashSet};

use futures::StreamExt as _;
use state::model::link_config::{LinkConfig, OffsetSync as Settings};
use state::model::{Link, LinkState, MirrorState, MirrorTopic, Stop, View};
use state::store::Store;
use tokio_util::sync::CancellationToken;

use super::group_offsets;
use super::offset_plan::{self, MirrorEnds, Offsets};
use super::per_link::{in_rounds, link_and_mirror};
use super::progress::ProgressTable;
use super::source_clusters::SourceClusters;
use super::task_status::{Task, TaskError, TaskErrorCode, TaskTable};
use super::topic::are_its_topics;
use super::turns::Turns;
use crate::client::Cluster;

/// Groups worked on at the same time, per link.
const CONCURRENT_GROUPS: usize = 8;

/// Why group offsets could not be brought up to date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("group offsets of topic '{topic}' are not in step: {reason}")]
pub struct OffsetSyncError {
    /// The mirror topic.
    pub topic: String,
    /// What went wrong first.
    pub reason: String,
}

/// Copies committed group offsets from the sources to the destination. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OffsetSync {
    store: Store,
    destination: Cluster,
    sources: SourceClusters,
    progress: ProgressTable,
    tasks: TaskTable,
    turns: Turns,
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
        OffsetSync { store, destination, sources, progress, tasks, turns: Turns::default() }
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
        let _turn = self.turns.take(name).await;
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
            self.sync(link, &config, &self.synced_mirrors(&view, name, &source)).await
        };
        self.tasks.set(name, Task::ConsumerOffsetSync, errors);
    }

    /// Brings the groups' offsets in one mirror topic up to date a last time. A group in use on the destination is
    /// reported on the task and does not count as a failure.
    ///
    /// # Errors
    /// The source could not be read, or the destination did not take a commit.
    pub async fn final_sync(&self, link: &str, topic: &str) -> Result<(), OffsetSyncError> {
        let _turn = self.turns.take(link).await;
        let fail = |reason: String| OffsetSyncError { topic: topic.to_owned(), reason };
        let view = self.store.view();
        let (link, config, mirror) =
            link_and_mirror(&view, link, topic).map_err(|reason| fail(reason.to_owned()))?;
        if !config.offset_sync.enabled || config.offset_sync.filters.is_none() {
            return Ok(());
        }
        let one = BTreeMap::from([(mirror.source_topic.clone(), self.ends_of(mirror))]);
        let errors = self.sync(link, &config, &one).await;
        let failure = errors.iter().find(|error| error.code != TaskErrorCode::ConsumerGroupInUse);
        let result = failure.map_or(Ok(()), |error| Err(fail(error.message.clone())));
        self.tasks.set(&link.name, Task::ConsumerOffsetSync, errors);
        result
    }

    /// Lowers the offsets of the link's groups on the destination that lie beyond the log end of `topic`. Needs no
    /// source. A group in use there is reported on the task and does not count as a failure.
    ///
    /// # Errors
    /// The destination could not be read, or did not take a commit.
    pub async fn clamp_to_log_end(
        &self,
        link: &str,
        topic: &str,
        log_end_offsets: &[i64],
    ) -> Result<(), OffsetSyncError> {
        let fail = |reason: String| OffsetSyncError { topic: topic.to_owned(), reason };
        let view = self.store.view();
        let Some(config) = view.links.get(link).and_then(|link| LinkConfig::parse(&link.configs).ok()) else {
            return Ok(());
        };
        if !config.offset_sync.enabled {
            return Ok(());
        }
        let groups = group_offsets::list(&self.destination).await.map_err(|error| fail(error.to_string()))?;
        let partitions = u32::try_from(log_end_offsets.len()).unwrap_or(u32::MAX);
        let topics = [(topic.to_owned(), partitions)];
        let mut in_use = Vec::new();
        for group in groups.iter().filter(|group| is_synced(&config, &group.name)) {
            let read = group_offsets::committed(&self.destination, &group.name, &topics).await;
            let local = read.map_err(|error| fail(format!("group '{}': {error}", group.name)))?;
            let commits = offset_plan::beyond(&local, topic, log_end_offsets);
            match self.commit(&group.name, group.in_use, &commits).await {
                Ok(()) => {}
                Err(error) if error.code == TaskErrorCode::ConsumerGroupInUse => in_use.push(error),
                Err(error) => return Err(fail(error.message)),
            }
        }
        if !in_use.is_empty() {
            self.tasks.set(link, Task::ConsumerOffsetSync, in_use);
        }
        Ok(())
    }

    async fn sync(
        &self,
        link: &Link,
        config: &LinkConfig,
        mirrors: &BTreeMap<String, MirrorEnds>,
    ) -> Vec<TaskError> {
        if mirrors.is_empty() {
            return Vec::new();
        }
        let source = self.sources.of(link, config);
        let listed = tokio::join!(group_offsets::list(&source), group_offsets::list(&self.destination));
        let (there, here) = match listed {
            (Ok(there), Ok(here)) => (there, here),
            (Err(error), _) | (_, Err(error)) => {
                return vec![TaskError::of("groups cannot be listed", &error)];
            }
        };
        let in_use: HashSet<&str> =
            here.iter().filter(|group| group.in_use).map(|group| group.name.as_str()).collect();
        let selected = there.iter().filter(|group| selects(&config.offset_sync, &group.name));
        let rounds = selected.map(|group| {
            let local = local_group(config, &group.name);
            let is_in_use = in_use.contains(local.as_str());
            let source = &source;
            async move { self.sync_group(source, &group.name, &local, is_in_use, mirrors).await }
        });
        // Collected first: a stream of borrowing closures is not general enough for a spawned task.
        let rounds: Vec<_> = rounds.collect();
        let mut errors: Vec<TaskError> = futures::stream::iter(rounds)
            .buffer_unordered(CONCURRENT_GROUPS)
            .filter_map(|result| std::future::ready(result.err()))
            .collect()
            .await;
        // In the order of the groups, so that a round that finds the same is no news.
        errors.sort_by(|a, b| a.message.cmp(&b.message));
        errors
    }

    async fn sync_group(
        &self,
        source: &Cluster,
        group: &str,
        local_group: &str,
        in_use: bool,
        mirrors: &BTreeMap<String, MirrorEnds>,
    ) -> Result<(), TaskError> {
        let partitions = |ends: &MirrorEnds| u32::try_from(ends.log_end_offsets.len()).unwrap_or(u32::MAX);
        let there: Vec<_> = mirrors.iter().map(|(topic, ends)| (topic.clone(), partitions(ends))).collect();
        let here: Vec<_> = mirrors.values().map(|ends| (ends.topic.clone(), partitions(ends))).collect();
        let wanted = group_offsets::committed(source, group, &there)
            .await
            .map_err(|error| TaskError::of(&format!("offsets of group '{group}' cannot be read"), &error))?;
        if wanted.is_empty() {
            return Ok(());
        }
        let present =
            group_offsets::committed(&self.destination, local_group, &here).await.map_err(|error| {
                TaskError::of(&format!("offsets of group '{local_group}' cannot be read"), &error)
            })?;
        // A topic that was stopped meanwhile has consumers of its own: their positions are not the source's to set.
        let view = self.store.view();
        let mut still = mirrors.clone();
        still.retain(|_, ends| view.mirrors.get(&ends.topic).is_some_and(follows_source));
        self.commit(local_group, in_use, &offset_plan::due(&wanted, &still, &present)).await
    }

    /// Commits, unless the group has members: then, or when the broker finds some, that is the error.
    async fn commit(&self, group: &str, in_use: bool, commits: &Offsets) -> Result<(), TaskError> {
        let refused = || {
            TaskError::new(
                TaskErrorCode::ConsumerGroupInUse,
                format!(
                    "Consumer group '{group}' has active members on the destination; its offsets are not synced."
                ),
            )
        };
        if in_use {
            return Err(refused());
        }
        if commits.is_empty() {
            return Ok(());
        }
        match group_offsets::commit(&self.destination, group, commits).await {
            Ok(()) => {
                tracing::debug!(group, partitions = commits.len(), "group offsets committed");
                Ok(())
            }
            Err(error) if group_offsets::is_in_use(&error) => Err(refused()),
            Err(error) => {
                Err(TaskError::of(&format!("offsets of group '{group}' cannot be committed"), &error))
            }
        }
    }

    fn synced_mirrors(&self, view: &View, link: &str, source: &Cluster) -> BTreeMap<String, MirrorEnds> {
        view.mirrors_of(link)
            .filter(|mirror| follows_source(mirror) && are_its_topics(mirror, source, &self.destination))
            .map(|mirror| (mirror.source_topic.clone(), self.ends_of(mirror)))
            .collect()
    }

    fn ends_of(&self, mirror: &MirrorTopic) -> MirrorEnds {
        let known = self.progress.of(&mirror.topic);
        let ends = (0..mirror.partitions as usize)
            .map(|index| known.get(index).map_or(-1, |progress| progress.log_end_offset))
            .collect();
        MirrorEnds { topic: mirror.topic.clone(), log_end_offsets: ends }
    }
}

const MISCONFIGURED: &str = "Consumer offset sync is enabled but consumer.offset.group.filters is not set. Please set \
                             consumer.offset.group.filters to proceed with consumer offset sync.";

/// Whether the periodic syncers work on a mirror topic.
pub(super) fn follows_source(mirror: &MirrorTopic) -> bool {
    matches!(mirror.state, MirrorState::Active | MirrorState::PendingStopped { stop: Stop::Promote })
}

fn selects(settings: &Settings, group: &str) -> bool {
    settings.filters.as_ref().is_some_and(|filters| filters.matches(group))
}

/// What a group of the source is called on the destination.
fn local_group(config: &LinkConfig, group: &str) -> String {
    if config.offset_sync.prefix_groups { format!("{}{group}", config.prefix) } else { group.to_owned() }
}

/// Whether a group of the destination is one that the link syncs.
fn is_synced(config: &LinkConfig, local: &str) -> bool {
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
        assert!(is_followed(MirrorState::Active));
        assert!(is_followed(MirrorState::PendingStopped { stop: Stop::Promote }));
        assert!(!is_followed(MirrorState::PendingStopped { stop: Stop::Failover }));
        assert!(!is_followed(MirrorState::Paused));
        assert!(!is_followed(MirrorState::PendingMirror));
        assert!(!is_followed(MirrorState::Stopped { stop: Stop::Failover, log_end_offsets: vec![] }));
    }
}
