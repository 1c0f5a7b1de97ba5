//! Filler is hidden from consumers.

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{ApiKey, FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::wire::records::filler::control_run;
use crate::wire::records::walk::walk;

use crate::gateway::frame::streaming::PIECE;
use crate::gateway::response::filler_filter::tests::{filler_at, real_at};
use crate::gateway::tests::fixture::{Fixture, MIRROR_ID, answer, request, response};

const F: ApiKey = ApiKey::Fetch;

/// Builds a response with these records in the partitions of each topic. `mirror` is the mirror topic.
pub(crate) fn fetched(version: i16, topics: &[(&str, Vec<Bytes>)]) -> FetchResponse {
    let topic = |(name, partitions): &(&str, Vec<Bytes>)| {
        let mut topic = FetchableTopicResponse::default();
        if version >= 13 {
            topic.topic_id = Uuid::from_u128(if *name == "mirror" { MIRROR_ID } else { 99 });
        } else {
            topic.topic = TopicName(StrBytes::from(name.to_string()));
        }
        let partition = |(index, records): (usize, &Bytes)| {
            PartitionData::default().with_partition_index(index as i32).with_records(Some(records.clone()))
        };
        topic.with_partitions(partitions.iter().enumerate().map(partition).collect())
    };
    FetchResponse::default().with_responses(topics.iter().map(topic).collect())
}

pub(crate) fn joined(batches: &[Bytes]) -> Bytes {
    batches.concat().into()
}

#[tokio::test]
async fn filler_of_mirror_topics_is_hidden_in_every_version_and_other_topics_stay() {
    let fixture = Fixture::start().await;
    for version in 4..=18 {
        let ends_in_filler = joined(&[real_at(0, 2), filler_at(2, 5), filler_at(7, 3)]);
        let begins_with_filler = joined(&[filler_at(0, 5), real_at(5, 2)]);
        let foreign = joined(&[filler_at(0, 5)]);
        let sent = fetched(
            version,
            &[
                ("plain", vec![foreign.clone()]),
                ("mirror", vec![ends_in_filler, real_at(0, 1), begins_with_filler]),
            ],
        );
        let ask = request(F, version, 6, &FetchRequest::default());
        let (mut client, mut broker, _) = fixture.connected(&ask).await;
        broker.send(&response(F, version, 6, &sent)).await;
        let read: FetchResponse = answer(client.receive().await, F, version, 6);
        let hidden = vec![joined(&[real_at(0, 2), control_run(2, 8, 4)]), real_at(0, 1), real_at(5, 2)];
        assert_eq!(read, fetched(version, &[("plain", vec![foreign]), ("mirror", hidden)]), "v{version}");
    }
    assert_eq!(fixture.metrics.hidden_of("mirror"), 3 * 15);
    fixture.stop().await;
}

/// Given a response too large to be held, with filler near its end, then the filler is hidden too.
#[tokio::test]
async fn filler_is_hidden_in_large_answers() {
    let fixture = Fixture::start().await;
    let large = Bytes::from(vec![7; 2 * PIECE]);
    let with_filler = joined(&[real_at(0, 2), filler_at(2, 5), filler_at(7, 3)]);
    let sent = fetched(17, &[("plain", vec![large.clone()]), ("mirror", vec![with_filler.clone()])]);
    let ask = request(F, 17, 6, &FetchRequest::default());
    let (mut client, mut broker, _) = fixture.connected(&ask).await;
    broker.send(&response(F, 17, 6, &sent)).await;
    let read: FetchResponse = answer(client.receive().await, F, 17, 6);
    let records = |topic: usize| read.responses[topic].partitions[0].records.clone().unwrap();
    assert_eq!(records(0), large);
    assert_eq!(records(1).len(), with_filler.len(), "its length was told before");
    let batches: Vec<_> = walk(&records(1)).map(|batch| batch.unwrap().bytes).collect();
    assert_eq!(batches, [real_at(0, 2), control_run(2, 8, 4)]);
    assert_eq!(fixture.metrics.hidden_of("mirror"), 2);
    fixture.stop().await;
}

#[tokio::test]
async fn answers_without_filler_pass_byte_for_byte() {
    let fixture = Fixture::start().await;
    for version in [4, 12, 17] {
        let mut cut = real_at(2, 9).to_vec();
        cut.truncate(30);
        let sent = fetched(version, &[("mirror", vec![joined(&[real_at(0, 2), cut.into()]), Bytes::new()])]);
        let sent = response(F, version, 6, &sent);
        let ask = request(F, version, 6, &FetchRequest::default());
        let (mut client, mut broker, _) = fixture.connected(&ask).await;
        broker.send(&sent).await;
        assert_eq!(client.receive().await, sent);
    }
    fixture.stop().await;
}
