//! Checks at intervals for new keys and certificates, so that they take effect, are logged and are counted
//! without waiting for a connection.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::net::tls::{ReloadCounts, TlsClient, TlsServer};

use crate::gateway::metrics::GatewayMetrics;
use crate::gateway::options::GatewayOptions;

/// Interval between two checks.
const INTERVAL: Duration = Duration::from_secs(3);

/// Watches the files of both sides until `stop` is cancelled.
pub(crate) fn watch_certificates(
    options: &GatewayOptions,
    metrics: GatewayMetrics,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send + 'static {
    let mut sides: Vec<ReloadedSide> = Vec::new();
    sides.extend(options.listener_tls.clone().map(|tls| ReloadedSide::new("listener", Tls::Listener(tls))));
    sides.extend(options.broker_tls.clone().map(|tls| ReloadedSide::new("broker", Tls::Broker(tls))));
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
    /// Loads the files if they have changed, and returns the counts of all reloads. Blocks.
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

struct ReloadedSide {
    name: &'static str,
    tls: Arc<Tls>,
    seen: ReloadCounts,
}

impl ReloadedSide {
    fn new(name: &'static str, tls: Tls) -> Self {
        ReloadedSide { name, tls: Arc::new(tls), seen: ReloadCounts::default() }
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
