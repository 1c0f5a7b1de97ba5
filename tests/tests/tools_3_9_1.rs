//! Kafka's own tools, kcat and the Python clients through the gateway, on brokers of 3.9.1.

mod tools;

use linkgate_tests::kafka::Version;

#[test]
fn every_tool_works_on_ordinary_topics() {
    tools::ordinary_topics(Version::V3_9_1);
}

#[test]
fn every_client_reads_a_mirror_topic_and_is_refused_writes() {
    tools::mirror_topics(Version::V3_9_1);
}
