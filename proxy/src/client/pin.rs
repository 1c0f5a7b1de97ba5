//! Pins a client to one cluster.
//!
//! An address is not an identity: a name may resolve to another host later, a port may be redirected, a
//! cluster may be formatted again. So each connection of a pinned client first asks its broker for the
//! cluster id (Metadata without topics, KIP-78). A broker of another cluster gets no other request. Callers
//! get a retriable error, as for a cluster that does not answer.

use parking_lot::Mutex;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info};

use crate::net::HostPort;

/// Time after which a foreign broker that was not met again is forgotten.
const VERDICT_MAX_AGE: Duration = Duration::from_secs(15);
/// Minimum interval between two log messages about foreign brokers.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

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
    /// The address at which it answers.
    pub address: HostPort,
    /// The pinned cluster id.
    pub expected: String,
    /// Its own cluster id; empty if it names none.
    pub found: String,
}

impl ClusterPin {
    /// Makes a pin that the first broker to answer sets. `whose` (`destination`, `source of link 'dr'`) and
    /// `code`, the stable name of the error, appear in the log.
    #[must_use]
    pub fn at_first_contact(whose: impl Into<String>, code: &'static str) -> Self {
        let met = Mutex::default();
        ClusterPin(Arc::new(Pinned { whose: whose.into(), code, id: OnceLock::new(), met }))
    }

    /// Makes a pin to the cluster with this id. If the id is empty, the first broker to answer sets it.
    #[must_use]
    pub fn to(id: &str, whose: impl Into<String>, code: &'static str) -> Self {
        let pin = Self::at_first_contact(whose, code);
        if !id.is_empty() {
            let _ = pin.0.id.set(id.to_owned());
        }
        pin
    }

    /// Returns the pinned id; `None` before the first contact.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.0.id.get().map(String::as_str)
    }

    /// Returns the broker of another cluster that was met recently, unless the right cluster has answered at
    /// its address since then.
    #[must_use]
    pub fn foreign(&self) -> Option<ForeignCluster> {
        let met = self.0.met.lock();
        met.foreign
            .as_ref()
            .filter(|(_, at)| at.elapsed() < VERDICT_MAX_AGE)
            .map(|(foreign, _)| foreign.clone())
    }

    /// Checks that the broker at `address`, which answered with cluster id `found`, belongs to the cluster.
    /// The first answer sets an unset pin.
    ///
    /// # Errors
    /// Returns the expected id.
    pub(crate) fn admit(&self, address: &HostPort, found: &str) -> Result<(), String> {
        let expected = match self.id() {
            Some(pinned) => pinned,
            None if found.is_empty() => "",
            None => self.0.id.get_or_init(|| found.to_owned()),
        };
        let mut met = self.0.met.lock();
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
        if met.told.is_none_or(|told| told.elapsed() >= LOG_INTERVAL) {
            met.told = Some(Instant::now());
            error!(
                code = self.0.code,
                cluster = self.0.whose,
                %address,
                expected,
                found,
                "another cluster answers at this address; it is not used"
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

    use super::*;
    use crate::client::test_support::{Scripted, options};
    use crate::client::{ClientOptions, Cluster, ErrorKind};

    fn pinned(scripted: &Scripted, pin: &ClusterPin) -> Cluster {
        let options = ClientOptions { pin: Some(pin.clone()), ..options() };
        Cluster::new(scripted.addresses.clone(), options)
    }

    #[tokio::test]
    async fn another_cluster_is_asked_only_for_its_id_and_the_right_one_is_accepted_again() {
        // Given brokers of another cluster at the addresses of a pinned one
        let scripted = Scripted::start(2, |_| None).await;
        scripted.names_cluster("theirs");
        let pin = ClusterPin::to("ours", "destination", "TEST");
        let cluster = pinned(&scripted, &pin);
        // When it is asked for metadata, a dedicated connection, and records
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
        // Then nothing was cached, and no broker got another request
        assert!(cluster.cached().is_none());
        let foreign = pin.foreign().unwrap();
        assert_eq!((foreign.expected.as_str(), foreign.found.as_str()), ("ours", "theirs"));
        let only = [ApiKey::ApiVersions, ApiKey::Metadata];
        assert!(scripted.log.lock().unwrap().iter().all(|(_, api)| only.contains(api)));
        // When the right cluster is back
        scripted.names_cluster("ours");
        let deadline = Instant::now() + Duration::from_secs(10);
        while cluster.metadata(None).await.is_err() {
            assert!(Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Then the client recovers by itself
        assert_eq!(cluster.cached().unwrap().cluster_id, "ours");
    }

    #[tokio::test]
    async fn the_first_cluster_that_answers_is_pinned() {
        let scripted = Scripted::start(1, |_| None).await;
        scripted.names_cluster("first");
        let pin = ClusterPin::at_first_contact("destination", "TEST");
        assert!(pinned(&scripted, &pin).metadata(None).await.is_ok());
        assert_eq!(pin.id(), Some("first"));
        // The same pin, new connections
        scripted.names_cluster("second");
        assert!(pinned(&scripted, &pin).metadata(None).await.is_err());
        // A broker that names no cluster is refused, too.
        scripted.names_cluster("");
        assert!(pinned(&scripted, &pin).metadata(None).await.is_err());
        assert_eq!(pin.foreign().unwrap().found, "");
    }

    #[tokio::test]
    async fn a_connection_whose_broker_changes_its_cluster_is_closed() {
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
