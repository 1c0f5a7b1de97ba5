use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{
    ApiKey, FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse,
    OffsetForLeaderEpochResponse, TopicName,
};
use kafka_protocol::protocol::{Decodable, StrBytes};

use crate::client::test_support::{Scripted, ScriptedRequest, encoded};
use crate::mirror::replication::partition::test_support::recovered_at;
use crate::mirror::replication::partition::{NoFetch, Phase};
use crate::mirror::replication::truncation_check::*;
use crate::wire::records::batch::testing::{batch, header, records};
use crate::wire::records::batch::{BatchHeader, CONTROL};
use crate::wire::records::rewrite_header::WriterIds;

fn at(base_offset: i64, count: i32, shift: i64) -> RawBatch {
    let header = header(base_offset, count);
    batch(BatchHeader { base_timestamp: header.base_timestamp + shift, ..header }, &records(count))
}

fn filler_at(base_offset: i64, count: u32) -> RawBatch {
    let ids = WriterIds { producer_id: 1 << 62, producer_epoch: 0, base_sequence: 0 };
    let mut bytes = BytesMut::from(&crate::wire::records::filler::filler(count, 5, ids)[..]);
    // The checksum does not cover the base offset
    bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
    RawBatch::parse(&bytes.freeze()).unwrap()
}

fn record(batch: &RawBatch, offset: i64) -> RecordContent {
    last_record(batch, offset, MAX_DECOMPRESSED).unwrap().unwrap().1
}

#[test]
fn equal_records_match_in_different_batches() {
    assert_eq!(judge(&record(&at(4, 3, 0), 6), &at(5, 2, 0), 6), TruncationVerdict::Same(6, 7));
}

#[test]
fn a_different_record_or_a_marker_does_not_match() {
    let ours = record(&at(4, 3, 0), 6);
    assert_eq!(judge(&ours, &at(5, 2, 1), 6), TruncationVerdict::Other(6));
    let marker = batch(BatchHeader { attributes: CONTROL, ..header(6, 1) }, &records(1));
    assert_eq!(judge(&ours, &marker, 6), TruncationVerdict::Other(6));
}

#[test]
fn a_source_without_the_record_decides_nothing() {
    let ours = record(&at(4, 3, 0), 6);
    assert_eq!(judge(&ours, &at(9, 1, 0), 6), TruncationVerdict::Unknown);
    assert_eq!(judge(&ours, &filler_at(5, 4), 6), TruncationVerdict::Unknown);
}

/// Log of one partition, as a scripted broker serves it.
#[derive(Clone)]
struct Log {
    batches: Vec<RawBatch>,
    start: i64,
    high_watermark: i64,
    end: i64,
}

impl Log {
    fn of(batches: Vec<RawBatch>) -> Log {
        let end = batches.last().map_or(0, |batch| batch.header.next_offset());
        Log { batches, start: 0, high_watermark: end, end }
    }

    fn answer(&self, asked: &ScriptedRequest) -> Option<Bytes> {
        let mut body = asked.body.clone();
        let body = match asked.api {
            ApiKey::Fetch => {
                let request = FetchRequest::decode(&mut body, asked.version).unwrap();
                let offset = request.topics[0].partitions[0].fetch_offset;
                let mut found = PartitionData::default().with_partition_index(0);
                if offset < self.start || offset > self.end {
                    found.error_code = ErrorCode::OFFSET_OUT_OF_RANGE.0;
                } else if offset < self.high_watermark {
                    let from = self.batches.iter().filter(|batch| batch.header.last_offset() >= offset);
                    found.records =
                        Some(from.map(|batch| batch.bytes.to_vec()).collect::<Vec<_>>().concat().into());
                }
                let topic = FetchableTopicResponse::default().with_topic(name()).with_partitions(vec![found]);
                encoded(&FetchResponse::default().with_responses(vec![topic]), asked.version)
            }
            ApiKey::OffsetForLeaderEpoch => {
                let end = EpochEndOffset::default().with_leader_epoch(7).with_end_offset(self.end);
                let topic =
                    OffsetForLeaderTopicResult::default().with_topic(name()).with_partitions(vec![end]);
                encoded(&OffsetForLeaderEpochResponse::default().with_topics(vec![topic]), asked.version)
            }
            ApiKey::ListOffsets => {
                let request = ListOffsetsRequest::decode(&mut body, asked.version).unwrap();
                let earliest = request.topics[0].partitions[0].timestamp == -2;
                let offset = if earliest { self.start } else { self.high_watermark };
                let found = ListOffsetsPartitionResponse::default().with_offset(offset);
                let topic =
                    ListOffsetsTopicResponse::default().with_name(name()).with_partitions(vec![found]);
                encoded(&ListOffsetsResponse::default().with_topics(vec![topic]), asked.version)
            }
            other => panic!("{other:?} is not answered"),
        };
        Some(body)
    }
}

fn name() -> TopicName {
    TopicName(StrBytes::from_static_str("t"))
}

/// Returns a partition of topic `t` whose mirror ends at `next`, after one comparison of these two logs.
async fn checked(mirror: Log, source: Log, next: i64) -> Arc<Partition> {
    let here = Scripted::start(1, move |asked| mirror.answer(asked)).await;
    let there = Scripted::start(1, move |asked| source.answer(asked)).await;
    let partition = recovered_at("t", next);
    assert_eq!(partition.begin_truncation_check(tokio::time::Instant::now()), Some(next));
    check(&there.cluster, &here.cluster, "dr", &partition, next).await;
    partition
}

fn failed(partition: &Partition) -> String {
    match partition.phase() {
        Phase::Failed(failure) => failure.reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_mirror_that_matches_goes_on_with_the_epoch_of_its_last_record() {
    let log = Log::of(vec![at(0, 5, 0), at(5, 5, 0)]);
    let partition = checked(log.clone(), log, 10).await;
    assert_eq!(partition.fetch_plan().map(|plan| (plan.offset, plan.last_fetched_epoch)), Ok((10, 7)));
}

#[tokio::test]
async fn a_source_whose_high_watermark_is_behind_the_mirror_is_asked_again() {
    let mirror = Log::of(vec![at(0, 5, 0), at(5, 5, 0)]);
    // A new leader has all records, but its high watermark is behind
    let source = Log { high_watermark: 5, ..Log::of(vec![at(0, 5, 0), at(5, 5, 9), at(10, 5, 9)]) };
    let partition = checked(mirror, source, 10).await;
    assert_eq!(partition.phase(), Phase::Running);
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning), "nothing is settled");
    let later = tokio::time::Instant::now() + Duration::from_secs(5);
    assert_eq!(partition.begin_truncation_check(later), Some(10));
}

#[tokio::test]
async fn a_source_that_ends_before_the_mirror_counts_as_truncated() {
    let mirror = Log::of(vec![at(0, 5, 0), at(5, 5, 0)]);
    for source in [Log::of(vec![at(0, 5, 0)]), Log::of(vec![at(0, 5, 0), at(5, 4, 0)])] {
        let reason = failed(&*checked(mirror.clone(), source, 10).await);
        assert!(reason.contains("the source was truncated"), "{reason}");
    }
}

#[tokio::test]
async fn a_record_that_the_source_no_longer_has_settles_the_check_without_an_epoch() {
    let mirror = Log::of(vec![at(0, 5, 0), at(5, 5, 0)]);
    let source = Log { start: 10, ..Log::of(vec![at(10, 5, 0)]) };
    let partition = checked(mirror, source, 10).await;
    assert_eq!(partition.fetch_plan().map(|plan| plan.last_fetched_epoch), Ok(-1));
}

#[tokio::test]
async fn a_mirror_that_ends_in_filler_is_compared_at_the_record_before_it() {
    let mirror = Log::of(vec![at(0, 5, 0), filler_at(5, 3), filler_at(8, 2)]);
    let marker = |offset| batch(BatchHeader { attributes: CONTROL, ..header(offset, 1) }, &records(1));
    let source =
        |shift| Log::of(vec![at(0, 5, shift), marker(5), marker(6), marker(7), marker(8), marker(9)]);
    let reason = failed(&*checked(mirror.clone(), source(1), 10).await);
    assert!(reason.contains("a different record at offset 4"), "{reason}");
    let partition = checked(mirror, source(0), 10).await;
    // The epoch of filler is not known
    assert_eq!(partition.fetch_plan().map(|plan| plan.last_fetched_epoch), Ok(-1));
}

#[tokio::test]
async fn a_long_end_of_filler_settles_the_check_without_an_epoch() {
    let filler = (0..LOOK_BACK as i64 + 1).map(|offset| filler_at(offset, 1)).collect();
    let next = LOOK_BACK as i64 + 1;
    let partition = checked(Log::of(filler), Log::of(vec![at(0, 40, 0)]), next).await;
    assert_eq!(partition.fetch_plan().map(|plan| plan.last_fetched_epoch), Ok(-1));
}

#[tokio::test]
async fn a_comparison_of_an_earlier_attempt_is_ignored() {
    let mirror = Log::of(vec![at(0, 5, 0)]);
    let source = Log::of(vec![at(0, 5, 9)]);
    let here = Scripted::start(1, move |asked| mirror.answer(asked)).await;
    let partition = recovered_at("t", 5);
    // The attempt ends while the source is being asked
    let late = Arc::clone(&partition);
    let there = Scripted::start(1, move |asked| {
        late.restart("the destination leader moved", None);
        source.answer(asked)
    })
    .await;
    let _ = partition.begin_truncation_check(tokio::time::Instant::now());
    check(&there.cluster, &here.cluster, "dr", &partition, 5).await;
    assert_eq!(partition.phase(), Phase::Recovering);
}
