//! Creates a mirror topic: a saga that survives a crash at any moment.
//!
//! ```text
//! checks ──► journal PendingMirror ──► CreateTopics ──► journal Started
//!                    ▲                      │ refused
//!                    │                      ▼
//!          `finish_create`            forget the record
//!        begins here after a crash
//! ```
//!
//! The record comes first, so that the topic is read-only from the moment it exists. It holds all that the creation
//! needs, so whoever finds it can go on (`finish_create`).

use std::collections::BTreeMap;

use state::model::link_config::LinkConfig;
use state::model::{Change, KafkaUuid, Link, MirrorEvent, MirrorState, MirrorTopic, TopicRequest, View};

use super::{Commands, names, refusal};
use crate::client::{ClientError, ErrorKind, Side};
use crate::mirror::config_sync::include;
use crate::mirror::handle::{CommandError, CreateMirror};
use crate::mirror::synced_configs;
use crate::mirror::topic_admin::{self, Topic};
use crate::wire::error_code::ErrorCode;

impl Commands {
    /// Creates a mirror topic on the destination, with the source's number of partitions.
    ///
    /// # Errors
    /// The link or the source topic does not exist, the mirror topic does; a name or config is not valid; a cluster
    /// refuses or does not answer; the journal cannot be written. When the destination has not answered in time, the
    /// mirror topic stays PENDING_MIRROR and the engine goes on.
    pub async fn create_mirror(&self, request: CreateMirror) -> Result<(), CommandError> {
        let (link, config) = self.link(&request.link)?;
        let topic = mirror_name(&config, &request)?;
        let locked = synced_configs::locked(request.configs.keys(), &include(&config));
        if !locked.is_empty() {
            return Err(refusal::invalid(format!(
                "Cannot modify mirror topic {topic} because '{}' are set to always sync",
                locked.join(", ")
            )));
        }
        let _guard = self.creating.begin(&topic).ok_or_else(|| refusal::topic_exists(&topic))?;
        check_absent(&self.view(), &topic)?;
        let source = self.source_topic(&link, &config, &request.source_topic).await?;
        let there = topic_admin::describe(&self.destination, &topic).await.map_err(|error| failed(&error))?;
        if there.is_some() {
            return Err(refusal::topic_exists(&topic));
        }
        let mirror = MirrorTopic {
            topic: topic.clone(),
            link: link.name.clone(),
            source_topic: request.source_topic,
            source_topic_id: source.id,
            local_topic_id: KafkaUuid::ZERO,
            generation: 0,
            partitions: source.partitions,
            stopped_sequence: 0,
            state: MirrorState::PendingMirror,
            state_ms: 0,
            requested: TopicRequest {
                replication_factor: request.replication_factor,
                configs: request.configs,
            },
            start_offsets: Vec::new(),
            jumps: BTreeMap::new(),
        };
        // What the destination refuses is better known before anything is recorded.
        let configs = self.configs_for(&link, &config, &mirror).await.map_err(|error| failed(&error))?;
        let _ = self.create_topic(&mirror, &configs, true).await.map_err(|error| failed(&error))?;
        let mirror = self.record_pending(&link, mirror).await?;
        match self.create_topic(&mirror, &configs, false).await {
            Ok(id) => self.record_started(&mirror, id).await,
            Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {
                // Its own success, when the first answer was lost; somebody else's topic otherwise.
                match self.take_over(&mirror).await {
                    Ok(Some(id)) => self.record_started(&mirror, id).await,
                    Ok(None) => {
                        self.forget_pending(&mirror).await?;
                        Err(refusal::topic_exists(&topic))
                    }
                    Err(error) => Err(not_confirmed(&topic, &error)),
                }
            }
            Err(error) if is_definite(&error) => {
                self.forget_pending(&mirror).await?;
                Err(failed(&error))
            }
            Err(error) => Err(not_confirmed(&topic, &error)),
        }
    }

    async fn source_topic(
        &self,
        link: &Link,
        config: &LinkConfig,
        topic: &str,
    ) -> Result<Topic, CommandError> {
        let source = self.sources.of(link, config);
        let found = topic_admin::describe(&source, topic).await.map_err(|error| match error.code() {
            Some(ErrorCode::INVALID_TOPIC_EXCEPTION) => refusal::no_such_source_topic(topic),
            _ => failed(&error),
        })?;
        let found = found.ok_or_else(|| refusal::no_such_source_topic(topic))?;
        if found.internal || names::is_internal(topic) {
            return Err(refusal::invalid(format!("Topic '{topic}' is internal and cannot be mirrored.")));
        }
        Ok(found)
    }

    /// The configs to create the topic with: the destination is asked what a new topic has there, and which names it
    /// knows (the answer to a creation that is only validated tells both).
    pub(super) async fn configs_for(
        &self,
        link: &Link,
        config: &LinkConfig,
        mirror: &MirrorTopic,
    ) -> Result<BTreeMap<String, String>, ClientError> {
        let source = self.sources.of(link, config);
        let own = &mirror.requested.configs;
        let partitions = i32::try_from(mirror.partitions).unwrap_or(i32::MAX);
        let factor = mirror.requested.replication_factor;
        let (there, here) = tokio::try_join!(
            topic_admin::configs(&source, &mirror.source_topic),
            self.destination.create_topic(&mirror.topic, partitions, factor, own, true),
        )?;
        let here = topic_admin::readable(here.configs);
        Ok(synced_configs::at_creation(&there, &here, &include(config), own))
    }

    pub(super) async fn create_topic(
        &self,
        mirror: &MirrorTopic,
        configs: &BTreeMap<String, String>,
        validate_only: bool,
    ) -> Result<KafkaUuid, ClientError> {
        let partitions = i32::try_from(mirror.partitions).unwrap_or(i32::MAX);
        let factor = mirror.requested.replication_factor;
        let made =
            self.destination.create_topic(&mirror.topic, partitions, factor, configs, validate_only).await?;
        Ok(made.id)
    }

    async fn record_pending(&self, link: &Link, mirror: MirrorTopic) -> Result<MirrorTopic, CommandError> {
        let (id, why) = (link.id, format!("creation of mirror topic '{}'", mirror.topic));
        self.transact(&why, move |view, now_ms| {
            let link = view.links.get(&mirror.link).filter(|link| link.id == id);
            let link = link.ok_or_else(|| refusal::no_such_link(&mirror.link))?;
            check_absent(view, &mirror.topic)?;
            let pending = MirrorTopic { generation: link.generations, state_ms: now_ms, ..mirror };
            let counted = Link { generations: link.generations.saturating_add(1), ..link.clone() };
            Ok((vec![Change::PutLink(counted), Change::PutMirror(pending.clone())], pending))
        })
        .await
    }

    pub(super) async fn record_started(
        &self,
        mirror: &MirrorTopic,
        id: KafkaUuid,
    ) -> Result<(), CommandError> {
        let id = if id == KafkaUuid::ZERO {
            // Brokers before CreateTopics v7 do not tell it.
            let found = topic_admin::describe(&self.destination, &mirror.topic).await;
            found.ok().flatten().map_or(id, |found| found.id)
        } else {
            id
        };
        self.alter_pending(mirror, "the destination topic exists", MirrorEvent::Started, Some(id)).await?;
        tracing::info!(link = %mirror.link, topic = %mirror.topic, partitions = mirror.partitions, "mirror topic created");
        Ok(())
    }

    pub(super) async fn alter_pending(
        &self,
        pending: &MirrorTopic,
        why: &str,
        event: MirrorEvent,
        id: Option<KafkaUuid>,
    ) -> Result<(), CommandError> {
        let pending = pending.clone();
        self.transact(why, move |view, now_ms| {
            let Some(mirror) = same_generation(view, &pending) else { return Ok((Vec::new(), ())) };
            let state = mirror.on(event).map_err(|error| refusal::illegal(error.message))?;
            let state_ms = if state == mirror.state { mirror.state_ms } else { now_ms };
            let local_topic_id = id.unwrap_or(mirror.local_topic_id);
            let altered = MirrorTopic { state, state_ms, local_topic_id, ..mirror.clone() };
            Ok((vec![Change::PutMirror(altered)], ()))
        })
        .await
    }

    pub(super) async fn forget_pending(&self, pending: &MirrorTopic) -> Result<(), CommandError> {
        let pending = pending.clone();
        self.transact("the destination refused the mirror topic", move |view, _| {
            let found = same_generation(view, &pending).filter(|mirror| is_unfinished(mirror));
            let changes = found.map(|mirror| Change::RemoveMirror(mirror.topic.clone()));
            Ok((changes.into_iter().collect(), ()))
        })
        .await
    }
}

/// What the mirror topic is called: prefix and source topic, and nothing else.
fn mirror_name(config: &LinkConfig, request: &CreateMirror) -> Result<String, CommandError> {
    let topic = config.mirror_name(&request.source_topic);
    if request.mirror_topic.as_ref().is_some_and(|wanted| *wanted != topic) {
        return Err(refusal::renaming());
    }
    names::check_topic(&topic)?;
    Ok(topic)
}

/// A name may be mirrored anew when its last mirror is over: then the topic has been deleted, which the caller checks.
fn check_absent(view: &View, topic: &str) -> Result<(), CommandError> {
    let is_over = |mirror: &MirrorTopic| {
        matches!(mirror.state, MirrorState::Stopped { .. } | MirrorState::Failed { .. })
    };
    match view.mirrors.get(topic) {
        Some(mirror) if !is_over(mirror) => Err(refusal::topic_exists(topic)),
        _ => Ok(()),
    }
}

pub(super) fn is_unfinished(mirror: &MirrorTopic) -> bool {
    mirror.local_topic_id == KafkaUuid::ZERO
        && !matches!(mirror.state, MirrorState::Stopped { .. } | MirrorState::Failed { .. })
}

fn same_generation<'a>(view: &'a View, pending: &MirrorTopic) -> Option<&'a MirrorTopic> {
    view.mirrors
        .get(&pending.topic)
        .filter(|mirror| mirror.link == pending.link && mirror.generation == pending.generation)
}

/// The request was answered, and the answer will not be another one next time.
pub(super) fn is_definite(error: &ClientError) -> bool {
    matches!(error.kind(), ErrorKind::Kafka { .. } | ErrorKind::Unsupported { .. }) && !error.retriable()
}

fn failed(error: &ClientError) -> CommandError {
    match error.code() {
        Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED | ErrorCode::CLUSTER_AUTHORIZATION_FAILED) => {
            refusal::not_authorized(error.to_string())
        }
        _ if error.side == Side::Source || is_definite(error) => refusal::invalid(error.to_string()),
        _ => refusal::internal(error.to_string()),
    }
}

fn not_confirmed(topic: &str, error: &ClientError) -> CommandError {
    refusal::not_finished(format!(
        "The destination has not confirmed the creation of topic '{topic}' yet ({error}); the mirror stays \
         PENDING_MIRROR and its creation goes on."
    ))
}

#[cfg(test)]
mod tests {
    use state::model::Stop;

    use super::*;
    use crate::mirror::sample::{link, mirror, view};

    fn config(prefix: &str) -> LinkConfig {
        let configs = [("bootstrap.servers", "localhost:9092"), ("cluster.link.prefix", prefix)];
        let configs = configs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        LinkConfig::parse(&BTreeMap::from(configs)).unwrap()
    }

    fn request(source: &str, mirror: Option<&str>) -> CreateMirror {
        CreateMirror {
            link: "dr".into(),
            source_topic: source.into(),
            mirror_topic: mirror.map(str::to_owned),
            ..CreateMirror::default()
        }
    }

    #[test]
    fn a_mirror_is_called_prefix_and_source_topic() {
        let name = |prefix, source, mirror| mirror_name(&config(prefix), &request(source, mirror));
        assert_eq!(name("", "orders", None).unwrap(), "orders");
        assert_eq!(name("west.", "orders", None).unwrap(), "west.orders");
        assert_eq!(name("west.", "orders", Some("west.orders")).unwrap(), "west.orders");
        let renamed = name("west.", "orders", Some("orders")).unwrap_err();
        assert_eq!(
            (renamed.status, renamed.error_code, renamed.message.as_str()),
            (400, 40_035, "Topic renaming for mirroring not yet supported")
        );
        let long = name("west.", &"x".repeat(245), None).unwrap_err();
        assert_eq!(long.error_code, 40_002);
        assert!(long.message.contains("longer than the max allowed length 249"), "{}", long.message);
    }

    #[test]
    fn only_a_mirror_that_is_over_makes_way_for_a_new_one() {
        let with = |state| view([link("dr")], [mirror("dr", "t", state)]);
        for state in [
            MirrorState::PendingMirror,
            MirrorState::Active,
            MirrorState::Paused,
            MirrorState::PendingStopped { stop: Stop::Failover },
        ] {
            let refused = check_absent(&with(state), "t").unwrap_err();
            assert_eq!(
                (refused.status, refused.error_code, refused.message.as_str()),
                (400, 40_002, "Topic 't' already exists.")
            );
        }
        let stopped = MirrorState::Stopped { stop: Stop::Promote, log_end_offsets: vec![] };
        check_absent(&with(stopped), "t").unwrap();
        check_absent(&view([], []), "t").unwrap();
    }
}
