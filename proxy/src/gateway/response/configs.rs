//! Rewrites DescribeConfigs responses: hides configs that hold addresses of a broker or of its controllers,
//! as Kafka hides passwords.

use bytes::Bytes;
use kafka_protocol::messages::DescribeConfigsResponse;

use crate::wire::protocol::versions::Api;

use crate::gateway::error::ResponseError;
use crate::gateway::response::recode;

/// Resource type of a broker (`ConfigResource.Type`).
const BROKER: i8 = 4;

/// Returns the broker's response without addresses.
pub(crate) fn without_addresses(frame: &Bytes, api: &Api, version: i16) -> Result<Vec<Bytes>, ResponseError> {
    recode::<DescribeConfigsResponse>(frame, api, version, |response| {
        let brokers = response.results.iter_mut().filter(|result| result.resource_type == BROKER);
        for config in brokers.flat_map(|broker| &mut broker.configs).filter(|c| holds_addresses(&c.name)) {
            config.value = None;
            config.is_sensitive = true;
            for synonym in &mut config.synonyms {
                synonym.value = None;
            }
        }
    })
}

/// Returns true if a config of a broker holds addresses (`SocketServerConfigs`, `QuorumConfig`, ZooKeeper).
/// Clients within a broker, such as those of tiered storage, have configs with a prefix.
fn holds_addresses(config: &str) -> bool {
    matches!(config, "listeners" | "advertised.listeners" | "controller.quorum.voters" | "zookeeper.connect")
        || config.ends_with("bootstrap.servers")
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::messages::describe_configs_response::{
        DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
    };
    use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

    use super::*;
    use crate::wire::protocol::versions;

    const SECRET: &str = "PLAINTEXT://kafka-1.internal:9092";

    fn config(name: &'static str) -> DescribeConfigsResourceResult {
        let value = Some(StrBytes::from_static_str(SECRET));
        let synonym = DescribeConfigsSynonym::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(value.clone())
            .with_source(4);
        DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(value)
            .with_synonyms(vec![synonym])
    }

    #[test]
    fn configs_with_broker_addresses_are_hidden_and_others_are_shown() {
        let hidden = [
            "listeners",
            "advertised.listeners",
            "controller.quorum.voters",
            "controller.quorum.bootstrap.servers",
            "zookeeper.connect",
            "rlmm.config.remote.log.metadata.common.client.bootstrap.servers",
        ];
        let shown = ["listener.security.protocol.map", "log.dirs", "controller.quorum.election.timeout.ms"];
        let result = |resource_type| {
            DescribeConfigsResult::default()
                .with_resource_type(resource_type)
                .with_configs(hidden.iter().chain(&shown).map(|name| config(name)).collect())
        };
        // A topic may have any name and any config, so its configs are shown.
        let sent = DescribeConfigsResponse::default().with_results(vec![result(BROKER), result(2)]);
        let api = versions::api(versions::DESCRIBE_CONFIGS).unwrap();
        for version in 1..=4 {
            let mut frame = BytesMut::from(&[0, 0, 0, 9][..]);
            if version >= 4 {
                frame.extend_from_slice(&[0]);
            }
            sent.encode(&mut frame, version).unwrap();
            let out: Bytes = without_addresses(&frame.freeze(), api, version).unwrap().concat().into();
            let body = if version >= 4 { 5 } else { 4 };
            let read = DescribeConfigsResponse::decode(&mut out.slice(body..), version).unwrap();
            let (broker, topic) = (&read.results[0].configs, &read.results[1].configs);
            for config in broker {
                let is_hidden = hidden.contains(&config.name.as_str());
                assert_eq!(config.value.is_none(), is_hidden, "{}", config.name.as_str());
                assert_eq!(config.synonyms[0].value.is_none(), is_hidden);
                assert_eq!(config.is_sensitive, is_hidden);
            }
            assert!(topic.iter().all(|config| config.value.is_some()));
        }
    }
}
