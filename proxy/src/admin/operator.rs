//! The interface of the REST API to the mirror engine. `Commands` implements it; tests have their own
//! implementation.

use std::future::Future;
use std::sync::Arc;

use state::model::{MirrorTopic, Record, View};
use state::store::{Backup, BackupName};

use crate::mirror::clearance::{Clearance, Fault};
use crate::mirror::command::Commands;
use crate::mirror::command::types::{
    ActionOutcome, CommandError, CreateLink, CreateMirror, MirrorAction, MirrorForecast, Selector,
};
use crate::mirror::filler_report::FillerReport;
use crate::mirror::progress::PartitionProgress;
use crate::mirror::stop_waits::StopWait;
use crate::mirror::sync::task_status::TaskStatus;

/// Result of a command.
type Done<T> = Result<T, CommandError>;

/// Commands and queries about links and mirror topics.
pub(crate) trait Operator: Clone + Send + Sync + 'static {
    /// Returns all links and mirror topics.
    fn view(&self) -> Arc<View>;

    /// Returns the progress of each partition of a mirror topic; empty if unknown.
    fn progress(&self, topic: &str) -> Vec<PartitionProgress>;

    /// Returns what delays the stop of a mirror topic.
    fn stop_wait(&self, view: &View, mirror: &MirrorTopic) -> Option<StopWait>;

    /// Returns the status of the periodic tasks of a link.
    fn tasks(&self, link: &str) -> Vec<TaskStatus>;

    /// Returns the cluster id of the destination; empty until it has answered once.
    fn cluster_id(&self) -> String;

    /// Returns the latest journal records before `before`, at most `limit`, the latest first.
    fn journal(&self, before: Option<u64>, limit: usize) -> impl Future<Output = Done<Vec<Record>>> + Send;

    /// Makes a consistent copy of the journal.
    fn back_up_journal(&self, name: Option<BackupName>) -> impl Future<Output = Done<Backup>> + Send;

    /// Returns the trouble with the journal's disk; `None` if there is none.
    fn journal_trouble(&self) -> Option<String>;

    /// Returns the trouble with the journal's stamp at the destination, in one sentence; `None` if there is
    /// none.
    fn stamp_trouble(&self) -> Option<String>;

    /// Returns the result of the clearance: whether the engine may work by the journal.
    fn clearance(&self) -> Clearance {
        Clearance::Given
    }

    /// Returns the faults of the destination or the journal.
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

    /// Alters link configs. The value `None` resets a config to its default.
    fn alter_link_configs(
        &self,
        name: &str,
        changes: Vec<(String, Option<String>)>,
        validate_only: bool,
    ) -> impl Future<Output = Done<()>> + Send;

    /// Creates a mirror topic.
    fn create_mirror(&self, request: CreateMirror) -> impl Future<Output = Done<()>> + Send;

    /// Returns a forecast of the creation of a mirror topic, without creating it.
    fn forecast_mirror(&self, request: CreateMirror) -> impl Future<Output = Done<MirrorForecast>> + Send;

    /// Returns the latest scan of a mirror topic's filler; `None` before the first.
    fn filler(&self, mirror: &MirrorTopic) -> Option<FillerReport>;

    /// Begins a scan of a mirror topic's filler, unless one is in progress.
    fn scan_filler(&self, mirror: &MirrorTopic) -> FillerReport;

    /// Promotes, fails over, pauses or resumes mirror topics of one link or of all links.
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

    fn filler(&self, mirror: &MirrorTopic) -> Option<FillerReport> {
        Commands::filler(self, mirror)
    }

    fn scan_filler(&self, mirror: &MirrorTopic) -> FillerReport {
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
