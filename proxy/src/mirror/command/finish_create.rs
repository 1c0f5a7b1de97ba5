//! Goes on with the creation of a mirror topic that was recorded and not finished: after a crash, or when the destination
//! did not answer in time.
//!
//! The topic may exist already. It is taken over only when it is what this creation makes; otherwise the mirror fails.

use state::model::{KafkaUuid, MirrorError, MirrorEvent, MirrorTopic};

use super::Commands;
use super::create_mirror::{is_definite, is_unfinished};
use crate::client::{ClientError, Side};
use crate::mirror::handle::CommandError;
use crate::mirror::synced_configs::TopicConfigs;
use crate::mirror::topic_admin::{self, Topic};
use crate::wire::error_code::ErrorCode;

/// Why a creation that was begun is not finished yet. It may be tried again.
#[derive(Debug, thiserror::Error)]
pub enum FinishCreateError {
    /// Somebody in this process is creating the topic right now.
    #[error("the creation of topic '{0}' is under way")]
    UnderWay(String),
    /// A cluster did not do what was asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The journal cannot be written, or the link is unusable.
    #[error(transparent)]
    Refused(#[from] CommandError),
}

impl Commands {
    /// Goes on with a creation that was recorded and not finished. Does nothing when there is nothing to do.
    ///
    /// # Errors
    /// It is under way, or could not be finished now; try again later. When the destination refuses the topic for good,
    /// the record is removed and that is no error.
    pub async fn finish_create(&self, topic: &str) -> Result<(), FinishCreateError> {
        let guard = self.creating.begin(topic);
        let _guard = guard.ok_or_else(|| FinishCreateError::UnderWay(topic.to_owned()))?;
        let Some(mirror) = self.view().mirrors.get(topic).filter(|mirror| is_unfinished(mirror)).cloned()
        else {
            return Ok(());
        };
        if topic_admin::describe(&self.destination, topic).await?.is_some() {
            return self.take_over_or_fail(&mirror).await;
        }
        let (link, config) = self.link(&mirror.link)?;
        let created = match self.configs_for(&link, &config, &mirror).await {
            Ok(configs) => self.create_topic(&mirror, &configs, false).await,
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

    /// The id of the topic when it is what the creation of this mirror makes; `None` when it is something else.
    pub(super) async fn take_over(&self, mirror: &MirrorTopic) -> Result<Option<KafkaUuid>, ClientError> {
        let (found, configs) = tokio::try_join!(
            topic_admin::describe(&self.destination, &mirror.topic),
            topic_admin::configs(&self.destination, &mirror.topic),
        )?;
        Ok(found.filter(|found| is_our_making(found, &configs, mirror)).map(|found| found.id))
    }

    async fn take_over_or_fail(&self, mirror: &MirrorTopic) -> Result<(), FinishCreateError> {
        match self.take_over(mirror).await? {
            Some(id) => self.record_started(mirror, id).await?,
            None => {
                let reason = format!(
                    "the destination has a topic '{}' that Linkgate did not make; delete it and create the mirror again",
                    mirror.topic
                );
                let event = MirrorEvent::Fail { error: MirrorError::IllegalState, reason, partition: None };
                self.alter_pending(mirror, "creation of a mirror topic", event, None).await?;
            }
        }
        Ok(())
    }
}

/// Only a creation by Linkgate sets both of these on the topic itself.
fn is_our_making(found: &Topic, configs: &TopicConfigs, mirror: &MirrorTopic) -> bool {
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
    use crate::mirror::sample::mirror;
    use crate::mirror::synced_configs::TopicConfig;

    #[test]
    fn a_topic_is_taken_over_only_when_it_is_our_making() {
        let set = |value: &str| TopicConfig { value: value.into(), is_override: true, inherited: None };
        let ours = TopicConfigs::from([
            ("compression.type".to_owned(), set("producer")),
            ("message.timestamp.type".to_owned(), set("CreateTime")),
        ]);
        let mirror = mirror("dr", "t", MirrorState::PendingMirror);
        let found = Topic { id: KafkaUuid::random(), partitions: mirror.partitions, internal: false };
        assert!(is_our_making(&found, &ours, &mirror));

        let other_count = Topic { partitions: mirror.partitions + 1, ..found.clone() };
        assert!(!is_our_making(&other_count, &ours, &mirror));
        let mut inherited = ours.clone();
        for config in inherited.values_mut() {
            config.is_override = false;
        }
        assert!(!is_our_making(&found, &inherited, &mirror));
    }
}
