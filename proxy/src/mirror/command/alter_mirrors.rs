//! Promotes, fails over, pauses and resumes mirror topics for an operator.
//!
//! A command here only accepts: it journals the new states of all topics in one transaction, and the engine
//! does the work. A refusal of one topic does not hold up the others.

use state::model::{Change, MirrorEvent, MirrorTopic, View};

use crate::mirror::command::types::{ActionOutcome, CommandError, MirrorAction, Selector};
use crate::mirror::command::{Commands, refusal};

/// Maximum length of a topic name pattern, in bytes.
const MAX_PATTERN: usize = 4096;
/// Maximum size of a compiled pattern, in bytes. Nested repetitions are short to write and large when
/// compiled.
const MAX_COMPILED: usize = 1 << 20;

fn compiled(pattern: &str) -> Result<regex::Regex, regex::Error> {
    regex::RegexBuilder::new(pattern).size_limit(MAX_COMPILED).build()
}

type ActionResult = (String, Result<(), CommandError>);

impl Commands {
    /// Applies an action to the selected mirror topics of one link, or of all links.
    ///
    /// With `validate_only` the outcomes are the same and nothing changes.
    ///
    /// # Errors
    /// Fails if there is no such link, if the selection is invalid, or if the journal cannot be written. An
    /// error of a single topic is in its outcome.
    pub async fn alter_mirrors(
        &self,
        link: Option<&str>,
        selector: Selector,
        action: MirrorAction,
        validate_only: bool,
    ) -> Result<Vec<ActionOutcome>, CommandError> {
        let choice = Choice::new(link, selector)?;
        let why = format!("{action} of mirror topics");
        let verdicts = self
            .transact(&why, move |view, now_ms| {
                let (mut changes, verdicts) = decide(view, &choice, action, now_ms)?;
                if validate_only {
                    changes.clear();
                }
                Ok((changes, verdicts))
            })
            .await?;
        Ok(verdicts
            .into_iter()
            .map(|(topic, result)| ActionOutcome { progress: self.progress(&topic), topic, result })
            .collect())
    }
}

/// A selection that was checked.
struct Choice {
    link: Option<String>,
    selector: Selected,
}

enum Selected {
    Names(Vec<String>),
    Pattern(regex::Regex),
}

impl Choice {
    fn new(link: Option<&str>, selector: Selector) -> Result<Choice, CommandError> {
        let selector = match selector {
            Selector::Names(names) if names.is_empty() => {
                return Err(refusal::invalid("No mirror topic is named."));
            }
            Selector::Names(names) => Selected::Names(names),
            Selector::Pattern(pattern) => {
                if pattern.len() > MAX_PATTERN {
                    return Err(refusal::invalid(format!(
                        "The mirror topic name pattern has more than {MAX_PATTERN} bytes."
                    )));
                }
                // Compiles the pattern alone first, so that it cannot close the group that is put around it.
                let whole = compiled(&pattern).and_then(|_| compiled(&format!("^(?:{pattern})$"))).map_err(
                    |error| {
                        refusal::invalid(format!("Mirror topic name pattern '{pattern}' is invalid: {error}"))
                    },
                )?;
                Selected::Pattern(whole)
            }
        };
        Ok(Choice { link: link.map(str::to_owned), selector })
    }

    fn is_of_link(&self, mirror: &MirrorTopic) -> bool {
        self.link.as_ref().is_none_or(|link| mirror.link == *link)
    }

    fn topics(&self, view: &View) -> Vec<String> {
        match &self.selector {
            Selected::Names(names) => {
                let mut seen = std::collections::HashSet::new();
                names.iter().filter(|name| seen.insert(name.as_str())).cloned().collect()
            }
            Selected::Pattern(pattern) => view
                .mirrors
                .values()
                .filter(|mirror| self.is_of_link(mirror) && pattern.is_match(&mirror.topic))
                .map(|mirror| mirror.topic.clone())
                .collect(),
        }
    }
}

fn decide(
    view: &View,
    choice: &Choice,
    action: MirrorAction,
    now_ms: i64,
) -> Result<(Vec<Change>, Vec<ActionResult>), CommandError> {
    if let Some(link) = &choice.link
        && !view.links.contains_key(link)
    {
        return Err(refusal::no_such_link(link));
    }
    let (mut changes, mut verdicts) = (Vec::new(), Vec::new());
    for topic in choice.topics(view) {
        let found = view.mirrors.get(&topic).filter(|mirror| choice.is_of_link(mirror));
        let result = found.ok_or_else(|| refusal::not_a_mirror(&topic)).and_then(|mirror| {
            let next = mirror.on(event(action)).map_err(|error| refusal::illegal(error.message))?;
            if next != mirror.state {
                let altered = MirrorTopic { state: next, state_ms: now_ms, ..mirror.clone() };
                changes.push(Change::PutMirror(altered));
            }
            Ok(())
        });
        verdicts.push((topic, result));
    }
    Ok((changes, verdicts))
}

fn event(action: MirrorAction) -> MirrorEvent {
    match action {
        MirrorAction::Promote => MirrorEvent::Promote,
        MirrorAction::Failover => MirrorEvent::Failover,
        MirrorAction::Pause => MirrorEvent::Pause,
        MirrorAction::Resume => MirrorEvent::Resume,
    }
}

#[cfg(test)]
mod tests {
    use state::model::{MirrorState, StopKind};

    use super::*;
    use crate::mirror::command::types::CommandErrorKind;
    use crate::mirror::test_support::{link, mirror, view};

    fn names(names: &[&str]) -> Selector {
        Selector::Names(names.iter().map(|name| (*name).to_owned()).collect())
    }

    type States = Vec<(String, MirrorState)>;
    type Texts = Vec<(String, Option<String>)>;

    fn run(
        view: &View,
        link: Option<&str>,
        selector: Selector,
        action: MirrorAction,
    ) -> Result<(States, Texts), CommandError> {
        let choice = Choice::new(link, selector)?;
        let (changes, verdicts) = decide(view, &choice, action, 77)?;
        let changes = changes
            .into_iter()
            .map(|change| match change {
                Change::PutMirror(mirror) => {
                    assert_eq!(mirror.state_ms, 77);
                    (mirror.topic, mirror.state)
                }
                other => panic!("unexpected change {other:?}"),
            })
            .collect();
        let verdicts = verdicts
            .into_iter()
            .map(|(topic, result)| (topic, result.err().map(|error| error.message)))
            .collect();
        Ok((changes, verdicts))
    }

    fn two_links() -> View {
        let stopped = MirrorState::Stopped { stop: StopKind::Failover, log_end_offsets: vec![] };
        view(
            [link("dr"), link("eu")],
            [
                mirror("dr", "orders", MirrorState::Active),
                mirror("dr", "orders-old", stopped),
                mirror("eu", "users", MirrorState::Active),
            ],
        )
    }

    #[test]
    fn each_topic_has_its_own_outcome() {
        let (changes, verdicts) = run(
            &two_links(),
            Some("dr"),
            names(&["orders", "orders-old", "nope", "users", "orders"]),
            MirrorAction::Failover,
        )
        .unwrap();
        assert_eq!(changes, [("orders".into(), MirrorState::PendingStopped { stop: StopKind::Failover })]);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            verdicts,
            [
                ("orders".into(), None),
                ("orders-old".into(), text("Topic 'orders-old' has already stopped its mirror from 'dr'")),
                ("nope".into(), text("Topic 'nope' is not a mirror topic.")),
                ("users".into(), text("Topic 'users' is not a mirror topic.")),
            ]
        );
    }

    #[test]
    fn a_pattern_matches_whole_names_of_the_link() {
        let (changes, verdicts) =
            run(&two_links(), Some("dr"), Selector::Pattern("orders|users".into()), MirrorAction::Pause)
                .unwrap();
        assert_eq!(changes, [("orders".into(), MirrorState::Paused)]);
        assert_eq!(verdicts.len(), 1);
        let (_, all) =
            run(&two_links(), None, Selector::Pattern(".*".into()), MirrorAction::Promote).unwrap();
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn an_action_that_changes_nothing_is_accepted_and_writes_nothing() {
        let (changes, verdicts) = run(&two_links(), None, names(&["orders"]), MirrorAction::Resume).unwrap();
        assert!(changes.is_empty());
        assert_eq!(verdicts, [("orders".to_owned(), None)]);
    }

    #[test]
    fn large_patterns_are_refused_quickly() {
        let begin = std::time::Instant::now();
        for pattern in ["a".repeat(1 << 19), r"(\w{50}){50}".repeat(300), r"((\pL{30}){30}){30}".to_owned()] {
            let error = run(&two_links(), None, Selector::Pattern(pattern), MirrorAction::Pause).unwrap_err();
            assert_eq!(error.kind, CommandErrorKind::Invalid);
        }
        assert!(begin.elapsed() < std::time::Duration::from_secs(2), "{:?}", begin.elapsed());
    }

    #[test]
    fn bad_selections_are_refused_as_a_whole() {
        let view = two_links();
        let status = |link, selector| {
            let error = run(&view, link, selector, MirrorAction::Pause).unwrap_err();
            error.kind
        };
        assert_eq!(status(None, names(&[])), CommandErrorKind::Invalid);
        assert_eq!(status(None, Selector::Pattern("(".into())), CommandErrorKind::Invalid);
        assert_eq!(status(None, Selector::Pattern("a)|(?:b".into())), CommandErrorKind::Invalid);
        assert_eq!(status(Some("gone"), names(&["orders"])), CommandErrorKind::NoSuchLink);
    }
}
