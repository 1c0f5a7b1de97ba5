use std::time::Duration;

use state::model::StopKind;

use crate::client::{ClientOptions, Side};
use crate::mirror::filler_report::*;
use crate::mirror::test_support::{link, mirror, view};
use crate::wire::records::batch::BatchHeader;
use crate::wire::records::filler::{fence, filler};
use crate::wire::records::rewrite_header::WriterIds;

fn header(bytes: &[u8], base_offset: i64) -> BatchHeader {
    BatchHeader { base_offset, ..BatchHeader::parse(bytes).unwrap() }
}

fn ids() -> WriterIds {
    WriterIds { producer_id: i64::MAX, producer_epoch: 0, base_sequence: 0 }
}

/// Returns the header of a client's batch, `count` offsets long.
fn real(base_offset: i64, count: u32) -> BatchHeader {
    BatchHeader { base_timestamp: 1, producer_id: -1, ..header(&filler(count, 5, ids()), base_offset) }
}

fn stopped(log_end_offsets: Vec<i64>) -> MirrorTopic {
    mirror("dr", "users", MirrorState::Stopped { stop: StopKind::Failover, log_end_offsets })
}

fn done(partitions: Vec<PartitionFiller>) -> FillerReport {
    FillerReport { state: ReportState::Done, started_ms: 1, finished_ms: Some(2), partitions }
}

#[test]
fn filler_is_counted_between_the_logs_start_and_the_mirrors_end() {
    // Given a log that begins inside a filler batch and a mirror that ended at 130 with a fence
    let mut tally = PartitionFiller::new(15, 130);
    tally.count(&header(&filler(20, 5, ids()), 0));
    assert_eq!((tally.filler_offsets, tally.last_filler_offset), (5, Some(19)));
    tally.count(&real(20, 80));
    // No batch covers the offsets that compaction removed.
    tally.count(&header(&filler(3, 5, ids()), 110));
    assert!(!tally.is_read());
    tally.count(&header(&fence(5, ids()), 129));
    assert!(tally.is_read());
    // A batch beyond the end is not filler of this mirror.
    tally.count(&header(&filler(9, 5, ids()), 130));
    assert_eq!((tally.filler_offsets, tally.filler_batches), (9, 3));
    assert_eq!((tally.last_filler_offset, tally.scanned_to), (Some(129), 130));
}

#[test]
fn a_log_that_begins_behind_the_mirrors_end_needs_no_reading() {
    let tally = PartitionFiller::new(70, 55);
    assert!(tally.is_read());
    assert_eq!((tally.end, tally.filler_offsets), (70, 0));
}

#[test]
fn the_gateway_is_needed_for_as_long_as_there_is_filler() {
    let users = stopped(vec![100, 100, 100]);
    let clean = |log_start| {
        let mut tally = PartitionFiller::new(log_start, 100);
        tally.finish();
        tally
    };
    let mut filled = PartitionFiller::new(0, 100);
    filled.count(&header(&filler(20, 5, ids()), 0));
    let needed = |census: &FillerReport| verdict(&users, Some(census));

    assert_eq!(verdict(&users, None).gateway_needed, None);
    let none = needed(&done(vec![clean(0), clean(100)]));
    assert_eq!(none.gateway_needed, Some(false));
    assert_eq!(none.explanation, "no filler left: consumers may read from the brokers directly");

    let some = needed(&done(vec![clean(0), filled.clone(), filled.clone()]));
    assert_eq!(some.gateway_needed, Some(true));
    assert!(
        some.explanation
            .starts_with("filler up to offset 19 of partition 1 and in 1 more partition; it goes")
    );

    let running = FillerReport { state: ReportState::Running, finished_ms: None, ..done(vec![clean(0)]) };
    assert_eq!(needed(&running).gateway_needed, None);
    let running = FillerReport { partitions: vec![filled], ..running };
    assert_eq!((needed(&running).gateway_needed, running.percent()), (Some(true), 20));
    let failed = FillerReport { state: ReportState::Failed("no leader".into()), ..done(vec![]) };
    let failed = needed(&failed);
    assert_eq!((failed.gateway_needed, failed.explanation.as_str()), (None, "the scan failed: no leader"));

    let live = mirror("dr", "users", MirrorState::Active);
    assert_eq!(verdict(&live, Some(&done(vec![clean(0)]))).gateway_needed, Some(true));
}

#[tokio::test]
async fn only_one_scan_of_a_topic_runs_at_a_time_and_its_failure_is_reported() {
    let nowhere = Cluster::new(Vec::new(), ClientOptions::new(Side::Destination));
    let census = FillerReports::new(nowhere);
    let users = stopped(vec![9, 9]);
    let known = view([link("dr")], [users.clone()]);
    assert_eq!(census.latest(&users), None);

    // Given a scan that waits for its turn
    let turn = census.turn.acquire().await.unwrap();
    let first = census.start(&known, &users);
    assert_eq!(first.state, ReportState::Running);
    let second = census.start(&known, &users);
    assert_eq!((second, census.scans.lock().len()), (first, 1));

    // When it gets its turn and no broker answers, it fails and gives a reason
    drop(turn);
    let ended = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            match census.latest(&users).unwrap() {
                FillerReport { state: ReportState::Running, .. } => {
                    tokio::time::sleep(Duration::from_millis(5)).await
                }
                ended => return ended,
            }
        }
    });
    let ended = ended.await.unwrap();
    assert!(matches!(&ended.state, ReportState::Failed(reason) if !reason.is_empty()), "{ended:?}");
    assert!(ended.finished_ms.is_some());
    assert_eq!(census.done(&users), None);

    // Then another generation of the topic has no result, and a scan of another topic forgets this one
    assert_eq!(census.latest(&MirrorTopic { generation: 7, ..users.clone() }), None);
    let other = mirror("dr", "orders", MirrorState::Active);
    let _ = census.start(&view([link("dr")], [other.clone()]), &other);
    assert_eq!(census.latest(&users), None);
}

#[tokio::test]
async fn a_cancelled_scan_is_shown_as_failed() {
    let nowhere = Cluster::new(Vec::new(), ClientOptions::new(Side::Destination));
    let census = FillerReports::new(nowhere);
    let users = stopped(vec![9, 9]);
    let turn = census.turn.clone().acquire_owned().await.unwrap();
    let _ = census.start(&view([link("dr")], [users.clone()]), &users);
    let mut scans = std::mem::take(&mut *census.scans.lock());
    scans.shutdown().await;
    drop(turn);
    let ended = census.latest(&users).unwrap();
    assert_eq!(ended.state, ReportState::Failed("the scan was interrupted".into()));
}
