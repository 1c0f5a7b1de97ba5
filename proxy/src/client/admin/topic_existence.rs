//! Whether a topic is gone, for those who would do something about it that cannot be undone.

use std::collections::BTreeMap;

use state::model::KafkaUuid;

use super::super::cluster::{Cluster, metadata_request};
use super::super::error::ClientError;
use super::super::metadata::ClusterMetadata;
use crate::wire::error_code::ErrorCode;

/// What the controller has against a new topic once it has seen that its name is free.
const NAME_IS_FREE: [ErrorCode; 3] =
    [ErrorCode::INVALID_REPLICATION_FACTOR, ErrorCode::POLICY_VIOLATION, ErrorCode::INVALID_PARTITIONS];

impl Cluster {
    /// Whether a topic is gone that once had this id. False when anybody who must know still has it.
    ///
    /// A broker that is busy, or cut off from the controller, goes on answering Metadata out of what it knew, for as long
    /// as that lasts (`BrokerMetadataPublisher` takes up one image after the other, logs and all). So every broker is
    /// asked; and where none knows the name, the controller, by a creation that is only validated: whether the name is
    /// taken is what it looks at before anything else of the topic (`ReplicationControlManager.createTopics`).
    ///
    /// # Errors
    /// No broker could be asked, or the controller did not say: nothing is known.
    pub async fn topic_is_gone(&self, name: &str, id: KafkaUuid) -> Result<bool, ClientError> {
        let brokers = self.metadata(Some(&[])).await?;
        let mut has_another = false;
        for broker in brokers.brokers.keys() {
            // One that does not answer has no say.
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

    pub(super) async fn metadata_of(&self, broker: i32, topic: &str) -> Result<ClusterMetadata, ClientError> {
        let request = metadata_request(Some(&[topic.to_owned()]));
        self.answer_of(&self.broker(broker).await?, request).await
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::CreateTopicsResponse;
    use kafka_protocol::messages::create_topics_response::CreatableTopicResult;

    use super::*;
    use crate::client::cluster::topic_name;
    use crate::client::testing::{Scripted, encoded};

    #[tokio::test]
    async fn brokers_that_do_not_know_a_topic_are_believed_when_the_controller_says_so_too() {
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
    async fn a_topic_that_a_broker_has_is_not_gone() {
        let scripted = Scripted::start(2, |_| None).await;
        assert!(!scripted.cluster.topic_is_gone("t", KafkaUuid::random()).await.unwrap());
    }
}
