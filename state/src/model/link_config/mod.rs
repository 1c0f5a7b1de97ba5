//! Configs of a link: the table of all configs, and a typed form of a set of values.
//!
//! Parsing reports all errors at once. Values that this version does not support are refused with a sentence
//! that says so, never ignored. docs/link-configs.md describes each config.
//!
//! [`conflicts`] reports values that are valid by themselves but conflict with each other. It is used when an
//! operator sets them. A link that an earlier version recorded with such values still works, with the nearest
//! valid ones.

mod definition;
mod kind;
mod security;
mod start_offset;
mod table;
mod topic_configs;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::HostPort;
use super::filter::NameFilters;

pub use self::definition::ConfigDef;
pub use self::kind::Kind;
pub use self::security::SecurityConfigs;
pub use self::start_offset::{START_OFFSET_SPEC, StartOffset, StartOffsetError};
pub use self::table::{all, find, is_sensitive, most_similar, nearest};
pub use self::topic_configs::{ALWAYS_SYNCED, OPTIONALLY_SYNCED, OWNED, all_syncable, is_syncable};

/// Minimum probe period that an operator may set.
const LEAST_CHECK: Duration = Duration::from_secs(1);
/// Minimum idle time before a connection is closed, whatever the config says: there are pauses between the
/// requests of one operation.
const LEAST_IDLE: Duration = Duration::from_secs(1);

/// Error of one config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// Name of the config.
    pub name: String,
    /// A whole sentence that names the config.
    pub message: String,
}

/// Configs of the consumer offset sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetSyncConfig {
    /// `consumer.offset.sync.enable`.
    pub enabled: bool,
    /// `consumer.offset.sync.ms`.
    pub period: Duration,
    /// `consumer.offset.group.filters`. `None` if not set: an enabled sync is then misconfigured and syncs
    /// nothing.
    pub filters: Option<NameFilters>,
    /// `consumer.group.prefix.enable`: synced groups get the link's prefix.
    pub prefix_groups: bool,
}

/// Configs of the topic config sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicConfigSyncConfig {
    /// `topic.config.sync.ms`.
    pub period: Duration,
    /// `topic.config.sync.include`, or all syncable configs.
    pub include: Vec<String>,
}

/// Limits of the fetch requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchLimits {
    /// `replica.fetch.max.bytes`: maximum per partition.
    pub partition_bytes: i32,
    /// `replica.fetch.response.max.bytes`: maximum per response.
    pub response_bytes: i32,
    /// `replica.fetch.min.bytes`.
    pub min_bytes: i32,
    /// `replica.fetch.wait.max.ms`.
    pub max_wait: Duration,
    /// `replica.fetch.backoff.ms`.
    pub backoff: Duration,
    /// `replica.socket.timeout.ms`, or `request.timeout.ms` if that is shorter.
    pub timeout: Duration,
    /// `replica.socket.receive.buffer.bytes`. `None` means the system's default.
    pub receive_buffer: Option<usize>,
    /// `num.cluster.link.fetchers`: maximum number of connections to one source broker for a backlog.
    pub connections: usize,
}

/// All configs of a link in typed form, with defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkConfig {
    /// `bootstrap.servers`. Never empty after [`LinkConfig::parse`].
    pub bootstrap_servers: Vec<HostPort>,
    /// `cluster.link.prefix`. Empty for none.
    pub prefix: String,
    /// `cluster.link.paused`.
    pub paused: bool,
    /// `cluster.link.retry.timeout.ms`. `None` means no limit.
    pub retry_timeout: Option<Duration>,
    /// `availability.check.ms`.
    pub availability_check: Duration,
    /// `availability.check.consecutive.failure.threshold`.
    pub availability_failures: u32,
    /// Configs of the consumer offset sync.
    pub offset_sync: OffsetSyncConfig,
    /// Configs of the topic config sync.
    pub topic_config_sync: TopicConfigSyncConfig,
    /// `mirror.start.offset.spec`.
    pub start_offset: StartOffset,
    /// Limits of the fetch requests.
    pub fetch: FetchLimits,
    /// `metadata.max.age.ms`.
    pub metadata_max_age: Duration,
    /// `retry.backoff.ms`.
    pub retry_backoff: Duration,
    /// `request.timeout.ms`.
    pub request_timeout: Duration,
    /// `default.api.timeout.ms`.
    pub api_timeout: Duration,
    /// Security configs for connections to the source.
    pub security: SecurityConfigs,
    /// `connections.max.idle.ms`. `None` means never.
    pub connections_max_idle: Option<Duration>,
    /// `socket.connection.setup.timeout.ms`.
    pub connection_setup_timeout: Duration,
    /// `socket.connection.setup.timeout.max.ms`.
    pub connection_setup_timeout_max: Duration,
}

impl LinkConfig {
    /// Checks a set of configs and converts it to typed form. A missing config has its default.
    ///
    /// # Errors
    /// Returns all errors: first those of single configs, in order of the names.
    pub fn parse(configs: &BTreeMap<String, String>) -> Result<LinkConfig, Vec<ConfigError>> {
        let mut errors: Vec<ConfigError> =
            configs.iter().filter_map(|(name, value)| check(name, value).err()).collect();
        if !configs.contains_key("bootstrap.servers") {
            let message = "Missing required configuration 'bootstrap.servers' which has no default value.";
            errors.push(error("bootstrap.servers", message.into()));
        }
        let values = Values(configs);
        if values.is_true("consumer.group.prefix.enable") && values.text("cluster.link.prefix").is_empty() {
            let message = "consumer.group.prefix.enable=true needs a cluster.link.prefix.";
            errors.push(error("consumer.group.prefix.enable", message.into()));
        }
        if errors.is_empty() { Ok(values.typed()) } else { Err(errors) }
    }

    /// Returns all defaults, without bootstrap servers.
    #[must_use]
    pub fn defaults() -> LinkConfig {
        Values(&BTreeMap::new()).typed()
    }

    /// Returns the name of the mirror topic of a source topic.
    #[must_use]
    pub fn mirror_name(&self, source_topic: &str) -> String {
        format!("{}{source_topic}", self.prefix)
    }
}

/// Checks one config by itself.
///
/// # Errors
/// Fails if the config is unknown (the sentence names the nearest known one) or the value is invalid. The
/// sentence never contains the value of a secret.
pub fn check(name: &str, value: &str) -> Result<(), ConfigError> {
    let Some(def) = find(name) else {
        let hint = nearest(name).map(|known| format!(" Did you mean '{known}'?")).unwrap_or_default();
        return Err(error(name, format!("Unknown link configuration '{name}'.{hint}")));
    };
    def.kind.check(value).map_err(|why| {
        let shown = if def.sensitive { "[hidden]" } else { value };
        error(name, format!("Invalid value {shown} for configuration {name}: {why}."))
    })
}

/// Returns the conflicts in a set of configs that are valid by themselves.
#[must_use]
pub fn conflicts(configs: &BTreeMap<String, String>) -> Vec<ConfigError> {
    let values = Values(configs);
    let mut found = Vec::new();
    let check = values.millis("availability.check.ms");
    if check < LEAST_CHECK {
        let message = format!(
            "availability.check.ms={} must be at least {}: each change of the source's availability is \
             written to the journal.",
            check.as_millis(),
            LEAST_CHECK.as_millis()
        );
        found.push(error("availability.check.ms", message));
    }
    let wait = values.millis("replica.fetch.wait.max.ms");
    for timeout in ["request.timeout.ms", "replica.socket.timeout.ms"] {
        if wait >= values.millis(timeout) {
            let message = format!(
                "replica.fetch.wait.max.ms={} must be less than {timeout}={}: otherwise each fetch without \
                 new records would time out.",
                wait.as_millis(),
                values.text(timeout)
            );
            found.push(error("replica.fetch.wait.max.ms", message));
        }
    }
    let (api, request) = (values.millis("default.api.timeout.ms"), values.millis("request.timeout.ms"));
    if configs.contains_key("default.api.timeout.ms") && api < request {
        let message = format!(
            "default.api.timeout.ms={} must not be less than request.timeout.ms={}.",
            api.as_millis(),
            request.as_millis()
        );
        found.push(error("default.api.timeout.ms", message));
    }
    found
}

/// Returns true if these configs, valid or not, enable the offset sync.
#[must_use]
pub fn is_offset_sync_wanted(configs: &BTreeMap<String, String>) -> bool {
    Values(configs).is_true("consumer.offset.sync.enable")
}

/// Returns the security configs and bootstrap servers of these configs, valid or not. If they change, contact
/// with the source must be tested.
#[must_use]
pub fn way_to_source(configs: &BTreeMap<String, String>) -> (SecurityConfigs, String) {
    (SecurityConfigs::of(configs), Values(configs).text("bootstrap.servers").to_owned())
}

fn error(name: &str, message: String) -> ConfigError {
    ConfigError { name: name.to_owned(), message }
}

/// Returns all error sentences in one text.
#[must_use]
pub fn describe_errors(errors: &[ConfigError]) -> String {
    errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for LinkConfig {
    /// Prints the bootstrap servers, for log lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<String> = self.bootstrap_servers.iter().map(HostPort::to_string).collect();
        f.write_str(&servers.join(","))
    }
}

/// Access to checked values, or their defaults.
struct Values<'a>(&'a BTreeMap<String, String>);

impl Values<'_> {
    fn text(&self, name: &str) -> &str {
        let set = self.0.get(name).map(String::as_str);
        set.or_else(|| find(name).and_then(|def| def.default)).unwrap_or_default().trim()
    }

    fn is_true(&self, name: &str) -> bool {
        kind::boolean(self.text(name)).unwrap_or_default()
    }

    fn number<T: std::str::FromStr + Default>(&self, name: &str) -> T {
        self.text(name).parse().unwrap_or_default()
    }

    fn millis(&self, name: &str) -> Duration {
        Duration::from_millis(self.number(name))
    }

    /// Returns `None` for -1 and any other negative number.
    fn millis_or_never(&self, name: &str) -> Option<Duration> {
        self.text(name).parse().ok().map(Duration::from_millis)
    }

    fn typed(&self) -> LinkConfig {
        let request_timeout = self.millis("request.timeout.ms");
        let fetch_timeout = self.millis("replica.socket.timeout.ms").min(request_timeout);
        let filters = self.text("consumer.offset.group.filters");
        let include: Vec<String> =
            kind::list(self.text("topic.config.sync.include")).map(str::to_owned).collect();
        LinkConfig {
            bootstrap_servers: kind::list(self.text("bootstrap.servers")).flat_map(str::parse).collect(),
            prefix: self.text("cluster.link.prefix").to_owned(),
            paused: self.is_true("cluster.link.paused"),
            retry_timeout: self.millis_or_never("cluster.link.retry.timeout.ms"),
            availability_check: self.millis("availability.check.ms"),
            availability_failures: self.number("availability.check.consecutive.failure.threshold"),
            offset_sync: OffsetSyncConfig {
                enabled: self.is_true("consumer.offset.sync.enable"),
                period: self.millis("consumer.offset.sync.ms"),
                filters: NameFilters::parse_groups(filters).ok(),
                prefix_groups: self.is_true("consumer.group.prefix.enable"),
            },
            topic_config_sync: TopicConfigSyncConfig {
                period: self.millis("topic.config.sync.ms"),
                include: if include.is_empty() { all_syncable() } else { include },
            },
            start_offset: self.text(START_OFFSET_SPEC).parse().unwrap_or_default(),
            fetch: FetchLimits {
                partition_bytes: self.number("replica.fetch.max.bytes"),
                response_bytes: self.number("replica.fetch.response.max.bytes"),
                min_bytes: self.number("replica.fetch.min.bytes"),
                max_wait: self.millis("replica.fetch.wait.max.ms").min(fetch_timeout / 2),
                backoff: self.millis("replica.fetch.backoff.ms"),
                timeout: fetch_timeout,
                receive_buffer: self
                    .text("replica.socket.receive.buffer.bytes")
                    .parse()
                    .ok()
                    .filter(|bytes| *bytes > 0),
                connections: self.number("num.cluster.link.fetchers"),
            },
            metadata_max_age: self.millis("metadata.max.age.ms"),
            retry_backoff: self.millis("retry.backoff.ms"),
            request_timeout,
            api_timeout: self.millis("default.api.timeout.ms").max(request_timeout),
            security: SecurityConfigs::of(self.0),
            connections_max_idle: self
                .millis_or_never("connections.max.idle.ms")
                .map(|idle| idle.max(LEAST_IDLE)),
            connection_setup_timeout: self.millis("socket.connection.setup.timeout.ms"),
            connection_setup_timeout_max: self.millis("socket.connection.setup.timeout.max.ms"),
        }
    }
}

#[cfg(test)]
mod tests;
