//! The requests of one connection that wait for their responses, by correlation id.
//!
//! A caller that stops waiting leaves its correlation id in the table, since the response still arrives. If
//! no response at all arrives within the request timeout after that, the peer counts as dead, as if a caller
//! had timed out. Otherwise callers that never wait long enough would keep a dead connection open. The first
//! failure poisons the table: all waiting callers and all later ones get it.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::client::error::ClientError;

/// Outcome of one request.
pub(crate) type ResponseOutcome = Result<Bytes, ClientError>;

#[derive(Debug)]
enum CorrelationState {
    Open {
        next: i32,
        waiting: HashMap<i32, Option<oneshot::Sender<ResponseOutcome>>>,
        /// Time at which a caller stopped waiting, unless a response has arrived since then.
        silent_since: Option<Instant>,
    },
    Closed(ClientError),
}

/// The waiting requests of one connection.
#[derive(Debug)]
pub(crate) struct OutstandingRequests(Mutex<CorrelationState>);

impl OutstandingRequests {
    pub(crate) fn new() -> Self {
        OutstandingRequests(Mutex::new(CorrelationState::Open {
            next: 0,
            waiting: HashMap::new(),
            silent_since: None,
        }))
    }

    /// Registers a request. Returns its correlation id and the receiver of its response.
    pub(crate) fn register(&self) -> Result<(i32, oneshot::Receiver<ResponseOutcome>), ClientError> {
        match &mut *self.lock() {
            CorrelationState::Closed(error) => Err(error.clone()),
            CorrelationState::Open { next, waiting, .. } => {
                // Ids wrap around after 2^31 requests. An id that is still waiting is skipped.
                let mut id = *next;
                while waiting.contains_key(&id) {
                    id = id.wrapping_add(1) & i32::MAX;
                }
                *next = id.wrapping_add(1) & i32::MAX;
                let (sender, receiver) = oneshot::channel();
                let _ = waiting.insert(id, Some(sender));
                Ok((id, receiver))
            }
        }
    }

    /// Passes a response to its waiting caller. Returns false if there was no request with this id.
    pub(crate) fn answer(&self, id: i32, body: Bytes) -> bool {
        let waiter = match &mut *self.lock() {
            CorrelationState::Open { waiting, silent_since, .. } => {
                *silent_since = None;
                waiting.remove(&id)
            }
            CorrelationState::Closed(_) => return true,
        };
        let Some(waiter) = waiter else { return false };
        if let Some(sender) = waiter {
            let _gone = sender.send(Ok(body));
        }
        true
    }

    /// Marks the request `id` as abandoned. Its response is dropped on arrival.
    pub(crate) fn abandon(&self, id: i32) {
        if let CorrelationState::Open { waiting, silent_since, .. } = &mut *self.lock()
            && let Some(waiter) = waiting.get_mut(&id)
        {
            *waiter = None;
            let _since = silent_since.get_or_insert_with(Instant::now);
        }
    }

    /// Returns true if no response is outstanding.
    pub(crate) fn is_empty(&self) -> bool {
        match &*self.lock() {
            CorrelationState::Open { waiting, .. } => waiting.is_empty(),
            CorrelationState::Closed(_) => true,
        }
    }

    /// Returns true if a caller stopped waiting at least `patience` ago and no response has arrived since.
    pub(crate) fn silent_for(&self, patience: Duration) -> bool {
        match &*self.lock() {
            CorrelationState::Open { silent_since: Some(since), .. } => since.elapsed() >= patience,
            _ => false,
        }
    }

    /// Fails all waiting and later requests with this error. Only the first error counts.
    pub(crate) fn poison(&self, error: ClientError) {
        let waiting = {
            let mut state = self.lock();
            match &mut *state {
                CorrelationState::Closed(_) => return,
                CorrelationState::Open { waiting, .. } => {
                    let waiting = std::mem::take(waiting);
                    *state = CorrelationState::Closed(error.clone());
                    waiting
                }
            }
        };
        for sender in waiting.into_values().flatten() {
            let _gone = sender.send(Err(error.clone()));
        }
    }

    /// Returns the error that ended the connection, if it has ended.
    pub(crate) fn closed(&self) -> Option<ClientError> {
        match &*self.lock() {
            CorrelationState::Closed(error) => Some(error.clone()),
            CorrelationState::Open { .. } => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, CorrelationState> {
        self.0.lock()
    }
}

/// Marks the request as abandoned when its future is dropped.
pub(super) struct Abandon {
    pub(super) waiting: Arc<OutstandingRequests>,
    pub(super) correlation_id: i32,
}

impl Drop for Abandon {
    fn drop(&mut self) {
        self.waiting.abandon(self.correlation_id);
    }
}
