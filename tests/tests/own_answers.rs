//! Answers to Linkgate's own requests, by Kafka's own schemas: each version that its client knows is taken whole, and none
//! that is cut short or claims more than there is.

use bytes::Bytes;
use linkgate_tests::kafka::Version;
use linkgate_tests::rpc::{self, Schemas};
use proxy::wire::layout;

/// Key, and the versions that the client may agree upon with a broker of these Kafkas.
const OWN: &[(i16, i16, i16)] = &[
    (0, 9, 13), // Produce
    (1, 4, 17), // Fetch
    (2, 1, 9),  // ListOffsets
    (3, 0, 12), // Metadata
    (8, 2, 9),  // OffsetCommit
    (9, 1, 9),  // OffsetFetch
    (10, 0, 4), // FindCoordinator
    (15, 0, 6), // DescribeGroups
    (16, 0, 5), // ListGroups
    (17, 1, 1), // SaslHandshake
    (18, 0, 3), // ApiVersions
    (19, 2, 7), // CreateTopics
    (20, 1, 6), // DeleteTopics
    (21, 0, 2), // DeleteRecords
    (23, 2, 4), // OffsetForLeaderEpoch
    (32, 1, 4), // DescribeConfigs
    (36, 0, 2), // SaslAuthenticate
    (37, 0, 3), // CreatePartitions
    (44, 0, 1), // IncrementalAlterConfigs
    (60, 0, 0), // DescribeCluster
    (61, 0, 0), // DescribeProducers
    (69, 0, 1), // ConsumerGroupDescribe
];

#[test]
fn every_answer_is_taken_as_it_is_and_not_otherwise() {
    let schemas = [Schemas::of(Version::V4_3_1), Schemas::of(Version::V3_9_1)];
    let mut rng = fastrand::Rng::with_seed(2026);
    let (mut taken, mut refused) = (0, 0);
    for (key, from, to) in OWN.iter().copied() {
        for version in from..=to {
            let knows = |all: &&Schemas| {
                all.responses.get(&key).is_some_and(|schema| schema.versions.contains(&version))
            };
            let Some(all) = schemas.iter().find(knows) else { panic!("{key} v{version} is of no Kafka") };
            let schema = &all.responses[&key];
            for _ in 0..20 {
                let json = rpc::generate(&schema.fields, version, &mut rng, &|_, _, _| None);
                let frame = rpc::response(schema, version, 7, &json);
                let flexible = schema.is_flexible(version);
                let body = 4 + usize::from(flexible && key != 18);
                let check = |frame: &Bytes| layout::check(key, frame, body, version, flexible);
                check(&frame).unwrap_or_else(|error| panic!("{key} v{version}: {error} in {json}"));
                taken += 1;
                for cut in (body..frame.len()).step_by(1 + frame.len() / 20) {
                    assert!(check(&frame.slice(..cut)).is_err(), "{key} v{version} cut at {cut} of {json}");
                    refused += 1;
                }
                let longer = Bytes::from([&frame[..], &[0]].concat());
                assert!(check(&longer).is_err(), "{key} v{version} with a byte behind its end");
            }
        }
    }
    println!("{taken} answers taken, {refused} refused");
}
