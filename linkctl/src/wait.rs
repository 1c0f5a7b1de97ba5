//! `--wait`: asks until what was requested has happened, telling each change on stderr.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::client::ClientError;
use crate::exit::Failure;
use crate::output;

/// How long between two questions.
const POLL: Duration = Duration::from_millis(250);

/// Where one of the things waited for is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Not yet there; the text is shown when it changes.
    Pending(String),
    /// There.
    Done(String),
    /// It will never get there.
    Failed(String),
}

impl Progress {
    fn text(&self) -> &str {
        match self {
            Progress::Pending(text) | Progress::Done(text) | Progress::Failed(text) => text,
        }
    }
}

/// Waits until everything that `ask` tells of is done.
///
/// A server that does not answer is asked again: a restart in between is no failure of what was requested.
///
/// # Errors
/// [`Failure::Failed`] when something can never get there, [`Failure::TimedOut`] after `timeout`, or the server's refusal.
pub fn until_done(
    timeout: Duration,
    mut ask: impl FnMut() -> Result<BTreeMap<String, Progress>, ClientError>,
) -> Result<(), Failure> {
    let deadline = Instant::now() + timeout;
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    let mut last_error = String::new();
    loop {
        match ask() {
            Ok(progress) => {
                for (name, state) in &progress {
                    if shown.insert(name.clone(), state.text().to_owned()).as_deref() != Some(state.text()) {
                        output::note(&format!("{name}: {}", state.text()));
                    }
                }
                let (pending, failed) = unfinished(&progress);
                if pending.is_empty() && failed.is_empty() {
                    return Ok(());
                }
                if pending.is_empty() {
                    return Err(Failure::Failed(format!("failed: {}", failed.join(", "))));
                }
                if Instant::now() >= deadline {
                    let seconds = timeout.as_secs();
                    return Err(Failure::TimedOut(format!(
                        "after {seconds} s still waiting for {}; the request stands",
                        pending.join(", ")
                    )));
                }
            }
            Err(err) if err.status().is_some_and(|status| status < 500) => return Err(err.into()),
            Err(err) => {
                let text = err.to_string();
                if text != last_error {
                    output::note(&text);
                    last_error = text;
                }
                if Instant::now() >= deadline {
                    return Err(Failure::TimedOut(format!("no answer for {} s", timeout.as_secs())));
                }
            }
        }
        std::thread::sleep(POLL);
    }
}

fn unfinished(progress: &BTreeMap<String, Progress>) -> (Vec<&str>, Vec<&str>) {
    let names = |wanted: fn(&Progress) -> bool| {
        progress.iter().filter(|(_, state)| wanted(state)).map(|(name, _)| name.as_str()).collect()
    };
    (
        names(|state| matches!(state, Progress::Pending(_))),
        names(|state| matches!(state, Progress::Failed(_))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(states: &[(&str, Progress)]) -> BTreeMap<String, Progress> {
        states.iter().map(|(name, state)| ((*name).to_owned(), state.clone())).collect()
    }

    #[test]
    fn it_ends_when_all_are_done_and_waits_for_the_rest_when_one_failed() {
        let pending = Progress::Pending("PENDING_STOPPED".to_owned());
        let done = Progress::Done("STOPPED".to_owned());
        let failed = Progress::Failed("FAILED".to_owned());
        let mut answers = vec![
            at(&[("a", done.clone()), ("b", done.clone())]),
            at(&[("a", pending.clone()), ("b", done.clone())]),
        ];
        until_done(Duration::from_secs(5), || Ok(answers.pop().unwrap())).unwrap();
        let mut answers =
            vec![at(&[("a", done), ("b", failed.clone())]), at(&[("a", pending), ("b", failed)])];
        let end = until_done(Duration::from_secs(5), || Ok(answers.pop().unwrap())).unwrap_err();
        assert_eq!(end.to_string(), "failed: b");
    }

    #[test]
    fn it_gives_up_after_the_timeout() {
        let answer = at(&[("a", Progress::Pending("PENDING_STOPPED".to_owned()))]);
        let end = until_done(Duration::ZERO, || Ok(answer.clone())).unwrap_err();
        assert!(matches!(end, Failure::TimedOut(_)), "{end}");
    }
}
