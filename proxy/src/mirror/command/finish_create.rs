//! Finishes the creation of a mirror topic that was recorded but not completed: after a crash, or when the
//! destination did not answer in time.
//!
//! The topic may exist already. It is taken over only if it is what this creation makes. Otherwise the mirror
//! fails.

use state::model::{KafkaUuid, MirrorError, MirrorEvent, MirrorTopic};

use crate::client::{ClientError, Side};
use crate::mirror::command::Commands;
use crate::mirror::command::create_mirror::is_unfinished;
use crate::mirror::command::prepare_mirror::is_definite;
use crate::mirror::command::types::CommandError;
use crate::mirror::sync::configs::policy::TopicConfigs;
use crate::mirror::sync::configs::topics::{self, ExistingTopic};
use crate::wire::protocol::error_code::ErrorCode;

/// Reasons why a recorded creation is not finished yet. It may be tried again.
#[derive(Debug, thiserror::Error)]
pub enum FinishCreateError {
    /// Another task of this process is creating the topic now.
    #[error("the creation of topic '{0}' is in progress")]
    UnderWay(String),
    /// A request to a cluster failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The journal cannot be written, or the link is unusable.
    #[error(transparent)]
    Refused(#[from] CommandError),
}

impl Commands {
    /// Finishes a creation that was recorded but not completed. Does nothing if there is no such creation.
    ///
    /// # Errors
    /// Fails if the creation is under way, or could not be finished now; try again later. If the destination
    /// refuses the topic for good, the record is removed and no error is returned.
    pub async fn finish_create(&self, topic: &str) -> Result<(), FinishCreateError> {
        let guard = self.creating.begin(topic);
        let _guard = guard.ok_or_else(|| FinishCreateError::UnderWay(topic.to_owned()))?;
        let Some(mirror) = self.view().mirrors.get(topic).filter(|mirror| is_unfinished(mirror)).cloned()
        else {
            return Ok(());
        };
        if topics::describe(&self.destination, topic).await?.is_some() {
            return self.take_over_or_fail(&mirror).await;
        }
        let (link, config) = self.link(&mirror.link)?;
        let created = match self.configs_for(&link, &config, &mirror).await {
            Ok((configs, _)) => self.create_topic(&mirror, &configs, false).await,
            Err(error) => Err(error),
        };
        match created {
            Ok(id) => Ok(self.record_started(&mirror, id).await?),
            Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {
                self.take_over_or_fail(&mirror).await
            }
            Err(error) if is_definite(&error) && error.side == Side::Destination => {
                tracing::warn!(
                    link = %mirror.link, topic, error = %error,
                    "the destination refuses the mirror topic; it is forgotten"
                );
                Ok(self.forget_pending(&mirror).await?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the id of the topic if it is what the creation of this mirror makes, `None` if it is another
    /// topic.
    pub(crate) async fn take_over(&self, mirror: &MirrorTopic) -> Result<Option<KafkaUuid>, ClientError> {
        let (found, configs) = tokio::try_join!(
            topics::describe(&self.destination, &mirror.topic),
            topics::configs(&self.destination, &mirror.topic),
        )?;
        Ok(found.filter(|found| is_our_making(found, &configs, mirror)).map(|found| found.id))
    }

    async fn take_over_or_fail(&self, mirror: &MirrorTopic) -> Result<(), FinishCreateError> {
        match self.take_over(mirror).await? {
            Some(id) => self.record_started(mirror, id).await?,
            None => {
                let reason = format!(
                    "the destination has a topic '{}' that Linkgate did not create; delete it and create \
                     the mirror again",
                    mirror.topic
                );
                let event = MirrorEvent::Fail { error: MirrorError::IllegalState, reason, partition: None };
                self.alter_pending(mirror, "creation of a mirror topic", event, None).await?;
            }
        }
        Ok(())
    }
}

/// Returns true if Linkgate made the topic. Only a creation by Linkgate sets both of these configs on the
/// topic itself.
fn is_our_making(found: &ExistingTopic, configs: &TopicConfigs, mirror: &MirrorTopic) -> bool {
    let sets = |name: &str, value: &str| {
        configs.get(name).is_some_and(|config| config.is_override && config.value == value)
    };
    found.partitions == mirror.partitions
        && sets("compression.type", "producer")
        && sets("message.timestamp.type", "CreateTime")
}

#[cfg(test)]
mod tests {
    use state::model::MirrorState;

    use super::*;
    use crate::mirror::sync::configs::policy::TopicConfig;
    use crate::mirror::test_support::mirror;

    #[test]
    fn a_topic_is_taken_over_only_if_linkgate_made_it() {
        let set = |value: &str| TopicConfig { value: value.into(), is_override: true, inherited: None };
        let ours = TopicConfigs::from([
            ("compression.type".to_owned(), set("producer")),
            ("message.timestamp.type".to_owned(), set("CreateTime")),
        ]);
        let mirror = mirror("dr", "t", MirrorState::PendingMirror);
        let found = ExistingTopic { id: KafkaUuid::random(), partitions: mirror.partitions, internal: false };
        assert!(is_our_making(&found, &ours, &mirror));

        let other_count = ExistingTopic { partitions: mirror.partitions + 1, ..found.clone() };
        assert!(!is_our_making(&other_count, &ours, &mirror));
        let mut inherited = ours.clone();
        for config in inherited.values_mut() {
            config.is_override = false;
        }
        assert!(!is_our_making(&found, &inherited, &mirror));
    }
}
