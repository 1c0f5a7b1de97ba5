//! One connection per broker, made when first asked for and again after it was lost.
//!
//! Callers that ask together share one attempt. After a failed attempt the broker is left alone for a doubling,
//! jittered while, in which callers get the last error at once: asking never waits longer than one attempt.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::backoff;
use super::connection::Connection;
use super::error::ClientError;
use super::options::ClientOptions;
use crate::net::HostPort;

/// A connection that lived this long was a good one: its loss is followed by an attempt at once.
const STEADY: Duration = Duration::from_secs(5);

struct Attempt {
    failures: u32,
    outcome: OnceCell<(Result<Connection, ClientError>, Instant)>,
}

/// The connections of one cluster, by address.
#[derive(Default)]
pub(crate) struct Pool(Mutex<HashMap<HostPort, Arc<Attempt>>>);

impl Pool {
    /// The connection to this broker.
    pub(crate) async fn get(
        &self,
        address: &HostPort,
        options: &ClientOptions,
    ) -> Result<Connection, ClientError> {
        let attempt = self.attempt(address, options)?;
        let connect = || async {
            let options = options.after(attempt.failures.saturating_sub(1));
            (Connection::connect(address, &options).await, Instant::now())
        };
        attempt.outcome.get_or_init(connect).await.0.clone()
    }

    /// The connection to this broker, if there is a live one.
    pub(crate) fn live(&self, address: &HostPort) -> Option<Connection> {
        let attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (outcome, _) = attempts.get(address)?.outcome.get()?;
        outcome.as_ref().ok().filter(|connection| !connection.is_closed()).cloned()
    }

    fn attempt(&self, address: &HostPort, options: &ClientOptions) -> Result<Arc<Attempt>, ClientError> {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = match attempts.get(address) {
            None => 0,
            Some(attempt) => match attempt.outcome.get() {
                None => return Ok(Arc::clone(attempt)),
                Some((Ok(connection), _)) if !connection.is_closed() => return Ok(Arc::clone(attempt)),
                Some((Ok(_), since)) if since.elapsed() >= STEADY => 0,
                Some((outcome, since)) => {
                    let most = options.reconnect_backoff_max;
                    let wait = backoff::delay(attempt.failures, options.reconnect_backoff, most);
                    if since.elapsed() < wait {
                        return match outcome {
                            Err(error) => Err(error.clone()),
                            Ok(connection) => Err(connection.lost()),
                        };
                    }
                    attempt.failures.saturating_add(1)
                }
            },
        };
        let attempt = Arc::new(Attempt { failures: failures.max(1), outcome: OnceCell::new() });
        let _ = attempts.insert(address.clone(), Arc::clone(&attempt));
        Ok(attempt)
    }
}
