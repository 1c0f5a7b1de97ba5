//! What the REST API asks of the mirror side. `Commands` is the real one; tests have their own.

use std::future::Future;
use std::sync::Arc;

use state::model::{MirrorTopic, Record, View};
use state::store::{Backup, BackupName};

use crate::mirror::clearance::{Clearance, Fault};
use crate::mirror::command::Commands;
use crate::mirror::filler_census::Census;
use crate::mirror::handle::{
    ActionOutcome, CommandError, CreateLink, CreateMirror, MirrorAction, MirrorForecast, Selector, TaskStatus,
};
use crate::mirror::progress::PartitionProgress;
use crate::mirror::stop_waits::StopWait;

/// Result of a command.
type Done<T> = Result<T, CommandError>;

/// Commands on links and mirror topics, and what one may ask of them.
pub trait Operator: Clone + Send + Sync + 'static {
    /// All links and mirror topics.
    fn view(&self) -> Arc<View>;

    /// How far the partitions of a mirror topic are; empty when not known.
    fn progress(&self, topic: &str) -> Vec<PartitionProgress>;

    /// What holds up the stop of a mirror topic.
    fn stop_wait(&self, view: &View, mirror: &MirrorTopic) -> Option<StopWait>;

    /// How the periodic tasks of a link fare.
    fn tasks(&self, link: &str) -> Vec<TaskStatus>;

    /// Cluster id of the destination; empty until it has answered once.
    fn cluster_id(&self) -> String;

    /// The latest records of the journal before `before`, the latest first, at most `limit`.
    fn journal(&self, before: Option<u64>, limit: usize) -> impl Future<Output = Done<Vec<Record>>> + Send;

    /// Makes a consistent copy of the journal.
    fn back_up_journal(&self, name: Option<BackupName>) -> impl Future<Output = Done<Backup>> + Send;

    /// What is wrong with the journal's disk; `None` when it does its work.
    fn journal_trouble(&self) -> Option<String>;

    /// The trouble with the journal's stamp at the destination, in one sentence; `None` when there is none.
    fn stamp_trouble(&self) -> Option<String>;

    /// Whether the journal may be worked by.
    fn clearance(&self) -> Clearance {
        Clearance::Given
    }

    /// What is wrong with the destination or the journal.
    fn faults(&self) -> Vec<Fault> {
        Vec::new()
    }

    /// Creates a link.
    fn create_link(&self, request: CreateLink) -> impl Future<Output = Done<()>> + Send;

    /// Deletes a link.
    fn delete_link(
        &self,
        name: &str,
        force: bool,
        validate_only: bool,
    ) -> impl Future<Output = Done<()>> + Send;

    /// Alters link configs; `None` resets one to its default.
    fn alter_link_configs(
        &self,
        name: &str,
        changes: Vec<(String, Option<String>)>,
        validate_only: bool,
    ) -> impl Future<Output = Done<()>> + Send;

    /// Creates a mirror topic.
    fn create_mirror(&self, request: CreateMirror) -> impl Future<Output = Done<()>> + Send;

    /// What the creation of a mirror topic will take; makes nothing.
    fn forecast_mirror(&self, request: CreateMirror) -> impl Future<Output = Done<MirrorForecast>> + Send;

    /// The latest census of the filler of a mirror topic; `None` before the first.
    fn filler(&self, mirror: &MirrorTopic) -> Option<Census>;

    /// Begins a census, unless one is under way.
    fn scan_filler(&self, mirror: &MirrorTopic) -> Census;

    /// Promotes, fails over, pauses or resumes mirror topics, of one link or of all.
    fn alter_mirrors(
        &self,
        link: Option<&str>,
        selector: Selector,
        action: MirrorAction,
        validate_only: bool,
    ) -> impl Future<Output = Done<Vec<ActionOutcome>>> + Send;
}

impl Operator for Commands {
    fn view(&self) -> Arc<View> {
        Commands::view(self)
    }

    fn progress(&self, topic: &str) -> Vec<PartitionProgress> {
        Commands::progress(self, topic)
    }

    fn stop_wait(&self, view: &View, mirror: &MirrorTopic) -> Option<StopWait> {
        Commands::stop_wait(self, view, mirror)
    }

    fn tasks(&self, link: &str) -> Vec<TaskStatus> {
        Commands::tasks(self, link)
    }

    fn cluster_id(&self) -> String {
        Commands::cluster_id(self)
    }

    async fn journal(&self, before: Option<u64>, limit: usize) -> Done<Vec<Record>> {
        Commands::journal(self, before, limit).await
    }

    async fn back_up_journal(&self, name: Option<BackupName>) -> Done<Backup> {
        Commands::back_up_journal(self, name).await
    }

    fn stamp_trouble(&self) -> Option<String> {
        Commands::stamp_trouble(self)
    }

    fn journal_trouble(&self) -> Option<String> {
        Commands::journal_trouble(self)
    }

    fn clearance(&self) -> Clearance {
        Commands::clearance(self)
    }

    fn faults(&self) -> Vec<Fault> {
        Commands::faults(self)
    }

    async fn create_link(&self, request: CreateLink) -> Done<()> {
        Commands::create_link(self, request).await
    }

    async fn delete_link(&self, name: &str, force: bool, validate_only: bool) -> Done<()> {
        Commands::delete_link(self, name, force, validate_only).await
    }

    async fn alter_link_configs(
        &self,
        name: &str,
        changes: Vec<(String, Option<String>)>,
        validate_only: bool,
    ) -> Done<()> {
        Commands::alter_link_configs(self, name, changes, validate_only).await
    }

    async fn create_mirror(&self, request: CreateMirror) -> Done<()> {
        Commands::create_mirror(self, request).await.map(drop)
    }

    async fn forecast_mirror(&self, request: CreateMirror) -> Done<MirrorForecast> {
        Commands::forecast_mirror(self, request).await
    }

    fn filler(&self, mirror: &MirrorTopic) -> Option<Census> {
        Commands::filler(self, mirror)
    }

    fn scan_filler(&self, mirror: &MirrorTopic) -> Census {
        Commands::scan_filler(self, mirror)
    }

    async fn alter_mirrors(
        &self,
        link: Option<&str>,
        selector: Selector,
        action: MirrorAction,
        validate_only: bool,
    ) -> Done<Vec<ActionOutcome>> {
        Commands::alter_mirrors(self, link, selector, action, validate_only).await
    }
}
