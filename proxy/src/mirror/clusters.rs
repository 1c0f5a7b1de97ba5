//! Clients to the source clusters, one per link and purpose. All tasks that work for a link share them.

use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use state::model::link_config::{LinkConfig, SecurityConfigs};
use state::model::{HostPort, KafkaUuid, Link, LinkError, MirrorTopic};

use crate::client::admin::FreshTopic;
use crate::client::{
    ClientError, ClientOptions, Cluster, ClusterPin, ErrorKind, Security, Side, TopicMetadata,
};
use crate::mirror::topic_ids::differs;
use crate::net::tls::invalid::InvalidSetting;
use crate::wire::protocol::error_code::ErrorCode;

/// Settings that a client is built from. If they change, a new client is built.
#[derive(Debug, Clone, PartialEq)]
struct Recipe {
    bootstrap_servers: Vec<HostPort>,
    security: SecurityConfigs,
    request_timeout: Duration,
    connect_timeout: Duration,
    connect_timeout_max: Duration,
    api_timeout: Duration,
    retry_backoff: Duration,
    max_idle: Option<Duration>,
    receive_buffer: Option<usize>,
}

/// Maximum number of topics that are checked at the same time because they look gone.
const ASKED_TOGETHER: usize = 8;

/// Name of the error: another cluster than the link's answers for the source.
pub(crate) const SOURCE_CLUSTER_CHANGED: &str = "SOURCE_CLUSTER_CHANGED";

/// The clients by link and purpose. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct SourceClusters(Arc<Mutex<HashMap<(KafkaUuid, Purpose), Built>>>);

/// A client and the settings that it was built from.
type Built = (Recipe, Cluster);

/// Purpose of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Purpose {
    /// All work of the link except probes.
    Work,
    /// Probing whether the source answers. Probes have their own connections: a shared one that hangs would
    /// count against a source that answers again.
    Probe,
}

impl SourceClusters {
    /// Returns the client of a link with these configs. It connects when it is first used.
    #[must_use]
    pub fn of(&self, link: &Link, config: &LinkConfig) -> Cluster {
        self.client(link, Purpose::Work, Recipe::of(config))
    }

    /// Returns the client that probes whether the source of a link answers. It gives up a connection that
    /// does not answer within 0.9 × `within`.
    #[must_use]
    pub fn for_probe(&self, link: &Link, config: &LinkConfig, within: Duration) -> Cluster {
        let recipe = Recipe::of(config);
        // Shorter than the probe, so that the next probe opens a new connection.
        let request_timeout = within.mul_f64(0.9);
        let connect_timeout = within.min(recipe.connect_timeout);
        let connect_timeout_max = connect_timeout;
        let recipe = Recipe { request_timeout, connect_timeout, connect_timeout_max, ..recipe };
        self.client(link, Purpose::Probe, recipe)
    }

    fn client(&self, link: &Link, purpose: Purpose, recipe: Recipe) -> Cluster {
        let mut all = self.0.lock();
        if let Some((known, cluster)) = all.get(&(link.id, purpose))
            && *known == recipe
        {
            return cluster.clone();
        }
        let mut options = recipe.options();
        options.pin = Some(pin(&all, link));
        if purpose == Purpose::Probe {
            // No backoff: the caller decides when to connect.
            (options.reconnect_backoff, options.reconnect_backoff_max) = (Duration::ZERO, Duration::ZERO);
        }
        let cluster = Cluster::new(recipe.bootstrap(), options);
        let _ = all.insert((link.id, purpose), (recipe, cluster.clone()));
        cluster
    }

    /// Forgets the clients of a deleted link.
    pub fn forget(&self, link: KafkaUuid) {
        let mut all = self.0.lock();
        all.retain(|(id, _), _| *id != link);
    }
}

/// Creates a separate client for these configs. It is for a link that is not recorded yet, so it is pinned to
/// no cluster.
#[must_use]
pub(crate) fn connect(config: &LinkConfig) -> Cluster {
    let recipe = Recipe::of(config);
    Cluster::new(recipe.bootstrap(), recipe.options())
}

/// Returns the pin of both clients of a link: the cluster that the link was created with. A link without any
/// contact so far takes the first cluster that answers either client, and its probe journals the id.
fn pin(all: &HashMap<(KafkaUuid, Purpose), (Recipe, Cluster)>, link: &Link) -> ClusterPin {
    let mut present = all.iter().filter(|((id, _), _)| *id == link.id);
    let present = present.find_map(|(_, (_, cluster))| cluster.options().pin.clone());
    let recorded = link.source_cluster_id.as_str();
    let is_its = |pin: &ClusterPin| recorded.is_empty() || pin.id() == Some(recorded);
    present.filter(is_its).unwrap_or_else(|| {
        ClusterPin::to(recorded, format!("source of link '{}'", link.name), SOURCE_CLUSTER_CHANGED)
    })
}

/// Reasons why the source topic of a mirror is not usable: it is not the mirrored one, or its metadata cannot
/// be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTheSource {
    /// No broker answered, or another cluster did.
    #[error("the source does not answer: {0}")]
    Unanswered(#[from] ClientError),
    /// The topic does not exist.
    #[error("the source has no topic '{0}'")]
    Missing(String),
    /// The source's brokers do not agree on the id of the topic.
    #[error("the source's brokers do not agree on the id of topic '{topic}': {found} and {mirrored}")]
    Disputed {
        /// Name of the topic.
        topic: String,
        /// Topic id according to some of the brokers.
        found: KafkaUuid,
        /// Topic id that was mirrored.
        mirrored: KafkaUuid,
    },
    /// The name belongs to another topic now.
    #[error(
        "the source topic '{topic}' was deleted and created again: its id is {found}, the mirror was made \
         from {mirrored}"
    )]
    Other {
        /// Name of the topic.
        topic: String,
        /// Current topic id.
        found: KafkaUuid,
        /// Topic id that was mirrored.
        mirrored: KafkaUuid,
    },
}

/// Fetches fresh, verified metadata of the source topic of a mirror: from the cluster that the link is pinned
/// to, of the topic that was mirrored, with all partitions that any source broker knows, and the leaders with
/// the highest epochs. [`Cluster::list_offsets`] then asks these leaders under these epochs, so that no
/// deposed leader answers with its log end.
///
/// # Errors
/// Fails if no broker of the right cluster answered, or the topic is missing or another one.
pub(crate) async fn fresh_topic(
    source: &Cluster,
    mirror: &MirrorTopic,
) -> Result<Arc<TopicMetadata>, NotTheSource> {
    let topic = &mirror.source_topic;
    match source.fresh_topic(topic, mirror.source_topic_id).await? {
        FreshTopic::Same(found) => Ok(found),
        FreshTopic::Missing => Err(NotTheSource::Missing(topic.clone())),
        FreshTopic::Other(found) => {
            Err(NotTheSource::Other { topic: topic.clone(), found, mirrored: mirror.source_topic_id })
        }
        FreshTopic::Disputed(found) => {
            Err(NotTheSource::Disputed { topic: topic.clone(), found, mirrored: mirror.source_topic_id })
        }
    }
}

/// Returns the mirrors whose source topics are gone or are not the mirrored ones, by mirror topic. One
/// request covers all of them; then all brokers are asked about those that look gone.
///
/// # Errors
/// Fails if no broker answered.
pub(crate) async fn lost(
    source: &Cluster,
    mirrors: &[MirrorTopic],
) -> Result<BTreeMap<String, NotTheSource>, ClientError> {
    if mirrors.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names: Vec<String> = mirrors.iter().map(|mirror| mirror.source_topic.clone()).collect();
    let known = source.metadata(Some(&names)).await?;
    let looks_gone = |mirror: &&MirrorTopic| {
        known.topic(&mirror.source_topic).is_none_or(|found| {
            differs(found.id, mirror.source_topic_id)
                || found.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        })
    };
    let asked = mirrors
        .iter()
        .filter(looks_gone)
        .map(|mirror| async move { Some((mirror.topic.clone(), fresh_topic(source, mirror).await.err()?)) });
    let asked: Vec<_> = asked.collect();
    let found: Vec<_> = futures::stream::iter(asked).buffer_unordered(ASKED_TOGETHER).collect().await;
    Ok(found.into_iter().flatten().collect())
}

/// Returns the client of a link whose configs cannot be used. It connects to no broker. Its errors say why.
#[must_use]
pub(crate) fn unusable(reason: &str) -> Cluster {
    let mut options = ClientOptions::new(Side::Source);
    options.security = Security::barred(reason);
    Cluster::new(vec![crate::net::HostPort::new("", 0)], options)
}

impl Recipe {
    fn of(config: &LinkConfig) -> Recipe {
        Recipe {
            bootstrap_servers: config.bootstrap_servers.clone(),
            security: config.security.clone(),
            request_timeout: config.request_timeout,
            connect_timeout: config.connection_setup_timeout,
            connect_timeout_max: config.connection_setup_timeout_max,
            api_timeout: config.api_timeout,
            retry_backoff: config.retry_backoff,
            max_idle: config.connections_max_idle,
            receive_buffer: config.fetch.receive_buffer,
        }
    }

    fn bootstrap(&self) -> Vec<crate::net::HostPort> {
        let there = |server: &HostPort| crate::net::HostPort::new(&server.host, server.port);
        self.bootstrap_servers.iter().map(there).collect()
    }

    fn options(&self) -> ClientOptions {
        let mut options = ClientOptions::new(Side::Source);
        options.request_timeout = self.request_timeout;
        options.connect_timeout = self.connect_timeout;
        options.connect_timeout_max = self.connect_timeout_max;
        options.api_timeout = self.api_timeout;
        options.retry_backoff = self.retry_backoff;
        options.max_idle = self.max_idle;
        options.socket.receive_buffer = self.receive_buffer;
        options.security = of_configs(&self.security).unwrap_or_else(Security::unusable);
        options
    }
}

/// Returns the security settings of connections to the source.
///
/// # Errors
/// Returns all errors in the configs. Files that the configs name are not read here.
pub(crate) fn security(config: &LinkConfig) -> Result<Security, Vec<InvalidSetting>> {
    of_configs(&config.security)
}

fn of_configs(configs: &SecurityConfigs) -> Result<Security, Vec<InvalidSetting>> {
    Security::parse("link", &|name| configs.get(name).map(str::to_owned))
}

/// Asks the cluster for its id.
///
/// # Errors
/// Fails if no broker answered.
pub(crate) async fn cluster_id(cluster: &Cluster) -> Result<String, ClientError> {
    Ok(cluster.metadata(Some(&[])).await?.cluster_id.clone())
}

/// Maps an error of the source's client to an error of the link.
#[must_use]
pub(crate) fn link_error(error: &ClientError) -> LinkError {
    match error.kind() {
        ErrorKind::Unresolvable { .. } => LinkError::UnresolvableBootstrapError,
        ErrorKind::ForeignCluster { .. } => LinkError::Unknown,
        ErrorKind::Connect { .. } | ErrorKind::Lost { .. } => LinkError::BootstrapTcpConnectionFailedError,
        ErrorKind::Authentication { .. } => LinkError::AuthenticationError,
        ErrorKind::Timeout { .. } => LinkError::TimeoutError,
        ErrorKind::Kafka { code: ErrorCode::SASL_AUTHENTICATION_FAILED, .. } => {
            LinkError::AuthenticationError
        }
        _ => LinkError::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_link_error() {
        let address = crate::net::HostPort::new("h", 9092);
        let of = |kind| link_error(&ClientError::new(Side::Source, kind));
        let unknown = ErrorKind::Unresolvable { address: address.clone(), reason: "no such name".into() };
        assert_eq!(of(unknown), LinkError::UnresolvableBootstrapError);
        let refused = ErrorKind::Connect { address: address.clone(), reason: "Connection refused".into() };
        assert_eq!(of(refused), LinkError::BootstrapTcpConnectionFailedError);
        let untrusted =
            ErrorKind::Authentication { address: address.clone(), reason: "UnknownIssuer".into() };
        assert_eq!(of(untrusted), LinkError::AuthenticationError);
        let late = ErrorKind::Timeout {
            address: address.clone(),
            api: "Metadata".into(),
            within: Duration::from_secs(1),
        };
        assert_eq!(of(late), LinkError::TimeoutError);
        let refused = ErrorKind::Kafka {
            address,
            api: "SaslAuthenticate".into(),
            code: ErrorCode::SASL_AUTHENTICATION_FAILED,
            message: String::new(),
        };
        assert_eq!(of(refused), LinkError::AuthenticationError);
    }
}
