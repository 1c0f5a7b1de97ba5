//! Appends of one partition whose answers are still to come, whoever sent them: earlier attempts and earlier takings-up of the
//! topic (it grew, or was paused and resumed) included.
//!
//! What is on its way may land after a log end was read, and the next batch would then be for an offset that is taken. A broker that
//! knows the producer id refuses that one by its sequence. One that has forgotten it, as it may for old records
//! ([ADR 0026](adr/)), appends both. So nobody reads where the log ends before these answers are there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Appends on their way, by the broker that they were sent to. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct OnTheWay(Arc<Mutex<BTreeMap<i32, Arc<Sends>>>>);

/// Those to one broker.
#[derive(Debug, Default)]
struct Sends {
    count: AtomicUsize,
    awaited: AtomicBool,
}

impl Sends {
    fn any(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }
}

/// One append: on its way until this is dropped.
#[derive(Debug)]
pub struct Send {
    sends: Arc<Sends>,
    /// Whom to tell that it has ended, if somebody waits.
    attention: Arc<Notify>,
}

impl OnTheWay {
    /// One more is sent to `broker`.
    #[must_use]
    pub fn send(&self, broker: i32, attention: &Arc<Notify>) -> Send {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sends = Arc::clone(all.entry(broker).or_default());
        let _ = sends.count.fetch_add(1, Ordering::SeqCst);
        Send { sends, attention: Arc::clone(attention) }
    }

    /// Whether any to `broker` are on their way. If so, the end of the last one is told.
    #[must_use]
    pub fn any_to(&self, broker: i32) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sends) = all.get(&broker) else { return false };
        if !sends.any() {
            return false;
        }
        sends.awaited.store(true, Ordering::SeqCst);
        // The last may have ended just before that.
        sends.any()
    }
}

impl Drop for Send {
    fn drop(&mut self) {
        let was_last = self.sends.count.fetch_sub(1, Ordering::SeqCst) == 1;
        if was_last && self.sends.awaited.swap(false, Ordering::SeqCst) {
            self.attention.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_count_for_their_broker_until_they_are_answered() {
        let (all, attention) = (OnTheWay::default(), Arc::default());
        assert!(!all.any_to(1));
        let sends = [all.send(1, &attention), all.clone().send(1, &attention)];
        assert!(all.any_to(1) && !all.any_to(2));
        let [first, second] = sends;
        drop(first);
        assert!(all.any_to(1));
        drop(second);
        assert!(!all.any_to(1));
    }
}
