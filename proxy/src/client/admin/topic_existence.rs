//! Checks that a topic no longer exists, before something irreversible is done about it.

use std::collections::BTreeMap;

use state::model::KafkaUuid;

use crate::client::cluster::Cluster;
use crate::client::cluster::metadata::ClusterMetadata;
use crate::client::error::ClientError;
use crate::client::metadata_requests::metadata_request;
use crate::wire::protocol::error_code::ErrorCode;

/// Error codes of the controller for a new topic after it has found that the name is free.
const NAME_IS_FREE: [ErrorCode; 3] =
    [ErrorCode::INVALID_REPLICATION_FACTOR, ErrorCode::POLICY_VIOLATION, ErrorCode::INVALID_PARTITIONS];

impl Cluster {
    /// Returns true if the topic with this id no longer exists, false if some broker or the controller still
    /// has it.
    ///
    /// A broker that is busy, or cut off from the controller, answers Metadata from its old image for as long
    /// as that lasts (`BrokerMetadataPublisher` applies one image after the other, including their logs). So
    /// this asks every broker. If none knows the name, it also asks the controller, by a CreateTopics that is
    /// only validated: the controller checks the name before anything else of the topic
    /// (`ReplicationControlManager.createTopics`).
    ///
    /// # Errors
    /// Fails if no broker could be asked, or if the controller gave no clear answer. Nothing is known then.
    pub async fn topic_is_gone(&self, name: &str, id: KafkaUuid) -> Result<bool, ClientError> {
        let brokers = self.metadata(Some(&[])).await?;
        let mut has_another = false;
        for broker in brokers.brokers.keys() {
            // A broker that does not answer is ignored.
            let Ok(answer) = self.metadata_of(*broker, name).await else { continue };
            match answer.topic(name) {
                Some(found) if found.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {}
                Some(found) if found.id != id && found.id != KafkaUuid::ZERO => has_another = true,
                Some(_) => return Ok(false),
                None => {}
            }
        }
        if has_another {
            return Ok(true);
        }
        match self.create_topic(name, 1, None, &BTreeMap::new(), true).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => Ok(false),
            Err(error) if error.code().is_some_and(|code| NAME_IS_FREE.contains(&code)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn metadata_of(&self, broker: i32, topic: &str) -> Result<ClusterMetadata, ClientError> {
        let request = metadata_request(Some(&[topic.to_owned()]));
        self.answer_of(&self.broker(broker).await?, request).await
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::CreateTopicsResponse;
    use kafka_protocol::messages::create_topics_response::CreatableTopicResult;

    use super::*;
    use crate::client::metadata_requests::topic_name;
    use crate::client::test_support::{Scripted, encoded};

    #[tokio::test]
    async fn a_topic_unknown_to_all_brokers_is_gone_only_if_the_controller_agrees() {
        for (code, gone) in [
            (ErrorCode::TOPIC_ALREADY_EXISTS, Some(false)),
            (ErrorCode::NONE, Some(true)),
            (ErrorCode::INVALID_REPLICATION_FACTOR, Some(true)),
            (ErrorCode::TOPIC_AUTHORIZATION_FAILED, None),
        ] {
            let scripted = Scripted::start(2, move |asked| {
                let topic =
                    CreatableTopicResult::default().with_name(topic_name("gone")).with_error_code(code.0);
                Some(encoded(&CreateTopicsResponse::default().with_topics(vec![topic]), asked.version))
            })
            .await;
            let said = scripted.cluster.topic_is_gone("gone", KafkaUuid::random()).await;
            assert_eq!(said.ok(), gone, "{code}");
        }
    }

    #[tokio::test]
    async fn a_topic_that_a_broker_knows_is_not_gone() {
        let scripted = Scripted::start(2, |_| None).await;
        assert!(!scripted.cluster.topic_is_gone("t", KafkaUuid::random()).await.unwrap());
    }
}
