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

use state::model::{Change, KafkaUuid, Link, MirrorEvent, MirrorState, MirrorTopic, View};

use super::prepare_mirror::{Prepared, check_absent};
use super::{Commands, create_link, refusal};
use crate::client::{ClientError, ErrorKind, Side};
use crate::mirror::handle::{CommandError, CreateMirror, MirrorForecast};
use crate::mirror::topic_admin;
use crate::wire::error_code::ErrorCode;

/// Filling more offsets than this is told in the log: some seconds of work before the first record is copied.
const LONG_FILL: u64 = 100_000_000;

impl Commands {
    /// Creates a mirror topic on the destination, with the source's number of partitions.
    ///
    /// # Errors
    /// The link or the source topic does not exist, the mirror topic does; a name or config is not valid; a cluster
    /// refuses or does not answer; the journal cannot be written. When the destination has not answered in time, the
    /// mirror topic stays PENDING_MIRROR and the engine goes on.
    pub async fn create_mirror(&self, request: CreateMirror) -> Result<(), CommandError> {
        let prepared = self.prepare_mirror(request).await?;
        let Prepared { link, mirror, configs, forecast, guard: _guard } = prepared;
        let topic = mirror.topic.clone();
        let mirror = self.record_pending(&link, mirror).await?;
        tell_of_a_long_fill(&forecast);
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
        // The topic id that is recorded now is of this cluster, also where the link's probe has not journaled it yet.
        let config = create_link::checked(&link.configs)?;
        let contacted = self.sources.of(link, &config).pinned_id().map(str::to_owned);
        self.transact(&why, move |view, now_ms| {
            let link = view.links.get(&mirror.link).filter(|link| link.id == id);
            let link = link.ok_or_else(|| refusal::no_such_link(&mirror.link))?;
            check_absent(view, &mirror.topic)?;
            let pending = MirrorTopic { generation: link.generations, state_ms: now_ms, ..mirror };
            let mut counted = Link { generations: link.generations.saturating_add(1), ..link.clone() };
            if counted.source_cluster_id.is_empty() {
                counted.source_cluster_id = contacted.unwrap_or_default();
            }
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

fn tell_of_a_long_fill(forecast: &MirrorForecast) {
    let fill = forecast.fill;
    if fill.offsets > LONG_FILL {
        tracing::info!(
            link = %forecast.link, topic = %forecast.topic, offsets = fill.offsets,
            seconds = fill.millis.div_ceil(1000), bytes = fill.bytes,
            "the offsets below the start of the mirror topic are filled first"
        );
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

pub(super) fn failed(error: &ClientError) -> CommandError {
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
