//! Who waits for which response on one connection, until the connection ends for all of them at once.
//!
//! A waiter that went away leaves its correlation id behind, since the response will still come. A peer that is silent
//! for the request timeout after that is as dead as one that lets a waiter time out: callers that never wait long enough
//! must not keep it alive. The first failure poisons the table: all waiters get it, and so does whoever comes later.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::error::ClientError;

/// Outcome of one request.
pub(crate) type Answer = Result<Bytes, ClientError>;

#[derive(Debug)]
enum State {
    Open {
        next: i32,
        waiting: HashMap<i32, Option<oneshot::Sender<Answer>>>,
        /// When a waiter went away, unless a response came since.
        silent_since: Option<Instant>,
    },
    Closed(ClientError),
}

/// The table of one connection.
#[derive(Debug)]
pub(crate) struct Waiting(Mutex<State>);

impl Waiting {
    pub(crate) fn new() -> Self {
        Waiting(Mutex::new(State::Open { next: 0, waiting: HashMap::new(), silent_since: None }))
    }

    /// A new correlation id, and where its response will come.
    pub(crate) fn register(&self) -> Result<(i32, oneshot::Receiver<Answer>), ClientError> {
        match &mut *self.lock() {
            State::Closed(error) => Err(error.clone()),
            State::Open { next, waiting, .. } => {
                // Ids come round after 2^31 requests; one that is still waited for is passed over.
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

    /// Hands a response to its waiter. False when nobody ever asked for it.
    pub(crate) fn answer(&self, id: i32, body: Bytes) -> bool {
        let waiter = match &mut *self.lock() {
            State::Open { waiting, silent_since, .. } => {
                *silent_since = None;
                waiting.remove(&id)
            }
            State::Closed(_) => return true,
        };
        let Some(waiter) = waiter else { return false };
        if let Some(sender) = waiter {
            let _gone = sender.send(Ok(body));
        }
        true
    }

    /// The waiter of `id` is gone; its response will be dropped when it comes.
    pub(crate) fn abandon(&self, id: i32) {
        if let State::Open { waiting, silent_since, .. } = &mut *self.lock()
            && let Some(waiter) = waiting.get_mut(&id)
        {
            *waiter = None;
            let _since = silent_since.get_or_insert_with(Instant::now);
        }
    }

    /// Whether no response is to come.
    pub(crate) fn is_empty(&self) -> bool {
        match &*self.lock() {
            State::Open { waiting, .. } => waiting.is_empty(),
            State::Closed(_) => true,
        }
    }

    /// Whether a waiter went away this long ago and nothing at all has come since.
    pub(crate) fn silent_for(&self, patience: Duration) -> bool {
        match &*self.lock() {
            State::Open { silent_since: Some(since), .. } => since.elapsed() >= patience,
            _ => false,
        }
    }

    /// Ends the connection for everybody. Only the first reason counts.
    pub(crate) fn poison(&self, error: ClientError) {
        let waiting = {
            let mut state = self.lock();
            match &mut *state {
                State::Closed(_) => return,
                State::Open { waiting, .. } => {
                    let waiting = std::mem::take(waiting);
                    *state = State::Closed(error.clone());
                    waiting
                }
            }
        };
        for sender in waiting.into_values().flatten() {
            let _gone = sender.send(Err(error.clone()));
        }
    }

    /// Why the connection ended, if it has.
    pub(crate) fn closed(&self) -> Option<ClientError> {
        match &*self.lock() {
            State::Closed(error) => Some(error.clone()),
            State::Open { .. } => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
