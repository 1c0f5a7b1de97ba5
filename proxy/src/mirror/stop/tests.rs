use std::time::Duration;

use crate::mirror::replication::partition::Wakes;
use state::model::link_config::LinkConfig;
use tokio::time::Instant;

use crate::client::test_support::Scripted;
use crate::mirror::engine::running_mirror::RunningMirror;
use crate::mirror::progress::ProgressTable;
use crate::mirror::replication::byte_budget::ByteBudget;
use crate::mirror::stop::failover::LEADERLESS_TIMEOUT;
use crate::mirror::stop::*;
use crate::mirror::sync::offsets::last::test_support::{Says, syncer};
use crate::mirror::sync::task_status::TaskTable;

/// Creates a job that stops the mirror `t`. No append position is known yet.
async fn job(source: &Scripted, destination: &Scripted, stop: StopKind) -> StopJob {
    let offsets = syncer(source, destination, stop).await;
    let view = offsets.store.view();
    let (link, mirror) = (&view.links["dr"], view.mirrors["t"].clone());
    let budget = Arc::new(ByteBudget::new(1 << 20));
    let progress = ProgressTable::default();
    let work = RunningMirror::new(&mirror, link, &progress, 1 << 20, &budget, &Wakes::default());
    let (store, destination) = (offsets.store.clone(), offsets.destination.clone());
    let config = LinkConfig::parse(&link.configs).unwrap();
    StopJob {
        source: offsets.sources.of(link, &config),
        configs: ConfigSync::new(
            store.clone(),
            destination.clone(),
            offsets.sources.clone(),
            TaskTable::default(),
        ),
        partitions: work.partitions,
        waits: StopWaits::default(),
        undone: Arc::default(),
        store,
        mirror,
        destination,
        offsets,
    }
}

#[tokio::test]
async fn a_leaderless_partition_with_an_unknown_end_does_not_keep_the_others_closed() {
    // Given a process that was restarted when one of two partitions had no leader any more
    let (there, here) = (Says::of([]), Says::leaderless([("t", Ok(3))]));
    let (source, destination) = (there.start().await, here.start().await);
    let job = job(&source, &destination, StopKind::Failover).await;
    let waiting = job.fence_what_is_led().await.unwrap_err().to_string();
    assert!(waiting.contains("partition 1 has no leader"), "{waiting}");
    // When it has waited for a minute
    let undone = Undone::default();
    undone.leaderless_since.set(Instant::now() - LEADERLESS_TIMEOUT).unwrap();
    let job = StopJob { undone: Arc::new(undone), ..job };
    // Then the other partition opens, and the unknown end is reported.
    assert_eq!(job.fence_what_is_led().await.unwrap(), [8, -1]);
    let lines = job.undone.lines().join("; ");
    assert!(lines.contains("partition 1: the end of the mirror's log is not known"), "{lines}");
}

#[tokio::test]
async fn a_promote_without_progress_reports_it_and_starts_over() {
    let (there, here) = (Says::of([]), Says::of([]));
    let (source, destination) = (there.start().await, here.start().await);
    let job = job(&source, &destination, StopKind::Promote).await;
    tokio::time::pause();
    let ended = tokio::time::timeout(Duration::from_secs(300), job.drained(&[5, 5])).await;
    let reason = ended.expect("it ends").unwrap_err().to_string();
    assert!(reason.contains("partition 0 is at offset -1 of 5"), "{reason}");
    assert_eq!(job.waits.of("t").unwrap().reason, reason);
}

#[tokio::test]
async fn a_last_sync_that_takes_long_is_shown() {
    let (there, here) = (Says::of([]), Says::of([]));
    let (source, destination) = (there.start().await, here.start().await);
    let job = job(&source, &destination, StopKind::Promote).await;
    tokio::time::pause();
    let mut hangs = Box::pin(job.telling("configs", std::future::pending::<()>()));
    assert!(tokio::time::timeout(LOG_AFTER * 2, hangs.as_mut()).await.is_err());
    assert_eq!(job.waits.of("t").unwrap().reason, "configs");
}
