//! Everything that is checked and looked up before a mirror topic is created; with `validate_only`, all that is done.

use std::collections::BTreeMap;

use state::model::link_config::{self, LinkConfig, START_OFFSET_SPEC, StartOffset};
use state::model::{Fencing, KafkaUuid, Link, MirrorState, MirrorTopic, TopicRequest, View};

use super::create_mirror::failed;
use super::creating::CreatingGuard;
use super::{Commands, names, refusal};
use crate::client::{ClientError, Cluster};
use crate::mirror::config_sync::include;
use crate::mirror::fill_cost::fill_cost;
use crate::mirror::handle::{CommandError, CreateMirror, MirrorForecast};
use crate::mirror::start_offset::{self, SourceRange};
use crate::mirror::synced_configs;
use crate::mirror::topic_admin::{self, Topic};
use crate::wire::error_code::ErrorCode;

/// A mirror topic that may be created now.
pub(super) struct Prepared {
    pub(super) link: Link,
    /// As it will be recorded, its generation aside.
    pub(super) mirror: MirrorTopic,
    /// Configs to create the topic with.
    pub(super) configs: BTreeMap<String, String>,
    pub(super) forecast: MirrorForecast,
    /// Keeps others from creating the same topic.
    pub(super) guard: CreatingGuard,
}

impl Commands {
    /// What creating a mirror topic would take. Everything is checked as for its creation; nothing is made or recorded.
    ///
    /// # Errors
    /// Why it would not be created, as far as that is known beforehand.
    pub async fn forecast_mirror(&self, request: CreateMirror) -> Result<MirrorForecast, CommandError> {
        Ok(self.prepare_mirror(request).await?.forecast)
    }

    pub(super) async fn prepare_mirror(&self, mut request: CreateMirror) -> Result<Prepared, CommandError> {
        let (link, config) = self.link(&request.link)?;
        let topic = mirror_name(&config, &request)?;
        let start = take_start(&mut request.configs, config.start_offset)?;
        let locked = synced_configs::locked(request.configs.keys(), &include(&config));
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
        let there = topic_admin::describe(&self.destination, &topic).await.map_err(|error| failed(&error))?;
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
        // What the destination refuses is better known before anything is recorded.
        let configs = self.configs_for(&link, &config, &mirror).await.map_err(|error| failed(&error))?;
        let _ = self.create_topic(&mirror, &configs, true).await.map_err(|error| failed(&error))?;
        // Last, since `latest` means now.
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
        let runs: Vec<u64> = partitions.iter().map(SourceRange::to_fill).collect();
        MirrorForecast {
            link: mirror.link.clone(),
            topic: mirror.topic.clone(),
            source_topic: mirror.source_topic.clone(),
            start,
            partitions,
            fill: fill_cost(&runs, brokers),
        }
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
}

async fn source_topic(source: &Cluster, topic: &str) -> Result<Topic, CommandError> {
    let found = topic_admin::describe(source, topic).await.map_err(|error| match error.code() {
        Some(ErrorCode::INVALID_TOPIC_EXCEPTION) => refusal::no_such_source_topic(topic),
        _ => failed(&error),
    })?;
    let found = found.ok_or_else(|| refusal::no_such_source_topic(topic))?;
    if found.internal || names::is_internal(topic) {
        return Err(refusal::invalid(format!("Topic '{topic}' is internal and cannot be mirrored.")));
    }
    Ok(found)
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

/// Where this mirror begins: as asked for it, else as its link says. It stands among the topic configs and is none: no
/// broker knows it.
fn take_start(
    configs: &mut BTreeMap<String, String>,
    of_link: StartOffset,
) -> Result<StartOffset, CommandError> {
    let Some(text) = configs.remove(START_OFFSET_SPEC) else { return Ok(of_link) };
    link_config::check(START_OFFSET_SPEC, &text).map_err(|error| refusal::invalid(error.message))?;
    text.parse().map_err(|error: link_config::StartOffsetError| refusal::invalid(error.to_string()))
}

/// A name may be mirrored anew when its last mirror is over: then the topic has been deleted, which the caller checks.
pub(super) fn check_absent(view: &View, topic: &str) -> Result<(), CommandError> {
    let is_over = |mirror: &MirrorTopic| {
        matches!(mirror.state, MirrorState::Stopped { .. } | MirrorState::Failed { .. })
    };
    match view.mirrors.get(topic) {
        Some(mirror) if !is_over(mirror) => Err(refusal::topic_exists(topic)),
        _ => Ok(()),
    }
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
    fn the_start_of_one_mirror_beats_its_links_and_reaches_no_broker() {
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
        assert_eq!((refused.status, refused.error_code), (400, 40_002));
        let begins =
            "Invalid value newest for configuration mirror.start.offset.spec: expected earliest, latest, ";
        assert!(refused.message.starts_with(begins), "{}", refused.message);
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
