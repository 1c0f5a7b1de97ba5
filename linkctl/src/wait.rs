//! `--wait`: polls until the requested changes have happened. Prints each change of state to stderr.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::client::ClientError;
use crate::exit::Failure;
use crate::output;

/// Interval between two polls.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// State of one item that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Not finished. The text is printed when it changes.
    Pending(String),
    /// Finished.
    Done(String),
    /// Failed for good.
    Failed(String),
}

impl Progress {
    fn text(&self) -> &str {
        match self {
            Progress::Pending(text) | Progress::Done(text) | Progress::Failed(text) => text,
        }
    }
}

/// Polls until every item that `ask` returns is done.
///
/// Asks again if the server does not answer or fails: a restart of the daemon does not cancel the request.
///
/// # Errors
/// [`Failure::Failed`] if an item failed, after all others are done or after `timeout`. [`Failure::TimedOut`]
/// after `timeout` if none failed. Returns an error that does not pass by itself at once
/// ([`ClientError::may_pass`]).
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
                    let waiting = format!(
                        "after {} s still waiting for {}; the request remains in effect",
                        timeout.as_secs(),
                        pending.join(", ")
                    );
                    return Err(if failed.is_empty() {
                        Failure::TimedOut(waiting)
                    } else {
                        Failure::Failed(format!("failed: {}; {waiting}", failed.join(", ")))
                    });
                }
            }
            Err(err) if !err.may_pass() => return Err(err.into()),
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
        std::thread::sleep(POLL_INTERVAL);
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
    fn waiting_ends_when_all_are_done_even_if_one_has_failed() {
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
    fn a_failed_item_is_named_even_if_others_time_out() {
        let answer = at(&[
            ("a", Progress::Pending("PENDING_STOPPED".to_owned())),
            ("b", Progress::Failed("FAILED".to_owned())),
        ]);
        let end = until_done(Duration::ZERO, || Ok(answer.clone())).unwrap_err();
        assert!(matches!(end, Failure::Failed(_)), "{end}");
        assert!(end.to_string().starts_with("failed: b; after 0 s still waiting for a;"), "{end}");
    }

    #[test]
    fn waiting_ends_after_the_timeout() {
        let answer = at(&[("a", Progress::Pending("PENDING_STOPPED".to_owned()))]);
        let end = until_done(Duration::ZERO, || Ok(answer.clone())).unwrap_err();
        assert!(matches!(end, Failure::TimedOut(_)), "{end}");
    }
}
