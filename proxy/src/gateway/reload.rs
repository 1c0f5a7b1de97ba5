//! Looks for new keys and certificates from time to time, so that they are in force, logged and counted without waiting
//! for a connection.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::net::tls::{ReloadCounts, TlsClient, TlsServer};

use super::metrics::GatewayMetrics;
use super::options::GatewayOptions;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(3);

/// Watches the files of both sides until `stop` is cancelled.
pub(super) fn watch_certificates(
    options: &GatewayOptions,
    metrics: GatewayMetrics,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send + 'static {
    let mut sides: Vec<Side> = Vec::new();
    sides.extend(options.listener_tls.clone().map(|tls| Side::new("listener", Tls::Listener(tls))));
    sides.extend(options.broker_tls.clone().map(|tls| Side::new("broker", Tls::Broker(tls))));
    async move {
        while !sides.is_empty() {
            if stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_none() {
                return;
            }
            for side in &mut sides {
                side.look(&metrics).await;
            }
        }
    }
}

#[derive(Clone)]
enum Tls {
    Listener(TlsServer),
    Broker(TlsClient),
}

impl Tls {
    /// Reads files.
    fn refresh(&self) -> ReloadCounts {
        match self {
            Tls::Listener(tls) => {
                drop(tls.watched().refresh());
                tls.watched().counts()
            }
            Tls::Broker(tls) => {
                drop(tls.watched().refresh());
                tls.watched().counts()
            }
        }
    }
}

struct Side {
    name: &'static str,
    tls: Arc<Tls>,
    seen: ReloadCounts,
}

impl Side {
    fn new(name: &'static str, tls: Tls) -> Self {
        Side { name, tls: Arc::new(tls), seen: ReloadCounts::default() }
    }

    async fn look(&mut self, metrics: &GatewayMetrics) {
        let tls = Arc::clone(&self.tls);
        // Fails only when the runtime ends.
        let Ok(now) = tokio::task::spawn_blocking(move || tls.refresh()).await else { return };
        metrics.reloads(self.name, "reloaded", now.reloaded - self.seen.reloaded);
        metrics.reloads(self.name, "failed", now.failed - self.seen.failed);
        self.seen = now;
    }
}
