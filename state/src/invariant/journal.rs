//! Rules of the journal and of each step of the view.

use std::collections::BTreeSet;

use super::{Check, broken};
use crate::model::{Change, HIDDEN, Link, MirrorTopic, Record, View};

/// Checks that record sequences have no gaps: `next` follows `last`. Before the first record, `last` is 0 or
/// the last trimmed sequence.
///
/// # Errors
/// [`Broken`](super::Broken) if `next` does not follow `last`.
pub fn journal_is_gapless(last: u64, next: u64) -> Check {
    if last.checked_add(1) == Some(next) {
        return Ok(());
    }
    broken("journal-is-gapless", format!("record {next} comes after record {last}"))
}

/// Checks that the view is exactly what the journal says: replaying `records` from the first on yields
/// `view`. Records do not hold secrets, so only the names of secrets are compared.
///
/// # Errors
/// [`Broken`](super::Broken) if there is a gap or a difference.
pub fn view_is_replay(records: &[Record], view: &View) -> Check {
    let replayed = replayed(0, records)?;
    if replayed == shown_as(view, &replayed) {
        return Ok(());
    }
    broken(
        "view-is-replay",
        format!("replaying {} records does not yield the view of sequence {}", records.len(), view.sequence),
    )
}

/// Checks the same as [`view_is_replay`] when the records up to `trimmed` are gone: each link and mirror
/// topic that a remaining record changes must be in the view as the last of these records left it.
///
/// # Errors
/// [`Broken`](super::Broken) if there is a gap or a difference.
pub fn view_ends_as_replay(trimmed: u64, records: &[Record], view: &View) -> Check {
    if trimmed == 0 {
        return view_is_replay(records, view);
    }
    let replayed = replayed(trimmed, records)?;
    let view = shown_as(view, &replayed);
    let differ = |what: &str, name: &str| {
        broken("view-is-replay", format!("{what} '{name}' is not what records from {} on say", trimmed + 1))
    };
    for change in records.iter().flat_map(|record| &record.changes) {
        match change {
            Change::PutLink(Link { name, .. }) | Change::RemoveLink(name) => {
                if view.links.get(name) != replayed.links.get(name) {
                    return differ("link", name);
                }
            }
            Change::PutMirror(MirrorTopic { topic, .. }) | Change::RemoveMirror(topic) => {
                if view.mirrors.get(topic) != replayed.mirrors.get(topic) {
                    return differ("mirror topic", topic);
                }
            }
            Change::PutIdentity(identity) => {
                if view.identity != replayed.identity {
                    return differ("journal", &identity.id.to_string());
                }
            }
        }
    }
    Ok(())
}

fn replayed(trimmed: u64, records: &[Record]) -> Result<View, super::Broken> {
    let mut replayed = View { sequence: trimmed, ..View::default() };
    for record in records {
        journal_is_gapless(replayed.sequence, record.sequence)?;
        replayed.apply(record);
    }
    replayed.links.values_mut().for_each(Link::hide_secrets);
    Ok(replayed)
}

/// Returns the view with secrets hidden: those that are sensitive today, and those that were when the records
/// were written.
fn shown_as(view: &View, replayed: &View) -> View {
    let mut shown = view.clone();
    for link in shown.links.values_mut() {
        link.hide_secrets();
        let told = replayed.links.get(&link.name).map(|told| &told.configs);
        for (name, value) in &mut link.configs {
            if told.and_then(|told| told.get(name)).is_some_and(|told| told == HIDDEN) {
                HIDDEN.clone_into(value);
            }
        }
    }
    shown
}

/// Checks all rules for one step of the view.
///
/// # Errors
/// The first rule that `after` breaks.
pub fn change_is_lawful(before: &View, after: &View) -> Check {
    stopped_is_terminal(before, after)?;
    generations_only_grow(before, after)?;
    identity_is_kept(before, after)?;
    generations_are_never_reused(before, after)
}

/// Checks that a stopped mirror topic stays an ordinary topic for good. Only a new generation of the same
/// name mirrors again.
///
/// # Errors
/// [`Broken`](super::Broken) if a generation that was stopped is not stopped in `after`.
pub fn stopped_is_terminal(before: &View, after: &View) -> Check {
    for (topic, old) in &before.mirrors {
        let Some(new) = after.mirrors.get(topic) else { continue };
        let same = same_generation(before, after, old, new);
        if same && !old.is_read_only() && old.state != new.state {
            return broken(
                "stopped-is-terminal",
                format!("'{topic}' was stopped and would be {:?}", new.state),
            );
        }
    }
    Ok(())
}

/// Checks that a journal keeps its id for good. Its destination changes only if an operator accepts that,
/// which this check cannot see.
///
/// # Errors
/// [`Broken`](super::Broken) if the journal gets another id, or none.
pub fn identity_is_kept(before: &View, after: &View) -> Check {
    let Some(old) = &before.identity else { return Ok(()) };
    if after.identity.as_ref().is_some_and(|new| new.id == old.id) {
        return Ok(());
    }
    broken("identity-is-kept", format!("journal {} would be {:?}", old.id, after.identity))
}

/// Checks that the generation count of a link never decreases: a change of a link must start from its latest
/// value.
///
/// # Errors
/// [`Broken`](super::Broken) if a count decreases.
pub fn generations_only_grow(before: &View, after: &View) -> Check {
    for (name, old) in &before.links {
        let Some(new) = after.links.get(name) else { continue };
        if old.id == new.id && new.generations < old.generations {
            let what = format!("link '{name}' would go back from {} to {}", old.generations, new.generations);
            return broken("generations-only-grow", what);
        }
    }
    Ok(())
}

/// Checks that no two mirrors have the same reserved producer id: a new mirror takes a generation that its
/// link has not used before, and the link counts it.
///
/// # Errors
/// [`Broken`](super::Broken) if a generation is used twice or not counted.
pub fn generations_are_never_reused(before: &View, after: &View) -> Check {
    const NAME: &str = "generations-are-never-reused";
    let mut given = BTreeSet::new();
    for (topic, new) in &after.mirrors {
        let Some(link) = after.links.get(&new.link) else { continue };
        if !given.insert((&new.link, new.generation)) {
            let what = format!("generation {} of link '{}' has two mirrors", new.generation, new.link);
            return broken(NAME, what);
        }
        if before.mirrors.get(topic).is_some_and(|old| same_generation(before, after, old, new)) {
            continue;
        }
        let given_before = before.links.get(&new.link).filter(|old| old.id == link.id);
        let least = given_before.map_or(0, |old| old.generations);
        if !(least..link.generations).contains(&new.generation) {
            let what = format!(
                "new mirror '{topic}' has generation {}, but link '{}' went from {least} to {}",
                new.generation, new.link, link.generations
            );
            return broken(NAME, what);
        }
    }
    Ok(())
}

/// Returns true if both are the same mirror: the same generation of the same link object.
fn same_generation(before: &View, after: &View, old: &MirrorTopic, new: &MirrorTopic) -> bool {
    let id = |view: &View, mirror: &MirrorTopic| view.links.get(&mirror.link).map(|link| link.id);
    old.link == new.link && old.generation == new.generation && id(before, old) == id(after, new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{JournalIdentity, KafkaUuid, MirrorState, StopKind, sample};

    #[test]
    fn a_journal_keeps_its_id() {
        let with = |id| {
            let identity = JournalIdentity { id, destination_cluster_id: "a".into() };
            View { identity: Some(identity), ..View::default() }
        };
        let before = with(KafkaUuid::random());
        assert!(identity_is_kept(&View::default(), &before).is_ok());
        assert!(identity_is_kept(&before, &before.clone()).is_ok());
        assert!(identity_is_kept(&before, &with(KafkaUuid::random())).is_err());
        assert!(identity_is_kept(&before, &View::default()).is_err());
    }

    fn view(generations: u32, mirrors: &[(&str, u32)]) -> View {
        let mut link = sample::link("dr");
        link.generations = generations;
        let mirrors = mirrors.iter().map(|(topic, generation)| {
            let mut mirror = sample::mirror("dr", topic);
            mirror.generation = *generation;
            ((*topic).to_owned(), mirror)
        });
        let links = [("dr".to_owned(), link)].into();
        View { mirrors: mirrors.collect(), links, ..View::default() }
    }

    fn later(before: &View, change: impl FnOnce(&mut View)) -> View {
        let mut after = before.clone();
        change(&mut after);
        after
    }

    #[test]
    fn a_gap_and_a_repetition_break_the_journal() {
        assert!(journal_is_gapless(0, 1).is_ok());
        assert!(journal_is_gapless(7, 8).is_ok());
        for (last, next) in [(7, 7), (7, 9), (7, 6), (u64::MAX, 0)] {
            assert_eq!(journal_is_gapless(last, next).unwrap_err().name, "journal-is-gapless");
        }
    }

    #[test]
    fn a_view_with_more_than_the_journal_is_detected() {
        let record = Record {
            sequence: 1,
            at_ms: 0,
            who: "test".into(),
            why: "test".into(),
            changes: vec![Change::PutLink(sample::link("dr"))],
            summary: Vec::new(),
            omitted: 0,
        };
        let mut view = View::default();
        view.apply(&record);
        assert!(view_is_replay(std::slice::from_ref(&record), &view).is_ok());
        drop(view.mirrors.insert("t".into(), sample::mirror("dr", "t")));
        assert_eq!(view_is_replay(&[record], &view).unwrap_err().name, "view-is-replay");
    }

    #[test]
    fn after_trimming_only_entries_of_the_kept_records_are_compared() {
        let record = |sequence, changes| Record {
            sequence,
            at_ms: 0,
            who: "test".into(),
            why: "test".into(),
            changes,
            summary: Vec::new(),
            omitted: 0,
        };
        let (link, other) = (sample::link("dr"), sample::link("older"));
        let records = [
            record(8, vec![Change::PutLink(link.clone()), Change::PutMirror(sample::mirror("dr", "gone"))]),
            record(9, vec![Change::RemoveMirror("gone".into())]),
        ];
        let mut view = View { sequence: 9, ..View::default() };
        for link in [link, other] {
            drop(view.links.insert(link.name.clone(), link));
        }
        view_ends_as_replay(7, &records, &view).unwrap();
        assert_eq!(view_ends_as_replay(6, &records, &view).unwrap_err().name, "journal-is-gapless");
        assert_eq!(view_ends_as_replay(0, &records, &view).unwrap_err().name, "journal-is-gapless");
        drop(view.mirrors.insert("gone".into(), sample::mirror("dr", "gone")));
        assert_eq!(view_ends_as_replay(7, &records, &view).unwrap_err().name, "view-is-replay");
    }

    #[test]
    fn a_stopped_mirror_that_becomes_active_again_is_detected() {
        let stopped = MirrorState::Stopped { stop: StopKind::Failover, log_end_offsets: vec![7] };
        let mut before = view(1, &[("t", 0)]);
        before.mirrors.get_mut("t").unwrap().state = stopped;
        let after = later(&before, |view| view.mirrors.get_mut("t").unwrap().state = MirrorState::Active);
        assert_eq!(change_is_lawful(&before, &after).unwrap_err().name, "stopped-is-terminal");
        let again = later(&before, |view| {
            view.links.get_mut("dr").unwrap().generations = 2;
            let mirror = view.mirrors.get_mut("t").unwrap();
            (mirror.state, mirror.generation) = (MirrorState::PendingMirror, 1);
        });
        change_is_lawful(&before, &again).unwrap();
    }

    #[test]
    fn a_link_written_from_an_old_copy_is_detected() {
        let before = view(3, &[]);
        let after = later(&before, |view| view.links.get_mut("dr").unwrap().generations = 2);
        assert_eq!(change_is_lawful(&before, &after).unwrap_err().name, "generations-only-grow");
        let recreated = later(&before, |view| drop(view.links.insert("dr".into(), sample::link("dr"))));
        change_is_lawful(&before, &recreated).unwrap();
    }

    #[test]
    fn a_generation_used_twice_or_not_counted_is_detected() {
        let before = view(1, &[("a", 0)]);
        let put = |generations, topic: &str, generation| {
            later(&before, |view| {
                view.links.get_mut("dr").unwrap().generations = generations;
                let mut mirror = sample::mirror("dr", topic);
                mirror.generation = generation;
                drop(view.mirrors.insert(topic.into(), mirror));
            })
        };
        change_is_lawful(&before, &put(2, "b", 1)).unwrap();
        change_is_lawful(&before, &put(2, "a", 1)).unwrap();
        for after in [put(1, "b", 0), put(2, "b", 0), put(1, "b", 1), put(2, "b", 2)] {
            assert_eq!(change_is_lawful(&before, &after).unwrap_err().name, "generations-are-never-reused");
        }
        let removed = later(&before, |view| drop(view.mirrors.remove("a")));
        let reused = later(&removed, |view| drop(view.mirrors.insert("a".into(), sample::mirror("dr", "a"))));
        assert_eq!(change_is_lawful(&removed, &reused).unwrap_err().name, "generations-are-never-reused");
    }
}
