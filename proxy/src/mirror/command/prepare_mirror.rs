//! Checks and looks up everything before a mirror topic is created. With `validate_only`, this is the whole
//! command.

use crate::client::ErrorKind;
use crate::client::Side;
use std::collections::BTreeMap;

use state::model::link_config::{self, LinkConfig, START_OFFSET_SPEC, StartOffset};
use state::model::{Fencing, KafkaUuid, Link, MirrorState, MirrorTopic, TopicRequest, View};

use crate::client::{ClientError, Cluster};

use crate::mirror::command::in_progress::CreatingGuard;
use crate::mirror::command::start_offset::{self, SourceRange};
use crate::mirror::command::types::{CommandError, CreateMirror, MirrorForecast};
use crate::mirror::command::{Commands, names, refusal};
use crate::mirror::filler_report::forecast::fill_cost;
use crate::mirror::sync::configs::include;
use crate::mirror::sync::configs::policy;
use crate::mirror::sync::configs::topics::{self, ExistingTopic};
use crate::wire::protocol::error_code::ErrorCode;

/// A mirror topic that passed all checks and may be created now.
pub(crate) struct Prepared {
    pub(crate) link: Link,
    /// The mirror as it will be recorded, except for its generation.
    pub(crate) mirror: MirrorTopic,
    /// Configs to create the topic with.
    pub(crate) configs: BTreeMap<String, String>,
    pub(crate) forecast: MirrorForecast,
    /// Prevents other callers from creating the same topic.
    pub(crate) guard: CreatingGuard,
}

impl Commands {
    /// Forecasts the creation of a mirror topic. Makes all checks of a creation, but creates and records
    /// nothing.
    ///
    /// # Errors
    /// Fails with the reason why the creation would fail, as far as it is known beforehand.
    pub async fn forecast_mirror(&self, request: CreateMirror) -> Result<MirrorForecast, CommandError> {
        Ok(self.prepare_mirror(request).await?.forecast)
    }

    pub(crate) async fn prepare_mirror(&self, mut request: CreateMirror) -> Result<Prepared, CommandError> {
        let (link, config) = self.link(&request.link)?;
        let topic = mirror_name(&config, &request)?;
        let start = take_start(&mut request.configs, config.start_offset)?;
        let locked = policy::locked(request.configs.keys(), &include(&config));
        if !locked.is_empty() {
            return Err(refusal::invalid(format!(
                "Cannot modify mirror topic {topic} because '{}' are set to always sync",
                locked.join(", ")
            )));
        }
        let guard = self.creating.begin(&topic).ok_or_else(|| refusal::topic_exists(&topic))?;
        check_absent(&self.view(), &topic)?;
        let source = self.sources.of(&link, &config);
        let found = source_topic(&source, &request.source_topic).await?;
        let there = topics::describe(&self.destination, &topic).await.map_err(|error| failed(&error))?;
        if there.is_some() {
            return Err(refusal::topic_exists(&topic));
        }
        let mut mirror = MirrorTopic {
            topic: topic.clone(),
            link: link.name.clone(),
            source_topic: request.source_topic,
            source_topic_id: found.id,
            local_topic_id: KafkaUuid::ZERO,
            generation: 0,
            partitions: found.partitions,
            stopped_sequence: 0,
            state: MirrorState::PendingMirror,
            state_ms: 0,
            requested: TopicRequest {
                replication_factor: request.replication_factor,
                configs: request.configs,
            },
            start_offsets: Vec::new(),
            jumps: BTreeMap::new(),
            fencing: Fencing::default(),
            source_configs: BTreeMap::new(),
            left_undone: Vec::new(),
        };
        // Validate the creation at the destination before anything is recorded.
        let (configs, owned) =
            self.configs_for(&link, &config, &mirror).await.map_err(|error| failed(&error))?;
        // Recorded from the start: a failover may come before the first round of the config sync.
        mirror.source_configs = owned;
        let _ = self.create_topic(&mirror, &configs, true).await.map_err(|error| failed(&error))?;
        // This is last, since `latest` means the current end of the source.
        let ranges = start_offset::ranges(&source, &mirror.source_topic, mirror.partitions, start)
            .await
            .map_err(|error| failed(&error))?;
        mirror.start_offsets = ranges.iter().map(|range| range.start).collect();
        let forecast = self.forecast(&mirror, start, ranges);
        Ok(Prepared { link, mirror, configs, forecast, guard })
    }

    fn forecast(
        &self,
        mirror: &MirrorTopic,
        start: StartOffset,
        partitions: Vec<SourceRange>,
    ) -> MirrorForecast {
        let brokers = self.destination.cached().map_or(1, |cached| cached.brokers.len());
        let runs: Vec<u64> = partitions.iter().copied().map(SourceRange::to_fill).collect();
        MirrorForecast {
            link: mirror.link.clone(),
            topic: mirror.topic.clone(),
            source_topic: mirror.source_topic.clone(),
            start,
            partitions,
            fill: fill_cost(&runs, brokers),
        }
    }

    /// Computes the configs to create the topic with. A validate-only CreateTopics asks the destination: its
    /// answer has both the defaults of a new topic and the config names that the destination knows.
    ///
    /// Also returns the source's values of the owned configs, which a failover restores.
    pub(crate) async fn configs_for(
        &self,
        link: &Link,
        config: &LinkConfig,
        mirror: &MirrorTopic,
    ) -> Result<(BTreeMap<String, String>, BTreeMap<String, String>), ClientError> {
        let source = self.sources.of(link, config);
        let own = &mirror.requested.configs;
        let partitions = i32::try_from(mirror.partitions).unwrap_or(i32::MAX);
        let factor = mirror.requested.replication_factor;
        let (there, here) = tokio::try_join!(
            topics::configs(&source, &mirror.source_topic),
            self.destination.create_topic(&mirror.topic, partitions, factor, own, true),
        )?;
        let here = topics::readable(here.configs);
        Ok((policy::at_creation(&there, &here, &include(config), own), policy::owned(&there)))
    }
}

async fn source_topic(source: &Cluster, topic: &str) -> Result<ExistingTopic, CommandError> {
    let found = topics::describe(source, topic).await.map_err(|error| match error.code() {
        Some(ErrorCode::INVALID_TOPIC_EXCEPTION) => refusal::no_such_source_topic(topic),
        _ => failed(&error),
    })?;
    let found = found.ok_or_else(|| refusal::no_such_source_topic(topic))?;
    if found.internal || names::is_internal(topic) {
        return Err(refusal::invalid(format!("Topic '{topic}' is internal and cannot be mirrored.")));
    }
    Ok(found)
}

/// Returns the name of the mirror topic: prefix plus source topic. Another name is refused.
fn mirror_name(config: &LinkConfig, request: &CreateMirror) -> Result<String, CommandError> {
    let topic = config.mirror_name(&request.source_topic);
    if request.mirror_topic.as_ref().is_some_and(|wanted| *wanted != topic) {
        return Err(refusal::renaming());
    }
    names::check_topic(&topic)?;
    Ok(topic)
}

/// Removes the start offset spec from the topic configs and returns it, or the link's if there is none. The
/// spec is given among the topic configs, but it is not one: brokers do not know it.
fn take_start(
    configs: &mut BTreeMap<String, String>,
    of_link: StartOffset,
) -> Result<StartOffset, CommandError> {
    let Some(text) = configs.remove(START_OFFSET_SPEC) else { return Ok(of_link) };
    link_config::check(START_OFFSET_SPEC, &text).map_err(|error| refusal::invalid(error.message))?;
    text.parse().map_err(|error: link_config::StartOffsetError| refusal::invalid(error.to_string()))
}

/// Checks that the name may be mirrored. A name may be mirrored again when its last mirror is stopped or
/// failed. The topic must have been deleted then, which the caller checks.
pub(crate) fn check_absent(view: &View, topic: &str) -> Result<(), CommandError> {
    let is_over = |mirror: &MirrorTopic| {
        matches!(mirror.state, MirrorState::Stopped { .. } | MirrorState::Failed { .. })
    };
    match view.mirrors.get(topic) {
        Some(mirror) if !is_over(mirror) => Err(refusal::topic_exists(topic)),
        _ => Ok(()),
    }
}

pub(crate) fn failed(error: &ClientError) -> CommandError {
    match error.code() {
        Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED | ErrorCode::CLUSTER_AUTHORIZATION_FAILED) => {
            refusal::not_authorized(error.to_string())
        }
        _ if error.side == Side::Source || is_definite(error) => refusal::invalid(error.to_string()),
        _ => refusal::internal(error.to_string()),
    }
}

/// Returns true if the broker answered the request, and a retry would get the same answer.
pub(crate) fn is_definite(error: &ClientError) -> bool {
    matches!(error.kind(), ErrorKind::Kafka { .. } | ErrorKind::Unsupported { .. }) && !error.retriable()
}

#[cfg(test)]
mod tests {
    use state::model::StopKind;

    use super::*;
    use crate::mirror::command::types::CommandErrorKind;
    use crate::mirror::test_support::{link, mirror, view};

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
    fn a_mirror_topic_is_named_prefix_plus_source_topic() {
        let name = |prefix, source, mirror| mirror_name(&config(prefix), &request(source, mirror));
        assert_eq!(name("", "orders", None).unwrap(), "orders");
        assert_eq!(name("west.", "orders", None).unwrap(), "west.orders");
        assert_eq!(name("west.", "orders", Some("west.orders")).unwrap(), "west.orders");
        let renamed = name("west.", "orders", Some("orders")).unwrap_err();
        assert_eq!(
            (renamed.kind, renamed.message.as_str()),
            (CommandErrorKind::Renaming, "Topic renaming for mirroring not yet supported")
        );
        let long = name("west.", &"x".repeat(245), None).unwrap_err();
        assert_eq!(long.kind, CommandErrorKind::Invalid);
        assert!(long.message.contains("longer than the max allowed length 249"), "{}", long.message);
    }

    #[test]
    fn the_start_offset_of_a_mirror_overrides_its_links_and_is_not_sent_to_brokers() {
        let given = |value: &str| {
            let entries = [("retention.ms", "5"), (START_OFFSET_SPEC, value)];
            entries.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
        };
        let mut configs = given("latest");
        assert_eq!(take_start(&mut configs, StartOffset::Timestamp(7)).unwrap(), StartOffset::Latest);
        assert_eq!(configs.into_keys().collect::<Vec<_>>(), ["retention.ms"]);
        assert_eq!(
            take_start(&mut BTreeMap::new(), StartOffset::Timestamp(7)).unwrap(),
            StartOffset::Timestamp(7)
        );
        let refused = take_start(&mut given("newest"), StartOffset::Earliest).unwrap_err();
        assert_eq!(refused.kind, CommandErrorKind::Invalid);
        let begins =
            "Invalid value newest for configuration mirror.start.offset.spec: expected earliest, latest, ";
        assert!(refused.message.starts_with(begins), "{}", refused.message);
    }

    #[test]
    fn only_a_stopped_or_failed_mirror_can_be_replaced() {
        let with = |state| view([link("dr")], [mirror("dr", "t", state)]);
        for state in [
            MirrorState::PendingMirror,
            MirrorState::Active,
            MirrorState::Paused,
            MirrorState::PendingStopped { stop: StopKind::Failover },
        ] {
            let refused = check_absent(&with(state), "t").unwrap_err();
            assert_eq!(
                (refused.kind, refused.message.as_str()),
                (CommandErrorKind::Invalid, "Topic 't' already exists.")
            );
        }
        let stopped = MirrorState::Stopped { stop: StopKind::Promote, log_end_offsets: vec![] };
        check_absent(&with(stopped), "t").unwrap();
        check_absent(&view([], []), "t").unwrap();
    }
}
