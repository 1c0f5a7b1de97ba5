//! Group offsets beyond the log's end are lowered by a failover, also when that takes longer than the topic is kept
//! closed.

use std::time::Duration;

use state::model::{Change, IllegalTransition, MirrorState, MirrorTopic, View};
use state::store::Store;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::mirror::offset_sync::OffsetSync;
use crate::mirror::task_status::{Task, TaskError, TaskErrorCode};

/// What stands with the topic until the pass is through. Whoever reads it later knows that a process ended before.
const UNDER_WAY: &str =
    "group offsets are still being compared with the log's end; where this stays, compare them by hand";
/// Pause before groups that could not be listed are asked for again.
const RETRY: Duration = Duration::from_secs(1);
/// The pass is given up after so long, and that is reported.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(10 * 60);

/// One topic whose groups are to be lowered.
pub(super) struct Lowering {
    pub(super) store: Store,
    pub(super) mirror: MirrorTopic,
    pub(super) offsets: OffsetSync,
    pub(super) bounds: Vec<i64>,
}

impl Lowering {
    /// Lowers the groups, and waits for it for a bounded time. Returns what the stop goes on without. What comes
    /// later is added to what the journal says of the topic.
    pub(super) async fn within(self, patience: Duration) -> Vec<String> {
        let (tell, told) = oneshot::channel();
        // A task of its own, that of no stop: it goes on when the topic is open and the stop has ended.
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
            if begun.elapsed() >= GIVEN_UP_AFTER || self.present(&self.store.view()).is_none() {
                return vec![format!("group offsets were not compared with the log's end: {}", error.reason)];
            }
            let message =
                format!("offsets of groups are not compared with failed-over topics yet: {}", error.reason);
            let error = TaskError::new(TaskErrorCode::Internal, message);
            self.offsets.tasks.add(link, Task::ConsumerOffsetSync, [error]);
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Puts into the journal what was found after the stop had stopped waiting, once the stop is through.
    async fn record(&self, lines: Vec<String>) {
        let (link, topic) = (&self.mirror.link, &self.mirror.topic);
        info!(
            link,
            topic,
            ?lines,
            "group offsets are compared with the log's end of a topic that was failed over"
        );
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
            warn!(link, topic, %error, "what became of group offsets could not be recorded");
        }
    }

    /// The mirror as it is now, if it is still this one.
    fn present(&self, view: &View) -> Option<MirrorTopic> {
        view.mirrors.get(&self.mirror.topic).filter(|now| now.generation == self.mirror.generation).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::Ordering::Relaxed;

    use state::model::Stop;

    use super::*;
    use crate::mirror::last_offsets::testing::{Says, syncer};

    #[tokio::test]
    async fn groups_are_lowered_although_the_stop_no_longer_waits() {
        // Given a group beyond the end of the log, and brokers that do not list groups for now
        let (there, here) = (Says::of([]), Says::of([("t", Ok(50)), ("u", Ok(3))]));
        let (source, destination) = (there.start().await, here.start().await);
        let offsets = syncer(&source, &destination, Stop::Failover).await;
        here.silent.store(true, Relaxed);
        let (store, mirror) = (offsets.store.clone(), offsets.store.view().mirrors["t"].clone());
        let lowering = Lowering { store: store.clone(), mirror: mirror.clone(), offsets, bounds: vec![4, 4] };
        // When the stop goes on without an answer
        let left_undone = lowering.within(Duration::from_millis(50)).await;
        assert_eq!(left_undone, [UNDER_WAY]);
        let state = MirrorState::Stopped { stop: Stop::Failover, log_end_offsets: vec![4, 4] };
        let stopped = Change::PutMirror(MirrorTopic { state, left_undone, ..mirror });
        store.transact("test", "test", |_, _| Ok::<_, Infallible>((vec![stopped], ()))).await.unwrap();
        here.silent.store(false, Relaxed);
        // Then the group is lowered all the same, and nothing is left to be done.
        let is_done = |_: &u64| store.view().mirrors["t"].left_undone.is_empty();
        let mut news = store.watch();
        let done = tokio::time::timeout(Duration::from_secs(30), news.wait_for(is_done)).await;
        assert!(done.is_ok_and(|done| done.is_ok()));
        assert_eq!(*here.commits.lock().unwrap(), [("t".to_owned(), 4)]);
    }
}
