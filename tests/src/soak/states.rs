//! Every state that the mirror topics show while faults happen, and whether a fault explains it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::kind::{Kind, Place};
use crate::linkgate::http_get;

/// A state may show so long after the fault that caused it.
const AFTERMATH: Duration = Duration::from_secs(15);

/// A fault, while it lasts and afterwards.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// What.
    pub kind: Kind,
    /// Where.
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

    /// A fault begins; its number.
    pub fn begin(&self, kind: Kind, place: Place) -> usize {
        let mut spans = self.spans();
        spans.push(Span { kind, place, begin: Instant::now(), end: None });
        spans.len() - 1
    }

    /// A fault is over.
    pub fn end(&self, number: usize) {
        if let Some(span) = self.spans().get_mut(number) {
            span.end = Some(Instant::now());
        }
    }

    /// How many have begun.
    pub fn count(&self) -> usize {
        self.spans().len()
    }

    /// Whether one at a place that `counts` explains something at `moment`.
    fn explains(&self, moment: Instant, counts: impl Fn(Place) -> bool) -> bool {
        self.spans().iter().any(|span| {
            let over = span.end.map(|end| end + AFTERMATH);
            counts(span.place) && span.begin <= moment && over.is_none_or(|over| moment <= over)
        })
    }
}

/// A change of state.
#[derive(Debug, Clone)]
pub struct Transition {
    /// Since the watch began.
    pub at: Duration,
    moment: Instant,
    /// Of which mirror topic.
    pub topic: String,
    /// The state before; empty for the first one.
    pub from: String,
    /// The state after; empty when the mirror topic is gone.
    pub to: String,
}

impl Transition {
    /// ACTIVE needs no reason. SOURCE_UNAVAILABLE is right while nobody can reach the source, or Linkgate has slept. Nothing
    /// that happens here explains any other state.
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

/// Asks for the states of all mirror topics of a link, again and again.
#[derive(Debug)]
pub struct StateWatch {
    seen: Arc<Mutex<Vec<Transition>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl StateWatch {
    /// Begins to ask the REST API at `url`, which lists the mirror topics.
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
                            // The mirror itself changed twice between two questions.
                            Some((before, then)) if then != since => {
                                add(topic, before, "unseen");
                                add(topic, "unseen", state);
                            }
                            Some(_) => {}
                            None => add(topic, "", state),
                        }
                    }
                    last.keys()
                        .filter(|topic| !now.contains_key(*topic))
                        .for_each(|topic| add(topic, "", ""));
                    last = now;
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        StateWatch { seen, stop, thread: Some(thread) }
    }

    /// All changes so far.
    #[must_use]
    pub fn transitions(&self) -> Vec<Transition> {
        lock(&self.seen).clone()
    }

    /// The last state of each mirror topic.
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

/// State of each mirror topic and since when; `None` when nobody answers.
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
    fn only_a_source_out_of_reach_explains_source_unavailable_and_nothing_explains_failed() {
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
