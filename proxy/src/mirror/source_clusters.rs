//! The clients to the source clusters, one per link, shared by everybody who works for the link.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use state::model::link_config::{LinkConfig, SecurityConfigs};
use state::model::{HostPort, KafkaUuid, Link, LinkError, MirrorTopic};

use super::topic::differs;
use crate::client::admin::FreshTopic;
use crate::client::{
    ClientError, ClientOptions, Cluster, ClusterPin, ErrorKind, Security, Side, TopicMetadata,
};
use crate::net::tls::InvalidSetting;
use crate::wire::error_code::ErrorCode;

/// What a client is made of: other values, another client.
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

/// Topics that look gone, looked at at the same time.
const ASKED_TOGETHER: usize = 8;

/// Name of the error when another cluster answers for a source than its link was made with.
pub const SOURCE_CLUSTER_CHANGED: &str = "SOURCE_CLUSTER_CHANGED";

/// The clients by link. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct SourceClusters(Arc<Mutex<HashMap<(KafkaUuid, Purpose), Built>>>);

/// A client and the configs that it was built by: others make another client.
type Built = (Recipe, Cluster);

/// What a client is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Purpose {
    /// The work of the link.
    Work,
    /// To find out whether the source answers: with connections of its own, since one that hangs would be held against a source that
    /// answers again.
    Probe,
}

impl SourceClusters {
    /// The client of a link with these configs; connects when it is first used.
    #[must_use]
    pub fn of(&self, link: &Link, config: &LinkConfig) -> Cluster {
        self.client(link, Purpose::Work, Recipe::of(config))
    }

    /// The client that asks whether the source of a link answers. A connection on which it does not answer within nearly `within` is given up.
    #[must_use]
    pub fn for_probe(&self, link: &Link, config: &LinkConfig, within: Duration) -> Cluster {
        let recipe = Recipe::of(config);
        // Before the probe ends: the next one has a connection of its own.
        let request_timeout = within.mul_f64(0.9);
        let connect_timeout = within.min(recipe.connect_timeout);
        let connect_timeout_max = connect_timeout;
        let recipe = Recipe { request_timeout, connect_timeout, connect_timeout_max, ..recipe };
        self.client(link, Purpose::Probe, recipe)
    }

    fn client(&self, link: &Link, purpose: Purpose, recipe: Recipe) -> Cluster {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, cluster)) = all.get(&(link.id, purpose))
            && *known == recipe
        {
            return cluster.clone();
        }
        let mut options = recipe.options();
        options.pin = Some(pin(&all, link));
        if purpose == Purpose::Probe {
            // The rhythm is the caller's.
            (options.reconnect_backoff, options.reconnect_backoff_max) = (Duration::ZERO, Duration::ZERO);
        }
        let cluster = Cluster::new(recipe.bootstrap(), options);
        let _ = all.insert((link.id, purpose), (recipe, cluster.clone()));
        cluster
    }

    /// Forgets the clients of a link that is gone.
    pub fn forget(&self, link: KafkaUuid) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(id, _), _| *id != link);
    }
}

/// A client of its own for these configs: for a link that is not recorded yet, so pinned to no cluster.
#[must_use]
pub fn connect(config: &LinkConfig) -> Cluster {
    let recipe = Recipe::of(config);
    Cluster::new(recipe.bootstrap(), recipe.options())
}

/// Both clients of a link are pinned to the cluster that it was made with. A link that was never in contact takes the first
/// cluster that answers either of them, and its probe journals which.
fn pin(all: &HashMap<(KafkaUuid, Purpose), (Recipe, Cluster)>, link: &Link) -> ClusterPin {
    let mut present = all.iter().filter(|((id, _), _)| *id == link.id);
    let present = present.find_map(|(_, (_, cluster))| cluster.options().pin.clone());
    let recorded = link.source_cluster_id.as_str();
    let is_its = |pin: &ClusterPin| recorded.is_empty() || pin.id() == Some(recorded);
    present.filter(is_its).unwrap_or_else(|| {
        ClusterPin::to(recorded, format!("source of link '{}'", link.name), SOURCE_CLUSTER_CHANGED)
    })
}

/// The source topic of a mirror is not there as it was mirrored, or cannot be asked for; for people.
#[derive(Debug, thiserror::Error)]
pub enum NotTheSource {
    /// Nobody answered, or another cluster did.
    #[error("the source does not answer: {0}")]
    Unanswered(#[from] ClientError),
    /// There is no such topic.
    #[error("the source has no topic '{0}'")]
    Missing(String),
    /// Its brokers do not agree on which topic has the name.
    #[error("the source's brokers do not agree on the id of topic '{topic}': {found} and {mirrored}")]
    Disputed {
        /// Its name.
        topic: String,
        /// Its id to some of them.
        found: KafkaUuid,
        /// The id that was mirrored.
        mirrored: KafkaUuid,
    },
    /// There is another topic of the name.
    #[error(
        "the source topic '{topic}' was deleted and created anew: its id is {found}, the mirror is of {mirrored}"
    )]
    Other {
        /// Its name.
        topic: String,
        /// Its id now.
        found: KafkaUuid,
        /// The id that was mirrored.
        mirrored: KafkaUuid,
    },
}

/// Fresh, verified metadata of the source topic of a mirror: of the cluster that the link is pinned to, of the topic
/// that was mirrored, all partitions that any source broker knows, leaders by their highest epochs.
/// [`Cluster::list_offsets`] then asks these leaders under these epochs, so that none that was deposed tells where a
/// log ends.
///
/// # Errors
/// No broker of the right cluster answered, or the topic is missing or another one.
pub async fn fresh_topic(source: &Cluster, mirror: &MirrorTopic) -> Result<Arc<TopicMetadata>, NotTheSource> {
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

/// Which of these mirrors' source topics are not there as they were mirrored, by mirror topic. One question for all of
/// them, and all brokers about those that look gone.
///
/// # Errors
/// No broker answered.
pub async fn lost(
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

/// The client of a link whose configs cannot be used: it connects to nobody, and says why.
#[must_use]
pub fn unusable(reason: &str) -> Cluster {
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

/// How connections to the source are secured.
///
/// # Errors
/// All that is wrong with the configs; none of them was looked for in files.
pub fn security(config: &LinkConfig) -> Result<Security, Vec<InvalidSetting>> {
    of_configs(&config.security)
}

fn of_configs(configs: &SecurityConfigs) -> Result<Security, Vec<InvalidSetting>> {
    Security::parse("link", &|name| configs.get(name).map(str::to_owned))
}

/// The cluster's id, asked for now.
///
/// # Errors
/// No broker answered.
pub async fn cluster_id(cluster: &Cluster) -> Result<String, ClientError> {
    Ok(cluster.metadata(Some(&[])).await?.cluster_id.clone())
}

/// What an error of the source's client says about the link.
#[must_use]
pub fn link_error(error: &ClientError) -> LinkError {
    match error.kind() {
        ErrorKind::Connect { reason, .. }
            if reason.contains("failed to lookup address") || reason.contains("has no address") =>
        {
            LinkError::UnresolvableBootstrapError
        }
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
        let connect =
            |reason: &str| ErrorKind::Connect { address: address.clone(), reason: reason.to_owned() };
        assert_eq!(
            of(connect("failed to lookup address information: Name or service not known")),
            LinkError::UnresolvableBootstrapError
        );
        assert_eq!(of(connect("Connection refused")), LinkError::BootstrapTcpConnectionFailedError);
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
