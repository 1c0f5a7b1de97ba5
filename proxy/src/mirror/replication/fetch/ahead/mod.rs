//! Fetches ahead of the next offset while a partition of a far source has a backlog. One fetch after the other
//! brings one answer in each round trip; here many are under way at the same time.
//!
//! ```text
//! session: an ordinary answer shows a backlog
//!    └─► catch-up ─ ranges to ask for ─► line (connections to the source broker) ─► answers
//!           ▲                                                                         │
//!           └── in order, to the code that handles ordinary answers ◄── ranges ◄──────┘
//! ```
//!
//! While a catch-up runs, the session leaves the partition out. The catch-up ends when the backlog is
//! fetched, or when anything is not plain; then the session goes on at the next offset.
pub(crate) mod catch_up;
pub(crate) mod climb;
pub(crate) mod line;
pub(crate) mod ranges;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::client::Cluster;
use crate::mirror::replication::fetch::FetchOptions;
use crate::mirror::replication::fetch::ahead::catch_up::{CatchUp, Shared};
use crate::mirror::replication::fetch::ahead::line::Line;
use crate::mirror::replication::fetch::ahead::ranges::Ranges;
use crate::mirror::replication::fetch::extent::Extent;
use crate::mirror::replication::partition::Partition;

/// The catch-ups of the partitions that one source broker leads.
#[derive(Debug)]
pub(crate) struct CatchUps {
    shared: Arc<Shared>,
    assigned: watch::Receiver<Arc<Vec<Arc<Partition>>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    _stops: DropGuard,
}

impl CatchUps {
    /// Begins with none.
    pub(crate) fn new(
        link: &str,
        [source, destination]: [&Cluster; 2],
        broker: i32,
        options: FetchOptions,
        assigned: watch::Receiver<Arc<Vec<Arc<Partition>>>>,
        refresh: Arc<Notify>,
    ) -> Self {
        let line = Arc::new(Line::new(source.clone(), broker, options, refresh));
        let (source, destination) = (source.clone(), destination.clone());
        let stop = CancellationToken::new();
        CatchUps {
            shared: Arc::new(Shared { link: link.to_owned(), source, destination, options, line }),
            assigned,
            tasks: TaskTracker::new(),
            _stops: stop.clone().drop_guard(),
            stop,
        }
    }

    /// Takes the time that the first exchange over a new connection to the source broker took.
    pub(crate) fn connected(&self, exchange: Duration) {
        if self.shared.line.is_unsure(exchange) {
            let (line, stop) = (Arc::clone(&self.shared.line), self.stop.clone());
            drop(self.tasks.spawn(async move { stop.run_until_cancelled(line.probe()).await }));
        }
    }

    /// Returns true if catch-ups pay on this line.
    pub(crate) fn pay(&self) -> bool {
        self.shared.line.pays()
    }

    /// Begins a catch-up if the source has much more than one answer beyond `seen`. `committed` is its last
    /// stable offset. Without leader epochs (`seen.last_epoch`), pieces could not be compared.
    pub(crate) fn consider(&self, partition: &Arc<Partition>, seen: Extent, committed: i64) {
        let backlog = seen.bytes_of(committed.saturating_sub(seen.end));
        let one_answer = usize::try_from(self.shared.options.max_bytes).unwrap_or(usize::MAX);
        if seen.last_epoch < 0 || backlog <= one_answer {
            return;
        }
        let Some(excluded) = partition.catching_up() else { return };
        let (shared, partition) = (Arc::clone(&self.shared), Arc::clone(partition));
        let ranges = Ranges::new(seen, committed);
        let catch_up = CatchUp::new(shared, partition, self.assigned.clone(), excluded, ranges);
        let stop = self.stop.clone();
        drop(self.tasks.spawn(async move { stop.run_until_cancelled(catch_up.run()).await }));
    }

    /// Ends all catch-ups, and waits for that.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        let _ = self.tasks.close();
        self.tasks.wait().await;
    }
}
