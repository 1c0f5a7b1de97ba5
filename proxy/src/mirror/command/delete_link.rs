//! Deletes a link.
//!
//! Without force a link goes only when all its mirror topics are stopped. With force they are failed over first, and the
//! link goes when all of them are ordinary topics: to forget a mirror that is not fenced would let a late append land
//! behind a client's first write. A crash in between leaves the link there, with its mirrors stopped or stopping; the
//! same command again goes on.
//!
//! The records of stopped mirrors stay, since the gateway must know for good which topics may hold filler. They then say
//! `NAME (deleted)` for their link, which no link can be called, so a new link of the old name does not inherit them.

use std::time::Duration;

use state::model::{Change, MirrorEvent, MirrorState, MirrorTopic, Stop, View};

use super::{Commands, refusal};
use crate::mirror::handle::CommandError;

/// How long a forced deletion waits for the failovers that it began.
const FAILOVER_PATIENCE: Duration = Duration::from_secs(30);

impl Commands {
    /// Deletes a link; with `force` also one whose mirror topics are not stopped, which fails them over.
    ///
    /// # Errors
    /// No such link; mirrors that are not stopped (without force) or are being promoted; failovers that take longer than
    /// a request should; the journal cannot be written.
    pub async fn delete_link(
        &self,
        name: &str,
        force: bool,
        validate_only: bool,
    ) -> Result<(), CommandError> {
        let id = self.view().links.get(name).map(|link| link.id);
        let deadline = tokio::time::Instant::now() + FAILOVER_PATIENCE;
        let mut news = self.store.watch();
        loop {
            let _ = news.borrow_and_update();
            let link = name.to_owned();
            let why = format!("deletion of link '{name}'");
            let waiting_for = self
                .transact(&why, move |view, now_ms| {
                    let step = decide(view, &link, force, now_ms)?;
                    Ok(if validate_only { (Vec::new(), Vec::new()) } else { step })
                })
                .await?;
            if waiting_for.is_empty() {
                if let Some(id) = id.filter(|_| !validate_only) {
                    self.forget_link(name, id);
                    tracing::info!(link = name, "link deleted");
                }
                return Ok(());
            }
            let stopping = |_: &u64| {
                let view = self.store.view();
                let is_stopped = |topic| view.mirrors.get(topic).is_none_or(|mirror| !mirror.is_read_only());
                waiting_for.iter().all(is_stopped)
            };
            match tokio::time::timeout_at(deadline, news.wait_for(stopping)).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return Err(refusal::internal("Linkgate is shutting down.")),
                Err(_) => {
                    return Err(refusal::not_finished(format!(
                        "Cluster link '{name}' is not deleted yet: mirror topics are being failed over ({}). Delete it \
                         again when they are STOPPED.",
                        waiting_for.join(", ")
                    )));
                }
            }
        }
    }
}

/// What to write now, and the mirror topics to wait for; none when the link is gone with this step.
fn decide(
    view: &View,
    name: &str,
    force: bool,
    now_ms: i64,
) -> Result<(Vec<Change>, Vec<String>), CommandError> {
    if !view.links.contains_key(name) {
        return Err(refusal::no_such_link(name));
    }
    let live: Vec<&MirrorTopic> = view.mirrors_of(name).filter(|mirror| mirror.is_read_only()).collect();
    if live.is_empty() {
        let mut changes = vec![Change::RemoveLink(name.to_owned())];
        changes.extend(view.mirrors_of(name).map(|mirror| {
            let orphan = MirrorTopic { link: format!("{name} (deleted)"), ..mirror.clone() };
            Change::PutMirror(orphan)
        }));
        return Ok((changes, Vec::new()));
    }
    let topics: Vec<&str> = live.iter().map(|mirror| mirror.topic.as_str()).collect();
    if !force {
        return Err(refusal::link_in_use(name, &topics));
    }
    let mut changes = Vec::new();
    for mirror in &live {
        if mirror.state == (MirrorState::PendingStopped { stop: Stop::Promote }) {
            return Err(refusal::promote_under_way(name, &mirror.topic));
        }
        let next = mirror.on(MirrorEvent::Failover).map_err(|error| refusal::illegal(error.message))?;
        if next != mirror.state {
            let altered = MirrorTopic { state: next, state_ms: now_ms, ..(*mirror).clone() };
            changes.push(Change::PutMirror(altered));
        }
    }
    Ok((changes, topics.into_iter().map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::sample::{link, mirror, view};

    fn stopped() -> MirrorState {
        MirrorState::Stopped { stop: Stop::Promote, log_end_offsets: vec![1, 2] }
    }

    #[test]
    fn a_link_whose_mirrors_are_stopped_goes_and_its_topics_stay_known() {
        let view = view([link("dr")], [mirror("dr", "orders", stopped()), mirror("eu", "x", stopped())]);
        let (changes, waiting) = decide(&view, "dr", false, 5).unwrap();
        assert!(waiting.is_empty());
        assert_eq!(changes.len(), 2);
        assert_eq!(changes[0], Change::RemoveLink("dr".into()));
        let Change::PutMirror(orphan) = &changes[1] else { panic!("no record of the topic") };
        assert_eq!((orphan.link.as_str(), orphan.topic.as_str()), ("dr (deleted)", "orders"));
        assert_eq!(orphan.state, stopped());
    }

    #[test]
    fn a_live_mirror_keeps_its_link_unless_forced() {
        let failed = MirrorState::Failed {
            error: state::model::MirrorError::Unknown,
            reason: "r".into(),
            partition: None,
        };
        let view = view(
            [link("dr")],
            [mirror("dr", "a", MirrorState::Active), mirror("dr", "b", failed), mirror("dr", "c", stopped())],
        );
        let refused = decide(&view, "dr", false, 5).unwrap_err();
        assert_eq!((refused.status, refused.error_code), (403, 40_301));
        assert!(refused.message.contains("a, b"), "{}", refused.message);

        let (changes, waiting) = decide(&view, "dr", true, 5).unwrap();
        assert_eq!(waiting, ["a", "b"]);
        for change in changes {
            let Change::PutMirror(mirror) = change else { panic!("the link must not go yet") };
            assert_eq!(mirror.state, MirrorState::PendingStopped { stop: Stop::Failover });
        }
    }

    #[test]
    fn a_promote_under_way_holds_the_link_even_with_force() {
        let promoting = MirrorState::PendingStopped { stop: Stop::Promote };
        let view = view([link("dr")], [mirror("dr", "a", MirrorState::Active), mirror("dr", "b", promoting)]);
        let refused = decide(&view, "dr", true, 5).unwrap_err();
        assert_eq!(refused.status, 403);
        assert!(refused.message.contains("'b' is being promoted"), "{}", refused.message);
    }

    #[test]
    fn an_unknown_link_is_not_found() {
        let error = decide(&view([], []), "dr", true, 5).unwrap_err();
        assert_eq!(error.message, "The cluster link doesn't exist: Cluster link 'dr' does not exist.");
        assert_eq!((error.status, error.error_code), (404, 404));
    }
}
