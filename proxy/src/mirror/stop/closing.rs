//! What the journal keeps of a promote that has begun to fence: from then on it can only be finished.

use state::model::{Change, Fencing, IllegalTransition, MirrorTopic, View};

use super::{NotYet, StopJob};

impl StopJob {
    /// How far the fences are, as the journal has it.
    pub(super) fn fencing(&self) -> Fencing {
        let view = self.store.view();
        let same =
            view.mirrors.get(self.topic()).filter(|mirror| mirror.generation == self.mirror.generation);
        same.map(|mirror| mirror.fencing.clone()).unwrap_or_default()
    }

    /// Journals how far the fences are, unless something else has been asked for meanwhile.
    pub(super) async fn record_fencing(&self, fencing: Fencing) -> Result<(), NotYet> {
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

/// The mirror that a job is for, as it is now.
///
/// # Errors
/// It is gone or another one, its state is another, or it has got more partitions than the job knows.
pub(super) fn still_the_same<'a>(
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
        .ok_or_else(|| IllegalTransition {
            message: "something else has been asked for meanwhile".to_owned(),
        })
}
