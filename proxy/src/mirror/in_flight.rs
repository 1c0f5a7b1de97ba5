//! Counts the appends of one partition that are in flight. They may come from an earlier attempt, or from the
//! work on the topic before it grew, or was paused and resumed.
//!
//! Such an append may land after the log end was read. The next batch is then sent for an offset that is
//! taken. A broker that knows the producer id refuses that batch by its sequence. A broker that has forgotten
//! the id, as it may for old records ([ADR 0026](adr/)), appends both. So the log end is not read before
//! these answers are there.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Appends in flight, by the broker that they were sent to. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct OnTheWay(Arc<Mutex<BTreeMap<i32, Arc<Sends>>>>);

/// Appends in flight to one broker.
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

/// One append, in flight until this is dropped.
#[derive(Debug)]
pub struct PendingAppend {
    sends: Arc<Sends>,
    /// Notified when the last append to the broker ends, if a task waits for that.
    attention: Arc<Notify>,
}

impl OnTheWay {
    /// Counts one more append to `broker`.
    #[must_use]
    pub fn send(&self, broker: i32, attention: &Arc<Notify>) -> PendingAppend {
        let mut all = self.0.lock();
        let sends = Arc::clone(all.entry(broker).or_default());
        let _ = sends.count.fetch_add(1, Ordering::SeqCst);
        PendingAppend { sends, attention: Arc::clone(attention) }
    }

    /// Returns true if appends to `broker` are in flight. In that case the end of the last one notifies its
    /// `attention`.
    #[must_use]
    pub fn any_to(&self, broker: i32) -> bool {
        let all = self.0.lock();
        let Some(sends) = all.get(&broker) else { return false };
        if !sends.any() {
            return false;
        }
        sends.awaited.store(true, Ordering::SeqCst);
        // The last one may have ended just before that.
        sends.any()
    }
}

impl Drop for PendingAppend {
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
