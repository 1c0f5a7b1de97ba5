//! Limits the connections of the admin API. If all seats are taken, a new connection gets the seat of the
//! oldest connection without a request in progress, so idle sockets cannot block the API.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_util::sync::CancellationToken;

/// All seats of a listener. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Seats(Arc<SeatsInner>);

#[derive(Debug)]
struct SeatsInner {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// By seat number, that is by age.
    seats: BTreeMap<u64, Occupant>,
}

#[derive(Debug, Clone)]
struct Occupant {
    /// Number of requests in progress.
    requests: Arc<AtomicUsize>,
    left: CancellationToken,
}

/// The seat of one connection; becomes free when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Seats,
    number: u64,
    occupant: Occupant,
}

/// A request in progress. While it exists, its connection keeps its seat.
#[derive(Debug)]
pub(crate) struct Working(Arc<AtomicUsize>);

impl Seats {
    /// Makes `most` seats.
    pub(crate) fn new(most: usize) -> Self {
        Seats(Arc::new(SeatsInner { most, taken: Mutex::default() }))
    }

    /// Takes a free seat, or else the seat of the oldest connection without a request in progress. Returns
    /// `None` if there is neither.
    pub(crate) fn take(&self) -> Option<Seat> {
        let mut taken = self.0.taken.lock();
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
    /// Counts a request in progress until the returned value is dropped.
    pub(crate) fn work(&self) -> Working {
        let requests = Arc::clone(&self.occupant.requests);
        let _ = requests.fetch_add(1, Ordering::AcqRel);
        Working(requests)
    }

    /// Waits until another connection has taken this seat.
    pub(crate) async fn lost(&self) {
        self.occupant.left.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.taken.lock();
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
        // A connection that lost its seat frees no other seat when it ends.
        drop(second);
        drop(working);
        let _fifth = seats.take().unwrap();
        assert!(first.occupant.left.is_cancelled());
        assert_eq!(seats.0.taken.lock().seats.len(), 3);
    }

    #[test]
    fn a_connection_with_a_request_in_progress_keeps_its_seat() {
        let seats = Seats::new(2);
        let (first, second) = (seats.take().unwrap(), seats.take().unwrap());
        let _working = (first.work(), second.work());
        assert!(seats.take().is_none());
        drop(first);
        assert!(seats.take().is_some());
    }
}
