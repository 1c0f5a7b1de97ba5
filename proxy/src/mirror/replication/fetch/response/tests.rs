use std::sync::atomic::{AtomicUsize, Ordering};

use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::fetch_response::EpochEndOffset as Diverging;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{
    ApiKey, DescribeConfigsResponse, ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochResponse,
    TopicName,
};
use kafka_protocol::protocol::{Decodable, StrBytes};

use crate::client::test_support::{Scripted, ScriptedRequest, encoded};
use crate::mirror::replication::fetch::response::*;
use crate::mirror::replication::partition::test_support::recovered_at;
use crate::mirror::replication::partition::{NoFetch, Phase};
use crate::wire::records::batch::testing::{batch, header, records};

const OPTIONS: FetchOptions = FetchOptions {
    max_bytes: 1 << 20,
    response_max_bytes: 1 << 20,
    min_bytes: 1,
    wait_max_ms: 500,
    timeout: Duration::from_secs(5),
    backoff: Duration::from_millis(10),
    retry_timeout: None,
    connections: 1,
};

fn name() -> TopicName {
    TopicName(StrBytes::from_static_str("t"))
}

/// Answers like a broker whose topic `t` has this `cleanup.policy` and a log from offset 0 to `end`.
fn answer(asked: &ScriptedRequest, policy: &str, end: i64) -> Option<Bytes> {
    let mut body = asked.body.clone();
    let body = match asked.api {
        ApiKey::DescribeConfigs => {
            let config = DescribeConfigsResourceResult::default()
                .with_name(StrBytes::from_static_str("cleanup.policy"))
                .with_value(Some(StrBytes::from_string(policy.to_owned())))
                .with_config_source(1);
            let topic = DescribeConfigsResult::default()
                .with_resource_type(2)
                .with_resource_name(name().0)
                .with_configs(vec![config]);
            encoded(&DescribeConfigsResponse::default().with_results(vec![topic]), asked.version)
        }
        ApiKey::ListOffsets => {
            let request = ListOffsetsRequest::decode(&mut body, asked.version).unwrap();
            let earliest = request.topics[0].partitions[0].timestamp == -2;
            let found = ListOffsetsPartitionResponse::default().with_offset(if earliest { 0 } else { end });
            let topic = ListOffsetsTopicResponse::default().with_name(name()).with_partitions(vec![found]);
            encoded(&ListOffsetsResponse::default().with_topics(vec![topic]), asked.version)
        }
        ApiKey::OffsetForLeaderEpoch => {
            let end = EpochEndOffset::default().with_leader_epoch(7).with_end_offset(end);
            let topic = OffsetForLeaderTopicResult::default().with_topic(name()).with_partitions(vec![end]);
            encoded(&OffsetForLeaderEpochResponse::default().with_topics(vec![topic]), asked.version)
        }
        other => panic!("{other:?} is not answered"),
    };
    Some(body)
}

/// Starts a cluster whose topic has this policy and log end.
async fn cluster(policy: &'static str, end: i64) -> Scripted {
    Scripted::start(1, move |asked| answer(asked, policy, end)).await
}

/// Handles one answer of the source for the partition.
async fn take(source: &Scripted, destination: &Scripted, partition: &Arc<Partition>, data: PartitionData) {
    let (source, destination) = (&source.cluster, &destination.cluster);
    let fetched =
        FetchResponseHandler { link: "dr", source, destination, options: &OPTIONS, on_records: None };
    let plan = partition.fetch_plan().unwrap();
    match ErrorCode(data.error_code) {
        ErrorCode::OFFSET_OUT_OF_RANGE => {
            out_of_range::settle("dr", source, partition, plan, OPTIONS.backoff).await;
        }
        _ => fetched.data(partition, plan, data).await,
    }
}

/// Creates an empty partition that leaves out records without a key below offset 100.
fn leaving_out() -> Arc<Partition> {
    let partition = recovered_at("t", 0);
    partition.drop_unkeyed_below(100);
    let next = crate::mirror::replication::partition::AppendPosition { next: 0, producer_known: true };
    partition.recovered(partition.attempt(), next);
    partition
}

/// Returns two records with a key and one without.
fn unkeyed() -> PartitionData {
    let mut payload = records(2);
    payload.extend_from_slice(&[12, 0, 0, 4, 1, 0, 0]);
    PartitionData::default().with_high_watermark(3).with_records(Some(batch(header(0, 3), &payload).bytes))
}

#[tokio::test]
async fn records_without_a_key_are_left_out_while_both_topics_are_compacted() {
    let (source, destination) = (cluster("compact", 3).await, cluster("compact,delete", 3).await);
    let partition = leaving_out();
    take(&source, &destination, &partition, unkeyed()).await;
    assert_eq!(partition.fetch_plan().map(|plan| plan.offset), Ok(3));
    assert_eq!(partition.progress.get().unkeyed_records, 1);
}

#[tokio::test]
async fn records_without_a_key_are_kept_once_one_of_the_topics_is_not_compacted() {
    for (there, here) in [("delete", "compact"), ("compact", "delete"), ("delete", "delete")] {
        let (source, destination) = (cluster(there, 3).await, cluster(here, 3).await);
        let partition = leaving_out();
        take(&source, &destination, &partition, unkeyed()).await;
        // Nothing is queued: the records are fetched again, and sent as they are
        assert_eq!(partition.fetch_plan().map(|plan| plan.offset), Ok(0), "{there} {here}");
        assert_eq!((partition.drops_unkeyed_below(), partition.progress.get().unkeyed_records), (0, 0));
        take(&source, &destination, &partition, unkeyed()).await;
        assert_eq!(partition.fetch_plan().map(|plan| plan.offset), Ok(3), "{there} {here}");
    }
}

#[tokio::test]
async fn a_record_that_came_after_the_topic_was_found_compacted_is_not_left_out() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let compact = Scripted::start(1, move |asked| {
        let _ = count.fetch_add(1, Ordering::Relaxed);
        answer(asked, "compact", 3)
    })
    .await;
    let partition = leaving_out();
    partition.drop_unkeyed_below(2);
    let next = crate::mirror::replication::partition::AppendPosition { next: 0, producer_known: true };
    partition.recovered(partition.attempt(), next);
    take(&compact, &compact, &partition, unkeyed()).await;
    assert_eq!(partition.fetch_plan().map(|plan| plan.offset), Ok(3));
    assert_eq!((partition.progress.get().unkeyed_records, asked.load(Ordering::Relaxed)), (0, 0));
}

#[tokio::test]
async fn an_epoch_that_the_source_does_not_know_causes_a_comparison_first() {
    let (source, destination) = (cluster("delete", 50).await, cluster("delete", 10).await);
    let partition = recovered_at("t", 10);
    partition.truncation_checked(partition.attempt(), 4);
    assert_eq!(partition.fetch_plan().map(|plan| plan.last_fetched_epoch), Ok(4));
    // A source that was restored from an older copy has grown beyond the end of the mirror
    let refused = PartitionData::default().with_error_code(ErrorCode::OFFSET_OUT_OF_RANGE.0);
    take(&source, &destination, &partition, refused).await;
    assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
    assert_eq!(partition.begin_truncation_check(tokio::time::Instant::now()), Some(10));
}

/// Messages of v0 and v1 have no leader epochs: a log with such messages is not taken for a truncated one.
#[tokio::test]
async fn a_source_without_leader_epochs_is_not_taken_for_truncated() {
    let (source, destination) = (cluster("delete", -1).await, cluster("delete", 10).await);
    let partition = recovered_at("t", 10);
    partition.truncation_checked(partition.attempt(), 4);
    let refused = PartitionData::default().with_error_code(ErrorCode::OFFSET_OUT_OF_RANGE.0);
    take(&source, &destination, &partition, refused).await;
    assert_eq!(partition.begin_truncation_check(tokio::time::Instant::now()), Some(10));
}

#[tokio::test]
async fn a_source_that_ends_below_queued_records_does_not_fail_the_partition() {
    let (source, destination) = (cluster("delete", 2).await, cluster("delete", 0).await);
    let partition = recovered_at("t", 0);
    let data = PartitionData::default().with_records(Some(batch(header(0, 3), &records(3)).bytes));
    take(&source, &destination, &partition, data).await;
    let refused = PartitionData::default().with_error_code(ErrorCode::OFFSET_OUT_OF_RANGE.0);
    take(&source, &destination, &partition, refused).await;
    assert_eq!(partition.phase(), Phase::Recovering);
}

#[tokio::test]
async fn a_diverging_epoch_fails_the_partition_only_below_appended_records() {
    let (source, destination) = (cluster("delete", 2).await, cluster("delete", 0).await);
    let diverging = || {
        let epoch = Diverging::default().with_epoch(6).with_end_offset(2);
        PartitionData::default().with_diverging_epoch(epoch)
    };
    let partition = recovered_at("t", 0);
    let data = PartitionData::default().with_records(Some(batch(header(0, 3), &records(3)).bytes));
    take(&source, &destination, &partition, data).await;
    take(&source, &destination, &partition, diverging()).await;
    assert_eq!(partition.phase(), Phase::Recovering);

    let partition = recovered_at("t", 3);
    partition.truncation_checked(partition.attempt(), 7);
    take(&source, &destination, &partition, diverging()).await;
    let Phase::Failed(failure) = partition.phase() else { panic!("goes on") };
    assert!(failure.reason.contains("up to offset 3"), "{}", failure.reason);
}

#[tokio::test(start_paused = true)]
async fn source_errors_fail_the_partition_after_the_configured_time() {
    let partition = recovered_at("t", 0);
    let refused = |patience| {
        partition.source_refused(partition.attempt(), ErrorCode::TOPIC_AUTHORIZATION_FAILED, patience);
    };
    let patience = Some(Duration::from_secs(300));
    refused(patience);
    tokio::time::advance(Duration::from_secs(299)).await;
    refused(patience);
    // After an answer, the time begins again
    partition.source_answers(0);
    refused(patience);
    tokio::time::advance(Duration::from_secs(299)).await;
    refused(patience);
    assert_eq!(partition.phase(), Phase::Running);
    tokio::time::advance(Duration::from_secs(1)).await;
    refused(None);
    assert_eq!(partition.phase(), Phase::Running);
    refused(patience);
    let Phase::Failed(failure) = partition.phase() else { panic!("goes on") };
    assert!(failure.reason.contains("TOPIC_AUTHORIZATION_FAILED"), "{}", failure.reason);
}

#[tokio::test]
async fn a_partition_out_of_range_is_left_out_of_fetches_until_the_source_has_answered() {
    let source = cluster("delete", 50).await;
    let silent = Scripted::start(1, |_| None).await;
    for (source, answers) in [(&source, true), (&silent, false)] {
        let partition = recovered_at("t", 10);
        partition.truncation_checked(partition.attempt(), -1);
        let plan = partition.fetch_plan().unwrap();
        // It does not wait for the answer
        out_of_range::ask("dr".into(), source.cluster.clone(), &partition, plan, OPTIONS.backoff);
        assert_eq!(partition.fetch_plan(), Err(NoFetch::NotRunning));
        let fetched_again = async {
            while partition.fetch_plan().is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let fetched_again = tokio::time::timeout(Duration::from_secs(1), fetched_again).await;
        assert_eq!(fetched_again.is_ok(), answers);
    }
}

#[tokio::test]
async fn an_answer_about_an_earlier_attempt_does_not_shorten_the_pause_of_a_reset() {
    let source = cluster("delete", 50).await;
    let partition = recovered_at("t", 10);
    partition.truncation_checked(partition.attempt(), -1);
    let plan = partition.fetch_plan().unwrap();
    partition.restart("again", Some(Duration::from_secs(60)));
    out_of_range::settle("dr", &source.cluster, &partition, plan, OPTIONS.backoff).await;
    assert_eq!(partition.progress.get().reason, "again");
    assert!(!partition.wants_recovery(tokio::time::Instant::now() + Duration::from_secs(30)));
}
