//! The clients to the source clusters, one per link, shared by everybody who works for the link.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use state::model::link_config::{LinkConfig, SecurityConfigs};
use state::model::{HostPort, KafkaUuid, Link, LinkError, MirrorTopic};

use crate::client::admin::FreshTopic;
use crate::client::{
    ClientError, ClientOptions, Cluster, ClusterPin, ErrorKind, Security, Side, TopicMetadata,
};
use crate::net::tls::InvalidSetting;
use crate::wire::error_code::ErrorCode;

/// What a client is made of: other values, another client.
type Recipe = (Vec<HostPort>, Duration, Duration, SecurityConfigs);

/// Name of the error when another cluster answers for a source than its link was made with.
pub const SOURCE_CLUSTER_CHANGED: &str = "SOURCE_CLUSTER_CHANGED";

/// The clients by link. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct SourceClusters(Arc<Mutex<HashMap<KafkaUuid, (Recipe, Cluster)>>>);

impl SourceClusters {
    /// The client of a link with these configs; connects when it is first used.
    #[must_use]
    pub fn of(&self, link: &Link, config: &LinkConfig) -> Cluster {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((recipe, cluster)) = all.get(&link.id)
            && *recipe == recipe_of(config)
        {
            return cluster.clone();
        }
        // Pinned to the cluster that the link was made with; a link that was never in contact takes the first one, and
        // its probe journals which.
        let whose = format!("source of link '{}'", link.name);
        let pin = ClusterPin::to(&link.source_cluster_id, whose, SOURCE_CLUSTER_CHANGED);
        let cluster = client(config, Some(pin));
        let _ = all.insert(link.id, (recipe_of(config), cluster.clone()));
        cluster
    }

    /// Forgets the client of a link that is gone.
    pub fn forget(&self, link: KafkaUuid) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = all.remove(&link);
    }
}

/// A client of its own for these configs: for a link that is not recorded yet, so pinned to no cluster.
#[must_use]
pub fn connect(config: &LinkConfig) -> Cluster {
    client(config, None)
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

fn client(config: &LinkConfig, pin: Option<ClusterPin>) -> Cluster {
    let mut options = ClientOptions::new(Side::Source);
    options.request_timeout = config.request_timeout;
    options.connect_timeout = config.connection_setup_timeout;
    options.pin = pin;
    options.security = security(config).unwrap_or_else(Security::unusable);
    let bootstrap = config
        .bootstrap_servers
        .iter()
        .map(|server| crate::net::HostPort::new(&server.host, server.port))
        .collect();
    Cluster::new(bootstrap, options)
}

/// How connections to the source are secured.
///
/// # Errors
/// All that is wrong with the configs; none of them was looked for in files.
pub fn security(config: &LinkConfig) -> Result<Security, Vec<InvalidSetting>> {
    Security::parse("link", &|name| config.security.get(name).map(str::to_owned))
}

/// The cluster's id, asked for now.
///
/// # Errors
/// No broker answered.
pub async fn cluster_id(cluster: &Cluster) -> Result<String, ClientError> {
    Ok(cluster.metadata(Some(&[])).await?.cluster_id.clone())
}

fn recipe_of(config: &LinkConfig) -> Recipe {
    let (request, setup) = (config.request_timeout, config.connection_setup_timeout);
    (config.bootstrap_servers.clone(), request, setup, config.security.clone())
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
