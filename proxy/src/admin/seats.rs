//! Connections of the admin API: so many at a time. A new one takes the place of the one that has been without a request
//! for longest, so that sockets which say nothing keep nobody out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// All seats of a listener. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Seats(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// By age.
    seats: BTreeMap<u64, Occupant>,
}

#[derive(Debug, Clone)]
struct Occupant {
    /// Requests that are being carried out.
    requests: Arc<AtomicUsize>,
    left: CancellationToken,
}

/// The seat of one connection; free again when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    number: u64,
    occupant: Occupant,
}

/// While it is there, the connection is not sent away.
#[derive(Debug)]
pub(super) struct Working(Arc<AtomicUsize>);

impl Seats {
    /// `most` seats.
    pub(super) fn new(most: usize) -> Self {
        Seats(Arc::new(Inner { most, taken: Mutex::default() }))
    }

    /// A seat, if need be that of the oldest connection for which nothing is being done. `None` where there is none.
    pub(super) fn take(&self) -> Option<Seat> {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.seats.len() >= self.0.most {
            let is_idle = |seat: &Occupant| seat.requests.load(Ordering::Acquire) == 0;
            let oldest = taken.seats.iter().find(|(_, seat)| is_idle(seat)).map(|(number, _)| *number)?;
            if let Some(occupant) = taken.seats.remove(&oldest) {
                occupant.left.cancel();
            }
        }
        let number = taken.next;
        taken.next += 1;
        let occupant = Occupant { requests: Arc::default(), left: CancellationToken::new() };
        let _ = taken.seats.insert(number, occupant.clone());
        Some(Seat { seats: self.clone(), number, occupant })
    }
}

impl Seat {
    /// Counts a request that is being carried out.
    pub(super) fn work(&self) -> Working {
        let requests = Arc::clone(&self.occupant.requests);
        let _ = requests.fetch_add(1, Ordering::AcqRel);
        Working(requests)
    }

    /// Waits until another connection has taken the seat.
    pub(super) async fn lost(&self) {
        self.occupant.left.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = taken.seats.remove(&self.number);
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let _ = self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_connection_takes_the_oldest_idle_seat() {
        let seats = Seats::new(3);
        let (first, second, third) = (seats.take().unwrap(), seats.take().unwrap(), seats.take().unwrap());
        let working = first.work();
        let _fourth = seats.take().unwrap();
        assert!(second.occupant.left.is_cancelled());
        assert!(!first.occupant.left.is_cancelled() && !third.occupant.left.is_cancelled());
        // Leaving later frees no seat of somebody else.
        drop(second);
        drop(working);
        let _fifth = seats.take().unwrap();
        assert!(first.occupant.left.is_cancelled());
        assert_eq!(seats.0.taken.lock().unwrap().seats.len(), 3);
    }

    #[test]
    fn nobody_is_sent_away_in_the_middle_of_a_request() {
        let seats = Seats::new(2);
        let (first, second) = (seats.take().unwrap(), seats.take().unwrap());
        let _working = (first.work(), second.work());
        assert!(seats.take().is_none());
        drop(first);
        assert!(seats.take().is_some());
    }
}
