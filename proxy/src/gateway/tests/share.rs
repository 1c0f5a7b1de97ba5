//! Share consumers of topics with filler.

use bytes::Bytes;
use kafka_protocol::messages::share_fetch_request::{AcknowledgementBatch, FetchPartition, FetchTopic};
use kafka_protocol::messages::share_fetch_response::{
    AcquiredRecords, PartitionData, ShareFetchableTopicResponse,
};
use kafka_protocol::messages::{ApiKey, ShareFetchRequest, ShareFetchResponse};
use uuid::Uuid;

use crate::gateway::response::filler_filter::tests::{filler_at, real_at};
use crate::gateway::tests::fixture::{Fixture, MIRROR_ID, answer, request, response};

const S: ApiKey = ApiKey::ShareFetch;

fn fetched(records: &[Bytes], acquired: &[(i64, i64)], lock_ms: i32) -> ShareFetchResponse {
    let range = |(first, last): &(i64, i64)| {
        AcquiredRecords::default().with_first_offset(*first).with_last_offset(*last).with_delivery_count(1)
    };
    let partition = PartitionData::default()
        .with_partition_index(2)
        .with_records(Some(records.concat().into()))
        .with_acquired_records(acquired.iter().map(range).collect());
    let topic = ShareFetchableTopicResponse::default()
        .with_topic_id(Uuid::from_u128(MIRROR_ID))
        .with_partitions(vec![partition]);
    ShareFetchResponse::default().with_acquisition_lock_timeout_ms(lock_ms).with_responses(vec![topic])
}

fn ask(epoch: i32, acknowledged: &[(i64, i64, i8)]) -> ShareFetchRequest {
    let batch = |(first, last, kind): &(i64, i64, i8)| {
        AcknowledgementBatch::default()
            .with_first_offset(*first)
            .with_last_offset(*last)
            .with_acknowledge_types(vec![*kind])
    };
    let mut request = ShareFetchRequest::default().with_share_session_epoch(epoch);
    if !acknowledged.is_empty() {
        let partition = FetchPartition::default()
            .with_partition_index(2)
            .with_acknowledgement_batches(acknowledged.iter().map(batch).collect());
        let topic =
            FetchTopic::default().with_topic_id(Uuid::from_u128(MIRROR_ID)).with_partitions(vec![partition]);
        request.topics.push(topic);
    }
    request
}

#[tokio::test]
async fn a_run_of_filler_is_acknowledged_by_the_gateway_so_that_the_group_goes_on() {
    let fixture = Fixture::start().await;
    let (mut client, mut broker, _) = fixture.connected(&request(S, 1, 1, &ask(0, &[]))).await;
    let filler_only = fetched(&[filler_at(0, 1_000)], &[(0, 999)], 30_000);
    broker.send(&response(S, 1, 1, &filler_only)).await;
    let read: ShareFetchResponse = answer(client.receive().await, S, 1, 1);
    assert_eq!(read, fetched(&[], &[], 30_000));

    // The next request carries the gap, although the client does not know of it.
    client.send(&request(S, 1, 2, &ask(1, &[]))).await;
    assert_eq!(broker.receive().await, request(S, 1, 2, &ask(1, &[(0, 999, 0)])));
    let mixed =
        fetched(&[filler_at(1_000, 5), real_at(1_005, 5), filler_at(1_010, 10)], &[(1_000, 1_019)], 30_000);
    broker.send(&response(S, 1, 2, &mixed)).await;
    let read: ShareFetchResponse = answer(client.receive().await, S, 1, 2);
    assert_eq!(read, fetched(&[real_at(1_005, 5)], &[(1_005, 1_009)], 30_000));

    client.send(&request(S, 1, 3, &ask(2, &[(1_005, 1_009, 1)]))).await;
    let acknowledged = ask(2, &[(1_000, 1_004, 0), (1_005, 1_009, 1), (1_010, 1_019, 0)]);
    assert_eq!(broker.receive().await, request(S, 1, 3, &acknowledged));
    fixture.stop().await;
}

#[tokio::test]
async fn gaps_of_an_ended_session_or_an_ended_lock_are_not_acknowledged() {
    let fixture = Fixture::start().await;
    let (mut client, mut broker, _) = fixture.connected(&request(S, 1, 1, &ask(0, &[]))).await;
    for (id, epoch, lock_ms) in [(1, 0, 30_000), (2, 1, 0)] {
        broker.send(&response(S, 1, id, &fetched(&[filler_at(0, 9)], &[(0, 8)], lock_ms))).await;
        let _ = client.receive().await;
        let next = request(S, 1, id + 1, &ask(epoch, &[]));
        client.send(&next).await;
        assert_eq!(broker.receive().await, next);
    }
    fixture.stop().await;
}
