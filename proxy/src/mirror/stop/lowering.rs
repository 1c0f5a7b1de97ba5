//! Lowers group offsets beyond the log end, for a failover. Continues if that takes longer than the topic is
//! kept closed.

use std::time::Duration;

use state::model::{Change, IllegalTransition, MirrorState, MirrorTopic, View};
use state::store::Store;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::mirror::sync::offsets::OffsetSync;
use crate::mirror::sync::task_status::{RoundError, Task, TaskErrorCode};

/// Line that the journal keeps for the topic until the pass is done. If it stays, the process ended before
/// the pass did.
const UNDER_WAY: &str =
    "group offsets are still being compared with the log's end; where this stays, compare them by hand";
/// Pause before a pass whose groups could not be listed is repeated.
const RETRY_BACKOFF: Duration = Duration::from_secs(1);
/// Time after which the pass is given up. The journal then says so.
const LOWERING_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Lowering of the groups of one topic.
pub(crate) struct Lowering {
    pub(crate) store: Store,
    pub(crate) mirror: MirrorTopic,
    pub(crate) offsets: OffsetSync,
    pub(crate) bounds: Vec<i64>,
}

impl Lowering {
    /// Lowers the groups, and waits for that at most `patience`. Returns what the stop goes on without. Later
    /// results are added to the topic's lines in the journal.
    pub(crate) async fn within(self, patience: Duration) -> Vec<String> {
        let (tell, told) = oneshot::channel();
        // A task of its own, independent of the stop: it continues when the topic is open and the stop has
        // ended.
        let _task = tokio::spawn(async move {
            let lines = self.run().await;
            if let Err(lines) = tell.send(lines) {
                self.record(lines).await;
            }
        });
        match tokio::time::timeout(patience, told).await {
            Ok(Ok(lines)) => lines,
            Ok(Err(_)) | Err(_) => vec![UNDER_WAY.to_owned()],
        }
    }

    async fn run(&self) -> Vec<String> {
        let (link, topic) = (&self.mirror.link, &self.mirror.topic);
        let begun = Instant::now();
        loop {
            let error = match self.offsets.clamp(link, topic, &self.bounds).await {
                Ok(troubles) => return troubles.into_iter().map(|trouble| trouble.error.message).collect(),
                Err(error) => error,
            };
            if begun.elapsed() >= LOWERING_TIMEOUT || self.present(&self.store.view()).is_none() {
                return vec![format!("group offsets were not compared with the log's end: {}", error.reason)];
            }
            let message =
                format!("group offsets are not compared with failed-over topics yet: {}", error.reason);
            let error = RoundError::new(TaskErrorCode::Internal, message);
            self.offsets.tasks.add(link, Task::ConsumerOffsetSync, [error]);
            tokio::time::sleep(RETRY_BACKOFF).await;
        }
    }

    /// Journals results that came after the stop had stopped waiting. Waits until the stop is complete.
    async fn record(&self, lines: Vec<String>) {
        let (link, topic) = (&self.mirror.link, &self.mirror.topic);
        info!(link, topic, ?lines, "group offsets were compared with the log's end of a failed-over topic");
        let is_stopping = |mirror: &MirrorTopic| matches!(mirror.state, MirrorState::PendingStopped { .. });
        let through = |_: &u64| !self.present(&self.store.view()).as_ref().is_some_and(is_stopping);
        if self.store.watch().wait_for(through).await.is_err() {
            return;
        }
        let job = self.mirror.clone();
        let transition = move |view: &View, _: i64| {
            let same = view.mirrors.get(&job.topic).filter(|now| now.generation == job.generation);
            let Some(mirror) = same.filter(|now| !now.is_read_only()) else { return Ok((Vec::new(), ())) };
            let mut next = mirror.clone();
            next.left_undone.retain(|line| line != UNDER_WAY);
            let news = lines.into_iter().filter(|line| !mirror.left_undone.contains(line));
            next.left_undone.extend(news);
            let changes = if next == *mirror { Vec::new() } else { vec![Change::PutMirror(next)] };
            Ok::<_, IllegalTransition>((changes, ()))
        };
        let why = "group offsets are compared with the log's end";
        if let Err(error) = self.store.transact("engine", why, transition).await {
            warn!(link, topic, %error, "the result of comparing group offsets could not be recorded");
        }
    }

    /// Returns the current mirror, if it has the same generation.
    fn present(&self, view: &View) -> Option<MirrorTopic> {
        view.mirrors.get(&self.mirror.topic).filter(|now| now.generation == self.mirror.generation).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::Ordering::Relaxed;

    use state::model::StopKind;

    use super::*;
    use crate::mirror::sync::offsets::last::test_support::{Says, syncer};

    #[tokio::test]
    async fn groups_are_lowered_although_the_stop_no_longer_waits() {
        // Given a group beyond the end of the log, and brokers that do not list groups for now
        let (there, here) = (Says::of([]), Says::of([("t", Ok(50)), ("u", Ok(3))]));
        let (source, destination) = (there.start().await, here.start().await);
        let offsets = syncer(&source, &destination, StopKind::Failover).await;
        here.silent.store(true, Relaxed);
        let (store, mirror) = (offsets.store.clone(), offsets.store.view().mirrors["t"].clone());
        let lowering = Lowering { store: store.clone(), mirror: mirror.clone(), offsets, bounds: vec![4, 4] };
        // When the stop goes on without an answer
        let left_undone = lowering.within(Duration::from_millis(50)).await;
        assert_eq!(left_undone, [UNDER_WAY]);
        let state = MirrorState::Stopped { stop: StopKind::Failover, log_end_offsets: vec![4, 4] };
        let stopped = Change::PutMirror(MirrorTopic { state, left_undone, ..mirror });
        store.transact("test", "test", |_, _| Ok::<_, Infallible>((vec![stopped], ()))).await.unwrap();
        here.silent.store(false, Relaxed);
        // Then the group is lowered nevertheless, and nothing remains undone.
        let is_done = |_: &u64| store.view().mirrors["t"].left_undone.is_empty();
        let mut news = store.watch();
        let done = tokio::time::timeout(Duration::from_secs(30), news.wait_for(is_done)).await;
        assert!(done.is_ok_and(|done| done.is_ok()));
        assert_eq!(*here.commits.lock().unwrap(), [("t".to_owned(), 4)]);
    }
}
