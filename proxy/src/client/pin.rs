//! Which cluster the brokers of a client must belong to.
//!
//! An address is no identity: a name may resolve elsewhere tomorrow, a port be re-pointed, a cluster be formatted anew.
//! So each connection of a pinned client first asks its broker for the cluster id (Metadata of no topics, KIP-78), and
//! one of another cluster is asked nothing else. Whoever uses the client cannot tell such a cluster from one that does
//! not answer.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info};

use crate::net::HostPort;

/// A foreign broker that nobody has met again for this long is news of yesterday.
const REMEMBERED: Duration = Duration::from_secs(15);
/// A foreign broker is told this often, however often it is met.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// The id of the cluster that must answer. Clones share it.
#[derive(Clone)]
pub struct ClusterPin(Arc<Pinned>);

struct Pinned {
    whose: String,
    code: &'static str,
    id: OnceLock<String>,
    met: Mutex<Met>,
}

#[derive(Default)]
struct Met {
    foreign: Option<(ForeignCluster, Instant)>,
    told: Option<Instant>,
}

/// A broker of another cluster than the pinned one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignCluster {
    /// Where it answers.
    pub address: HostPort,
    /// The pinned cluster id.
    pub expected: String,
    /// Its own; empty when it names none.
    pub found: String,
}

impl ClusterPin {
    /// A pin that the first broker to answer sets. `whose` (`destination`, `source of link 'dr'`) and `code`, the
    /// stable name of the error, are for the log.
    #[must_use]
    pub fn at_first_contact(whose: impl Into<String>, code: &'static str) -> Self {
        let met = Mutex::default();
        ClusterPin(Arc::new(Pinned { whose: whose.into(), code, id: OnceLock::new(), met }))
    }

    /// A pin to the cluster with this id; to the first that answers where it is empty.
    #[must_use]
    pub fn to(id: &str, whose: impl Into<String>, code: &'static str) -> Self {
        let pin = Self::at_first_contact(whose, code);
        if !id.is_empty() {
            let _ = pin.0.id.set(id.to_owned());
        }
        pin
    }

    /// The pinned id; `None` before the first contact.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.0.id.get().map(String::as_str)
    }

    /// The broker of another cluster that was met lately, unless its address has answered for the right one since.
    #[must_use]
    pub fn foreign(&self) -> Option<ForeignCluster> {
        let met = self.0.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.foreign.as_ref().filter(|(_, at)| at.elapsed() < REMEMBERED).map(|(foreign, _)| foreign.clone())
    }

    /// Whether the broker at `address`, which names cluster `found`, belongs to the cluster; pins it at first contact.
    ///
    /// # Errors
    /// The id that was expected.
    pub(crate) fn admit(&self, address: &HostPort, found: &str) -> Result<(), String> {
        let expected = match self.id() {
            Some(pinned) => pinned,
            None if found.is_empty() => "",
            None => self.0.id.get_or_init(|| found.to_owned()),
        };
        let mut met = self.0.met.lock().unwrap_or_else(PoisonError::into_inner);
        if !found.is_empty() && found == expected {
            if met.foreign.as_ref().is_some_and(|(foreign, _)| foreign.address == *address) {
                met.foreign = None;
                met.told = None;
                info!(cluster = self.0.whose, cluster_id = found, %address, "the right cluster answers again");
            }
            return Ok(());
        }
        let expected = expected.to_owned();
        let foreign =
            ForeignCluster { address: address.clone(), expected: expected.clone(), found: found.to_owned() };
        met.foreign = Some((foreign, Instant::now()));
        if met.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            met.told = Some(Instant::now());
            error!(
                code = self.0.code,
                cluster = self.0.whose,
                %address,
                expected,
                found,
                "another cluster answers; nothing of it is used until the right one is back"
            );
        }
        Err(expected)
    }
}

impl fmt::Debug for ClusterPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterPin({} {:?})", self.0.whose, self.id())
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::ApiKey;

    use super::super::testing::{Scripted, options};
    use super::super::{ClientOptions, Cluster, ErrorKind};
    use super::*;

    fn pinned(scripted: &Scripted, pin: &ClusterPin) -> Cluster {
        let options = ClientOptions { pin: Some(pin.clone()), ..options() };
        Cluster::new(scripted.addresses.clone(), options)
    }

    #[tokio::test]
    async fn another_cluster_is_asked_nothing_but_its_id_and_the_right_one_is_taken_back() {
        // Given brokers of another cluster behind the addresses of a pinned one
        let scripted = Scripted::start(2, |_| None).await;
        scripted.names_cluster("theirs");
        let pin = ClusterPin::to("ours", "destination", "TEST");
        let cluster = pinned(&scripted, &pin);
        // When anything is asked of it: metadata, a broker of its own, a connection for records
        let error = cluster.metadata(None).await.unwrap_err();
        let found = ErrorKind::ForeignCluster {
            address: scripted.addresses[0].clone(),
            expected: "ours".into(),
            found: "theirs".into(),
        };
        assert!(matches!(error.kind(), ErrorKind::ForeignCluster { .. }), "{error}, not {found}");
        assert!(error.retriable());
        assert!(cluster.dedicated(0).await.is_err());
        assert!(cluster.records_at("t", 0, 5).await.is_err());
        // Then nothing was believed, and nobody got a request
        assert!(cluster.cached().is_none());
        let foreign = pin.foreign().unwrap();
        assert_eq!((foreign.expected.as_str(), foreign.found.as_str()), ("ours", "theirs"));
        let only = [ApiKey::ApiVersions, ApiKey::Metadata];
        assert!(scripted.log.lock().unwrap().iter().all(|(_, api)| only.contains(api)));
        // When the right one is back
        scripted.names_cluster("ours");
        let deadline = Instant::now() + Duration::from_secs(10);
        while cluster.metadata(None).await.is_err() {
            assert!(Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Then it goes on by itself
        assert_eq!(cluster.cached().unwrap().cluster_id, "ours");
    }

    #[tokio::test]
    async fn the_first_cluster_that_answers_is_the_one() {
        let scripted = Scripted::start(1, |_| None).await;
        scripted.names_cluster("first");
        let pin = ClusterPin::at_first_contact("destination", "TEST");
        assert!(pinned(&scripted, &pin).metadata(None).await.is_ok());
        assert_eq!(pin.id(), Some("first"));
        // The same pin, other connections
        scripted.names_cluster("second");
        assert!(pinned(&scripted, &pin).metadata(None).await.is_err());
        // A broker that names no cluster is not the right one either.
        scripted.names_cluster("");
        assert!(pinned(&scripted, &pin).metadata(None).await.is_err());
        assert_eq!(pin.foreign().unwrap().found, "");
    }

    #[tokio::test]
    async fn a_connection_whose_broker_changes_sides_is_given_up() {
        let scripted = Scripted::start(1, |_| None).await;
        scripted.names_cluster("ours");
        let pin = ClusterPin::to("ours", "destination", "TEST");
        let cluster = pinned(&scripted, &pin);
        assert!(cluster.metadata(None).await.is_ok());
        let connection = cluster.any().await.unwrap();
        scripted.names_cluster("theirs");
        assert!(cluster.metadata(None).await.is_err());
        assert!(connection.is_closed());
        assert_eq!(cluster.cached().unwrap().cluster_id, "ours");
    }
}
