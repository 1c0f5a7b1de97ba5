//! Gives the clearance: learns the destination's cluster id, sees to it that the journal is of that cluster, and holds
//! the journal against its stamp.

use std::convert::Infallible;
use std::time::Duration;

use state::model::{Change, JournalIdentity, KafkaUuid, MirrorTopic, View};
use state::store::{Store, TransactError};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::stamping::Stamping;
use super::{Accepted, Clearance, ClearanceCell, DESTINATION_CLUSTER_UNKNOWN, Fault};
use crate::client::{ClientError, Cluster, ErrorKind};
use crate::mirror::source_clusters;

/// Longest pause between two questions for the destination's cluster id.
const LEARN_PAUSE_MAX: Duration = Duration::from_secs(2);
/// The destination is asked who it is this often, also when nothing is mirrored.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// A cluster that just started may not know its topics yet.
const UNKNOWN_FOR: Duration = Duration::from_secs(10);

/// What gives the clearance.
#[derive(Debug, Clone)]
pub struct ClearanceCheck {
    store: Store,
    destination: Cluster,
    accepted: Accepted,
    clearance: ClearanceCell,
}

impl ClearanceCheck {
    /// A check of the journal in `store` in front of `destination`, which is pinned to what [`Accepted::destination`]
    /// says.
    #[must_use]
    pub fn new(store: Store, destination: Cluster, accepted: Accepted, clearance: ClearanceCell) -> Self {
        ClearanceCheck { store, destination, accepted, clearance }
    }

    /// Checks once the destination answers, and then watches until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let Some(id) = stop.run_until_cancelled(self.learn()).await else { return };
        info!(cluster_id = id, "destination reached");
        let identified = stop.run_until_cancelled(self.identify(&id)).await;
        let identity = match identified {
            None => return,
            Some(Ok(identity)) => identity,
            Some(Err(fault)) => {
                error!(
                    code = fault.code,
                    reason = fault.message,
                    "nothing is mirrored, stopped or forgotten"
                );
                self.clearance.set(Clearance::Refused(fault));
                return self.watch(stop).await;
            }
        };
        let stamping = Stamping::new(
            self.store.clone(),
            &identity,
            self.destination.clone(),
            self.accepted.clone(),
            self.clearance.clone(),
        );
        let ((), ()) = tokio::join!(stamping.run(stop.clone()), self.watch(stop));
    }

    /// The cluster id of the destination, once it answers as the cluster that it should be.
    async fn learn(&self) -> String {
        let mut pause = Duration::from_millis(100);
        loop {
            match source_clusters::cluster_id(&self.destination).await {
                Ok(id) => return id,
                // The pin of the client has told of it.
                Err(error) if matches!(error.kind(), ErrorKind::ForeignCluster { .. }) => {}
                Err(error) => warn!(%error, "the destination does not answer yet"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LEARN_PAUSE_MAX);
        }
    }

    /// Asks the destination who it is again and again, so that another cluster behind its addresses is noticed also
    /// when nothing else is asked of it.
    async fn watch(&self, stop: CancellationToken) {
        loop {
            let asked = async {
                // Whoever needs an answer tells of its absence.
                let _answer = self.destination.metadata(Some(&[])).await;
                tokio::time::sleep(LOOK_EVERY).await;
            };
            if stop.run_until_cancelled(asked).await.is_none() {
                return;
            }
        }
    }

    /// Sees to it that the journal names this destination.
    async fn identify(&self, id: &str) -> Result<JournalIdentity, Fault> {
        loop {
            let view = self.store.view();
            match &view.identity {
                Some(identity) if identity.destination_cluster_id == id => return Ok(identity.clone()),
                // Accepted at the start, or the client would have taken no answer of this cluster.
                Some(identity) => {
                    warn!(
                        from = identity.destination_cluster_id,
                        to = id,
                        "the journal goes on with another destination, as was accepted at the start"
                    );
                }
                None if self.accepted.destination("") == id => {}
                None => self.look_for_mirrors(&view, id).await?,
            }
            match self.journal(id).await {
                Ok(identity) => return Ok(identity),
                Err(error) => error!(%error, "the destination's cluster id is not journaled"),
            }
            tokio::time::sleep(LEARN_PAUSE_MAX).await;
        }
    }

    async fn journal(&self, id: &str) -> Result<JournalIdentity, TransactError<Infallible>> {
        let why = format!("the destination is cluster '{id}'");
        let id = id.to_owned();
        let identify = move |view: &View, _: i64| {
            let journal = view.identity.as_ref().map_or_else(KafkaUuid::random, |known| known.id);
            let identity = JournalIdentity { id: journal, destination_cluster_id: id };
            Ok((vec![Change::PutIdentity(identity.clone())], identity))
        };
        self.store.transact("engine", &why, identify).await
    }

    /// A journal of a version that did not keep the destination's id: the cluster must know some mirror topic of it, if
    /// there are any.
    async fn look_for_mirrors(&self, view: &View, id: &str) -> Result<(), Fault> {
        let made: Vec<&MirrorTopic> =
            view.mirrors.values().filter(|mirror| mirror.local_topic_id != KafkaUuid::ZERO).collect();
        if made.is_empty() {
            return Ok(());
        }
        let begun = tokio::time::Instant::now();
        loop {
            match self.knows_any(&made).await {
                Ok(true) => return Ok(()),
                Ok(false) if begun.elapsed() >= UNKNOWN_FOR => break,
                Ok(false) => {}
                Err(error) => warn!(%error, "the destination does not tell its topics"),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let code = DESTINATION_CLUSTER_UNKNOWN;
        Err(Fault {
            code,
            message: format!(
                "{code}: the journal has {} mirror topics, and cluster '{id}' knows none of them by its id: \
                 bootstrap.servers may lead to another cluster than the journal is of. If it is the right one, start once \
                 with --accept-cluster-change :{id}; the mirrors whose topics are gone are forgotten then.",
                made.len()
            ),
        })
    }

    async fn knows_any(&self, mirrors: &[&MirrorTopic]) -> Result<bool, ClientError> {
        let names: Vec<String> = mirrors.iter().map(|mirror| mirror.topic.clone()).collect();
        let found = self.destination.metadata(Some(&names)).await?;
        Ok(mirrors
            .iter()
            .any(|mirror| found.topic(&mirror.topic).is_some_and(|topic| topic.id == mirror.local_topic_id)))
    }
}
