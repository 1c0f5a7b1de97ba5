//! Deletes a link.
//!
//! Without force, a link is deleted only if all its mirror topics are stopped. With force, they are failed
//! over first, and the link is deleted when all of them are ordinary topics: if a mirror that is not fenced
//! were forgotten, a late append could land behind a client's first write. After a crash in between, the link
//! still exists, with its mirrors stopped or stopping. Repeating the command continues the deletion.
//!
//! The records of stopped mirrors stay, since the gateway must always know which topics may hold filler.
//! Their link then reads `NAME (deleted)`, which is not a valid link name, so a new link of the old name does
//! not inherit them.

use std::time::Duration;

use state::model::{Change, MirrorEvent, MirrorState, MirrorTopic, StopKind, View};

use crate::mirror::command::types::CommandError;
use crate::mirror::command::{Commands, refusal};

/// Time that a forced deletion waits for the failovers that it began.
const FAILOVER_TIMEOUT: Duration = Duration::from_secs(30);

impl Commands {
    /// Deletes a link. With `force`, first fails over its mirror topics that are not stopped.
    ///
    /// # Errors
    /// Fails if there is no such link; if mirrors are not stopped (without force) or are being promoted; if
    /// the failovers take longer than 30 s; if the journal cannot be written.
    pub async fn delete_link(
        &self,
        name: &str,
        force: bool,
        validate_only: bool,
    ) -> Result<(), CommandError> {
        let id = self.view().links.get(name).map(|link| link.id);
        let deadline = tokio::time::Instant::now() + FAILOVER_TIMEOUT;
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

/// Returns the changes to write now, and the mirror topics to wait for. There are none to wait for if these
/// changes remove the link.
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
        if mirror.state == (MirrorState::PendingStopped { stop: StopKind::Promote }) {
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
    use crate::mirror::command::types::CommandErrorKind;
    use crate::mirror::test_support::{link, mirror, view};

    fn stopped() -> MirrorState {
        MirrorState::Stopped { stop: StopKind::Promote, log_end_offsets: vec![1, 2] }
    }

    #[test]
    fn deleting_a_link_keeps_the_records_of_its_stopped_mirrors() {
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
    fn a_link_with_live_mirrors_is_deleted_only_with_force() {
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
        assert_eq!(refused.kind, CommandErrorKind::LinkInUse);
        assert!(refused.message.contains("a, b"), "{}", refused.message);

        let (changes, waiting) = decide(&view, "dr", true, 5).unwrap();
        assert_eq!(waiting, ["a", "b"]);
        for change in changes {
            let Change::PutMirror(mirror) = change else { panic!("the link must not go yet") };
            assert_eq!(mirror.state, MirrorState::PendingStopped { stop: StopKind::Failover });
        }
    }

    #[test]
    fn a_link_is_not_deleted_during_a_promote_even_with_force() {
        let promoting = MirrorState::PendingStopped { stop: StopKind::Promote };
        let view = view([link("dr")], [mirror("dr", "a", MirrorState::Active), mirror("dr", "b", promoting)]);
        let refused = decide(&view, "dr", true, 5).unwrap_err();
        assert_eq!(refused.kind, CommandErrorKind::LinkInUse);
        assert!(refused.message.contains("'b' is being promoted"), "{}", refused.message);
    }

    #[test]
    fn an_unknown_link_is_not_found() {
        let error = decide(&view([], []), "dr", true, 5).unwrap_err();
        assert_eq!(error.message, "The cluster link doesn't exist: Cluster link 'dr' does not exist.");
        assert_eq!(error.kind, CommandErrorKind::NoSuchLink);
    }
}
