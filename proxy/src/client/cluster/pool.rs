//! A pool with one connection per broker. A connection is made when it is first requested, and again after it
//! was lost.
//!
//! Concurrent callers share one attempt. After a failed attempt there is a backoff with jitter that doubles
//! with each failure. During the backoff callers get the last error immediately, so a call never waits longer
//! than one attempt.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::backoff;
use crate::client::connection::Connection;
use crate::client::error::ClientError;
use crate::client::options::ClientOptions;
use crate::net::HostPort;

/// Minimum age of a lost connection for which there is no backoff before the next attempt.
const STABLE_AFTER: Duration = Duration::from_secs(5);

struct Attempt {
    failures: u32,
    outcome: OnceCell<(Result<Connection, ClientError>, Instant)>,
}

/// The connections of one cluster, by broker address.
#[derive(Default)]
pub(crate) struct Pool(Mutex<HashMap<HostPort, Arc<Attempt>>>);

impl Pool {
    /// Returns the connection to this broker. Connects if necessary.
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

    /// Returns the connection to this broker if it is open.
    pub(crate) fn live(&self, address: &HostPort) -> Option<Connection> {
        let attempts = self.0.lock();
        let (outcome, _) = attempts.get(address)?.outcome.get()?;
        outcome.as_ref().ok().filter(|connection| !connection.is_closed()).cloned()
    }

    fn attempt(&self, address: &HostPort, options: &ClientOptions) -> Result<Arc<Attempt>, ClientError> {
        let mut attempts = self.0.lock();
        let failures = match attempts.get(address) {
            None => 0,
            Some(attempt) => match attempt.outcome.get() {
                None => return Ok(Arc::clone(attempt)),
                Some((Ok(connection), _)) if !connection.is_closed() => return Ok(Arc::clone(attempt)),
                Some((Ok(_), since)) if since.elapsed() >= STABLE_AFTER => 0,
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
