//! Journals how far the fences of a stop are. Once a promote has begun to fence, it can only be finished.

use state::model::{Change, Fencing, IllegalTransition, MirrorTopic, View};

use crate::mirror::stop::{NotYet, StopJob};

impl StopJob {
    /// Returns how far the fences are, according to the journal.
    pub(crate) fn fencing(&self) -> Fencing {
        let view = self.store.view();
        let same =
            view.mirrors.get(self.topic()).filter(|mirror| mirror.generation == self.mirror.generation);
        same.map(|mirror| mirror.fencing.clone()).unwrap_or_default()
    }

    /// Journals how far the fences are. Fails if the mirror has changed in the meantime.
    pub(crate) async fn record_fencing(&self, fencing: Fencing) -> Result<(), NotYet> {
        let why = match fencing {
            Fencing::NotYet => "the logs are open to mirroring",
            Fencing::Begun => "the mirror has caught up; its logs are being fenced",
            Fencing::Done { .. } => "the logs are fenced",
        };
        let job = self.mirror.clone();
        let transition = move |view: &View, _: i64| {
            let mirror = still_the_same(view, &job)?;
            let next = MirrorTopic { fencing, ..mirror.clone() };
            Ok::<_, IllegalTransition>((vec![Change::PutMirror(next)], ()))
        };
        let done = self.store.transact("engine", why, transition).await;
        done.map_err(|error| NotYet(error.to_string()))
    }
}

/// Returns the current mirror that a job is for.
///
/// # Errors
/// Fails if the mirror is gone or was replaced, its state has changed, or it has more partitions than the job
/// knows.
pub(crate) fn still_the_same<'a>(
    view: &'a View,
    job: &MirrorTopic,
) -> Result<&'a MirrorTopic, IllegalTransition> {
    view.mirrors
        .get(&job.topic)
        .filter(|mirror| {
            mirror.generation == job.generation
                && mirror.partitions == job.partitions
                && mirror.state == job.state
        })
        .ok_or_else(|| IllegalTransition { message: "the mirror topic has changed meanwhile".to_owned() })
}
