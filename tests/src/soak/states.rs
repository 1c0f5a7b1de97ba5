//! Every state that the mirror topics show during the faults, and the faults that explain it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::kind::{Kind, Place};
use crate::stage::linkgate::http_get;

/// Time after the end of a fault during which it still explains a state.
const AFTERMATH: Duration = Duration::from_secs(15);

/// A fault, with its start and end.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Kind of the fault.
    pub kind: Kind,
    /// Place of the fault.
    pub place: Place,
    begin: Instant,
    end: Option<Instant>,
}

/// All faults so far.
#[derive(Debug, Default)]
pub struct FaultLog(Mutex<Vec<Span>>);

impl FaultLog {
    fn spans(&self) -> MutexGuard<'_, Vec<Span>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the start of a fault. Returns its number.
    pub fn begin(&self, kind: Kind, place: Place) -> usize {
        let mut spans = self.spans();
        spans.push(Span { kind, place, begin: Instant::now(), end: None });
        spans.len() - 1
    }

    /// Records the end of a fault.
    pub fn end(&self, number: usize) {
        if let Some(span) = self.spans().get_mut(number) {
            span.end = Some(Instant::now());
        }
    }

    /// Returns the number of faults that have begun.
    pub fn count(&self) -> usize {
        self.spans().len()
    }

    /// Returns true if a fault, at a place for which `counts` returns true, explains a state at `moment`.
    fn explains(&self, moment: Instant, counts: impl Fn(Place) -> bool) -> bool {
        self.spans().iter().any(|span| {
            let over = span.end.map(|end| end + AFTERMATH);
            counts(span.place) && span.begin <= moment && over.is_none_or(|over| moment <= over)
        })
    }
}

/// A change of the state of a mirror topic.
#[derive(Debug, Clone)]
pub struct Transition {
    /// Time since the start of the watch.
    pub at: Duration,
    moment: Instant,
    /// Name of the mirror topic.
    pub topic: String,
    /// The state before; empty for the first one.
    pub from: String,
    /// The state after; empty if the mirror topic is gone.
    pub to: String,
}

impl Transition {
    /// Returns true if the new state is ACTIVE, or if it is SOURCE_UNAVAILABLE and a fault at the source or
    /// of Linkgate itself explains it. No fault explains any other state.
    #[must_use]
    pub fn is_explained(&self, faults: &FaultLog) -> bool {
        match self.to.as_str() {
            "ACTIVE" => true,
            "SOURCE_UNAVAILABLE" => {
                faults.explains(self.moment, |place| matches!(place, Place::Source | Place::Linkgate))
            }
            _ => false,
        }
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |state: &str| if state.is_empty() { "none".to_owned() } else { state.to_owned() };
        let (from, to) = (shown(&self.from), shown(&self.to));
        write!(f, "after {:.1} s: {} went from {from} to {to}", self.at.as_secs_f64(), self.topic)
    }
}

/// Polls the states of all mirror topics of a link.
#[derive(Debug)]
pub struct StateWatch {
    seen: Arc<Mutex<Vec<Transition>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl StateWatch {
    /// Starts to poll the REST API at `url`, which lists the mirror topics.
    #[must_use]
    pub fn start(url: String) -> StateWatch {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (into, told, begin) = (seen.clone(), stop.clone(), Instant::now());
        let thread = std::thread::spawn(move || {
            let mut last: BTreeMap<String, (String, i64)> = BTreeMap::new();
            while !told.load(Ordering::Relaxed) {
                if let Some(now) = states(&url) {
                    let moment = Instant::now();
                    let at = moment - begin;
                    let add = |topic: &str, from: &str, to: &str| {
                        let (topic, from, to) = (topic.to_owned(), from.to_owned(), to.to_owned());
                        lock(&into).push(Transition { at, moment, topic, from, to });
                    };
                    for (topic, (state, since)) in &now {
                        match last.get(topic) {
                            Some((before, _)) if before != state => add(topic, before, state),
                            // The mirror changed its state twice between two polls.
                            Some((before, then)) if then != since => {
                                add(topic, before, "unseen");
                                add(topic, "unseen", state);
                            }
                            Some(_) => {}
                            None => add(topic, "", state),
                        }
                    }
                    for (topic, (before, _)) in &last {
                        if !now.contains_key(topic) {
                            add(topic, before, "");
                        }
                    }
                    last = now;
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        StateWatch { seen, stop, thread: Some(thread) }
    }

    /// Returns all changes so far.
    #[must_use]
    pub fn transitions(&self) -> Vec<Transition> {
        lock(&self.seen).clone()
    }

    /// Returns the last state of each mirror topic.
    #[must_use]
    pub fn now(&self) -> BTreeMap<String, String> {
        lock(&self.seen).iter().map(|t| (t.topic.clone(), t.to.clone())).collect()
    }
}

impl Drop for StateWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Returns the state of each mirror topic and the time of its last change. Returns `None` if the API does not
/// answer.
fn states(url: &str) -> Option<BTreeMap<String, (String, i64)>> {
    let (status, body) = http_get(url).ok()?;
    let body: serde_json::Value = serde_json::from_str(&body).ok().filter(|_| status == 200)?;
    let mirrors = body["data"].as_array()?.iter().map(|mirror| {
        let text = |name: &str| mirror[name].as_str().unwrap_or_default().to_owned();
        let since = mirror["state_time_ms"].as_i64().unwrap_or_default();
        (text("mirror_topic_name"), (text("mirror_status"), since))
    });
    Some(mirrors.collect())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(state: &str) -> Transition {
        let (topic, from, to) = ("t".to_owned(), "ACTIVE".to_owned(), state.to_owned());
        Transition { at: Duration::ZERO, moment: Instant::now(), topic, from, to }
    }

    #[test]
    fn source_unavailable_needs_a_source_fault_and_no_fault_explains_failed() {
        let log = FaultLog::default();
        let _ = log.begin(Kind::Cut, Place::Client);
        assert!(!to("SOURCE_UNAVAILABLE").is_explained(&log));
        let number = log.begin(Kind::BrokerKill, Place::Source);
        log.end(number);
        assert!(to("SOURCE_UNAVAILABLE").is_explained(&log));
        assert!(to("ACTIVE").is_explained(&log));
        for state in ["FAILED", "PAUSED", "LINK_FAILED", "STOPPED", "unseen", ""] {
            assert!(!to(state).is_explained(&log), "{state}");
        }
    }
}
