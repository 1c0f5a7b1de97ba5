//! The `--list` and `--describe` layouts of `kafka-cluster-links` and `kafka-mirrors`. No I/O.
//!
//! Every token of a line is Confluent's, except a `Reason:` token at the end. That one is Linkgate's own; it
//! appears only if there is a reason.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::rest::{LinkConfigData, LinkData, MirrorData, MirrorPartition};

/// Kafka's text for the zero topic id, which means "no id".
const ZERO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
/// Text shown instead of the value of a sensitive config.
const HIDDEN: &str = "[hidden]";

/// Formats one line of `kafka-cluster-links --list`. Uses `local_cluster_id` if the server's answer does not
/// name it.
#[must_use]
pub fn link_line(link: &LinkData, local_cluster_id: &str, include_topics: bool) -> String {
    let available = match &link.linkgate {
        Some(extension) => extension.remote_cluster_available,
        None => link.link_state == "ACTIVE",
    };
    let mut line = format!(
        "{}, remote cluster available: '{available}', link state: '{}'",
        identity(link, local_cluster_id),
        link.link_state
    );
    if include_topics {
        line.push_str(&topics(link));
    }
    line
}

/// Formats the two lines of `kafka-cluster-links --describe`. `host` is the host that runs the link.
#[must_use]
pub fn link_description(
    link: &LinkData,
    configs: &[LinkConfigData],
    local_cluster_id: &str,
    host: &str,
) -> String {
    let (mode, connection) = match &link.linkgate {
        Some(extension) => (extension.link_mode.as_str(), extension.connection_mode.as_str()),
        None => ("DESTINATION", "OUTBOUND"),
    };
    let configs: Vec<String> = configs.iter().filter(|config| !config.is_default).map(config_token).collect();
    format!(
        "{}, link mode: '{mode}', connection mode: '{connection}', link state: '{}', link coordinator id: '0', \
         link coordinator host: '{host}'{}\nConfigs: {}",
        identity(link, local_cluster_id),
        link.link_state,
        topics(link),
        configs.join(",")
    )
}

fn identity(link: &LinkData, local_cluster_id: &str) -> String {
    let remote = [&link.source_cluster_id, &link.remote_cluster_id, &link.destination_cluster_id]
        .into_iter()
        .flatten()
        .next()
        .map_or("", String::as_str);
    let local = link.linkgate.as_ref().map_or(local_cluster_id, |extension| &extension.local_cluster_id);
    format!(
        "Link name: '{}', link ID: '{}', remote cluster ID: '{remote}', local cluster ID: '{local}'",
        link.link_name, link.cluster_link_id
    )
}

fn topics(link: &LinkData) -> String {
    format!(", topics: [{}]", link.topic_names.join(", "))
}

fn config_token(config: &LinkConfigData) -> String {
    let value = if config.is_sensitive { HIDDEN } else { config.value.as_str() };
    format!("{}={value}", config.name)
}

/// Formats the lines of `kafka-mirrors --describe` for one mirror topic.
#[must_use]
pub fn mirror_description(mirror: &MirrorData, zone: &TimeZone) -> String {
    let extension = mirror.linkgate.as_ref();
    let mut text = format!(
        "Topic: {}\tLinkName: {}\tLinkId: {}\tSourceTopic: {}\tState: {}\tSourceTopicId: {}\t\
         StoppedSequenceNumber: {}\tStateTime: {}",
        mirror.mirror_topic_name,
        mirror.link_name,
        extension.map_or(ZERO_ID, |ext| &ext.link_id),
        mirror.source_topic_name,
        mirror.mirror_status,
        extension.map_or(ZERO_ID, |ext| &ext.source_topic_id),
        extension.map_or(0, |ext| ext.stopped_sequence_number),
        state_time(mirror.state_time_ms, zone),
    );
    push_reason(&mut text, extension.map_or("", |ext| &ext.reason));
    match extension {
        Some(ext) => ext.partitions.iter().for_each(|partition| push_partition(&mut text, partition)),
        // The answer of a server without Linkgate's extension.
        None => mirror.mirror_lags.iter().for_each(|lag| {
            text.push_str(&format!(
                "\n\tPartition: {}\tState: {}\tLag: {}",
                lag.partition, mirror.mirror_status, lag.lag
            ));
        }),
    }
    text
}

fn push_partition(text: &mut String, partition: &MirrorPartition) {
    text.push_str(&format!(
        "\n\tPartition: {}\tState: {}\tLocalLogEndOffset: {}\tLastFetchSourceHighWatermark: {}\tLag: {}\t\
         TimeSinceLastFetchMs: {}",
        partition.partition,
        partition.state,
        partition.local_log_end_offset,
        partition.last_fetch_source_high_watermark,
        partition.lag,
        partition.time_since_last_fetch_ms,
    ));
    push_reason(text, &partition.reason);
}

/// Appends the reason on one line, without line breaks: tools read this layout line by line.
fn push_reason(text: &mut String, reason: &str) {
    if !reason.is_empty() {
        text.push_str("\tReason: ");
        text.push_str(&reason.split_whitespace().collect::<Vec<_>>().join(" "));
    }
}

/// Formats a time (epoch milliseconds) as `yyyy-MM-dd HH:mm:ss` in `zone`.
#[must_use]
pub fn state_time(ms: i64, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(at) => at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => ms.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(linkgate: serde_json::Value) -> MirrorData {
        serde_json::from_value(serde_json::json!({
            "kind": "KafkaMirrorData", "metadata": {"self": ""}, "link_name": "manual-link",
            "mirror_topic_name": "test-topic", "source_topic_name": "test-topic", "num_partitions": 1,
            "mirror_lags": [{"partition": 0, "lag": 7, "last_source_fetch_offset": 3}],
            "mirror_status": "ACTIVE", "mirror_topic_error": "NO_ERROR", "state_time_ms": 1_742_984_512_000_i64,
            "linkgate": linkgate,
        }))
        .unwrap()
    }

    #[test]
    fn a_mirror_topic_is_described_in_the_2025_layout() {
        let mirror = mirror(serde_json::json!({
            "link_id": "QHWuJ5rzQl-bAW_HxGErTg", "source_topic_id": "AAAAAAAAAAAAAAAAAAAAAA",
            "local_topic_id": "AAAAAAAAAAAAAAAAAAAAAA", "stopped_sequence_number": 0, "reason": "",
            "partitions": [
                {"partition": 0, "state": "ACTIVE", "local_log_end_offset": 1_044_475,
                 "last_fetch_source_high_watermark": 1_044_475, "lag": 0, "time_since_last_fetch_ms": 866},
                {"partition": 1, "state": "ACTIVE", "local_log_end_offset": 206,
                 "last_fetch_source_high_watermark": -1, "lag": -207, "time_since_last_fetch_ms": 5,
                 "reason": "held up\n by x"},
            ],
        }));
        assert_eq!(
            mirror_description(&mirror, &TimeZone::UTC),
            "Topic: test-topic\tLinkName: manual-link\tLinkId: QHWuJ5rzQl-bAW_HxGErTg\tSourceTopic: test-topic\t\
             State: ACTIVE\tSourceTopicId: AAAAAAAAAAAAAAAAAAAAAA\tStoppedSequenceNumber: 0\t\
             StateTime: 2025-03-26 10:21:52\n\
             \tPartition: 0\tState: ACTIVE\tLocalLogEndOffset: 1044475\tLastFetchSourceHighWatermark: 1044475\t\
             Lag: 0\tTimeSinceLastFetchMs: 866\n\
             \tPartition: 1\tState: ACTIVE\tLocalLogEndOffset: 206\tLastFetchSourceHighWatermark: -1\t\
             Lag: -207\tTimeSinceLastFetchMs: 5\tReason: held up by x"
        );
    }

    #[test]
    fn lags_are_shown_without_linkgates_extension() {
        let text = mirror_description(&mirror(serde_json::Value::Null), &TimeZone::UTC);
        assert!(text.ends_with("\n\tPartition: 0\tState: ACTIVE\tLag: 7"), "{text}");
    }

    #[test]
    fn times_out_of_range_do_not_fail() {
        assert_eq!(state_time(i64::MAX, &TimeZone::UTC), i64::MAX.to_string());
    }
}
