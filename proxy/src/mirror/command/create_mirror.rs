//! Creates a mirror topic, in steps that survive a crash at any moment.
//!
//! ```text
//! checks ──► journal PendingMirror ──► CreateTopics ──► journal Started
//!                    ▲                      │ refused
//!                    │                      ▼
//!          `finish_create`            forget the record
//!        begins here after a crash
//! ```
//!
//! The record is written first, so that the topic is read-only from the moment it exists. The record holds
//! everything that the creation needs, so `finish_create` can continue from it.

use crate::mirror::command::prepare_mirror::failed;
use crate::mirror::command::prepare_mirror::is_definite;
use std::collections::BTreeMap;

use state::model::{Change, KafkaUuid, Link, MirrorEvent, MirrorState, MirrorTopic, View};

use crate::client::ClientError;
use crate::mirror::command::prepare_mirror::{Prepared, check_absent};
use crate::mirror::command::types::{CommandError, CreateMirror, MirrorForecast};
use crate::mirror::command::{Commands, create_link, refusal};
use crate::mirror::sync::configs::topics;
use crate::wire::protocol::error_code::ErrorCode;

/// Minimum number of offsets to fill for which the forecast is logged. Filling that many takes some seconds
/// before the first record is copied.
const LONG_FILL: u64 = 100_000_000;

impl Commands {
    /// Creates a mirror topic on the destination, with the source's number of partitions.
    ///
    /// # Errors
    /// Fails if the link or the source topic does not exist, the mirror topic exists, a name or config is
    /// invalid, a cluster refuses or does not answer, or the journal cannot be written. If the destination
    /// does not answer in time, the mirror topic stays PENDING_MIRROR and the engine continues the creation.
    pub async fn create_mirror(&self, request: CreateMirror) -> Result<(), CommandError> {
        let prepared = self.prepare_mirror(request).await?;
        let Prepared { link, mirror, configs, forecast, guard: _guard } = prepared;
        let topic = mirror.topic.clone();
        let mirror = self.record_pending(&link, mirror).await?;
        tell_of_a_long_fill(&forecast);
        match self.create_topic(&mirror, &configs, false).await {
            Ok(id) => self.record_started(&mirror, id).await,
            Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {
                // The topic is the result of this creation if an earlier answer was lost. Otherwise it is a
                // foreign topic.
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

    pub(crate) async fn create_topic(
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
        // The source topic id recorded below belongs to the contacted cluster. So the link records the id of
        // that cluster too, even if the link's probe has not journaled it yet.
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

    pub(crate) async fn record_started(
        &self,
        mirror: &MirrorTopic,
        id: KafkaUuid,
    ) -> Result<(), CommandError> {
        let id = if id == KafkaUuid::ZERO {
            // Brokers before CreateTopics v7 do not return the topic id.
            let found = topics::describe(&self.destination, &mirror.topic).await;
            found.ok().flatten().map_or(id, |found| found.id)
        } else {
            id
        };
        self.alter_pending(mirror, "the destination topic exists", MirrorEvent::Started, Some(id)).await?;
        tracing::info!(link = %mirror.link, topic = %mirror.topic, partitions = mirror.partitions, "mirror topic created");
        Ok(())
    }

    pub(crate) async fn alter_pending(
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

    pub(crate) async fn forget_pending(&self, pending: &MirrorTopic) -> Result<(), CommandError> {
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

pub(crate) fn is_unfinished(mirror: &MirrorTopic) -> bool {
    mirror.local_topic_id == KafkaUuid::ZERO
        && !matches!(mirror.state, MirrorState::Stopped { .. } | MirrorState::Failed { .. })
}

fn same_generation<'a>(view: &'a View, pending: &MirrorTopic) -> Option<&'a MirrorTopic> {
    view.mirrors
        .get(&pending.topic)
        .filter(|mirror| mirror.link == pending.link && mirror.generation == pending.generation)
}

fn not_confirmed(topic: &str, error: &ClientError) -> CommandError {
    refusal::not_finished(format!(
        "The destination has not confirmed the creation of topic '{topic}' yet ({error}); the mirror stays \
         PENDING_MIRROR and its creation continues."
    ))
}
