//! Checks the identity of the destination: learns its cluster id, and checks that the journal belongs to that
//! cluster. Then `stamping` compares the journal with its stamp and gives the clearance.

use std::convert::Infallible;
use std::time::Duration;

use state::model::{Change, JournalIdentity, KafkaUuid, MirrorTopic, View};
use state::store::{Store, TransactError};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::client::{ClientError, Cluster, ErrorKind};
use crate::mirror::clearance::stamping::Stamping;
use crate::mirror::clearance::{Accepted, Clearance, ClearanceCell, DESTINATION_CLUSTER_UNKNOWN, Fault};
use crate::mirror::clusters;

/// Maximum pause between two requests for the destination's cluster id.
const MAX_LEARN_BACKOFF: Duration = Duration::from_secs(2);
/// Interval between requests for the destination's identity, also when nothing is mirrored.
const CHECK_INTERVAL: Duration = Duration::from_secs(3);
/// Time for which a destination may know none of the mirror topics. A cluster that just started may not know
/// its topics yet.
const UNKNOWN_AFTER: Duration = Duration::from_secs(10);

/// The task that decides the clearance.
#[derive(Debug, Clone)]
pub(crate) struct ClearanceCheck {
    store: Store,
    destination: Cluster,
    accepted: Accepted,
    clearance: ClearanceCell,
}

impl ClearanceCheck {
    /// Creates a check of the journal in `store` in front of `destination`. The client of `destination` must
    /// be pinned to the cluster id that [`Accepted::destination`] returns.
    #[must_use]
    pub(crate) fn new(
        store: Store,
        destination: Cluster,
        accepted: Accepted,
        clearance: ClearanceCell,
    ) -> Self {
        ClearanceCheck { store, destination, accepted, clearance }
    }

    /// Decides the clearance once the destination answers. Then watches the destination until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
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

    /// Waits until the destination answers as the expected cluster. Returns its cluster id.
    async fn learn(&self) -> String {
        let mut pause = Duration::from_millis(100);
        loop {
            match clusters::cluster_id(&self.destination).await {
                Ok(id) => return id,
                // The pin of the client has reported this already.
                Err(error) if matches!(error.kind(), ErrorKind::ForeignCluster { .. }) => {}
                Err(error) => warn!(%error, "the destination does not answer yet"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_LEARN_BACKOFF);
        }
    }

    /// Asks the destination for its identity at intervals. So another cluster behind its addresses is noticed
    /// even if nothing else is asked of it.
    async fn watch(&self, stop: CancellationToken) {
        loop {
            let asked = async {
                // Errors are ignored: tasks that need an answer report them.
                let _answer = self.destination.metadata(Some(&[])).await;
                tokio::time::sleep(CHECK_INTERVAL).await;
            };
            if stop.run_until_cancelled(asked).await.is_none() {
                return;
            }
        }
    }

    /// Ensures that the journal names this destination.
    async fn identify(&self, id: &str) -> Result<JournalIdentity, Fault> {
        loop {
            let view = self.store.view();
            match &view.identity {
                Some(identity) if identity.destination_cluster_id == id => return Ok(identity.clone()),
                // The operator accepted this change at the start. Otherwise the client would refuse all
                // answers of this cluster.
                Some(identity) => {
                    warn!(
                        from = identity.destination_cluster_id,
                        to = id,
                        "the journal continues with another destination, as accepted at the start"
                    );
                }
                None if self.accepted.destination("") == id => {}
                None => self.look_for_mirrors(&view, id).await?,
            }
            match self.journal(id).await {
                Ok(identity) => return Ok(identity),
                Err(error) => {
                    error!(%error, "the destination's cluster id could not be recorded in the journal")
                }
            }
            tokio::time::sleep(MAX_LEARN_BACKOFF).await;
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

    /// Checks the mirror topics of a journal whose version did not keep the destination's id. If there are
    /// any, the cluster must know at least one of them by its id.
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
                Ok(false) if begun.elapsed() >= UNKNOWN_AFTER => break,
                Ok(false) => {}
                Err(error) => warn!(%error, "the destination's topics cannot be listed"),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let code = DESTINATION_CLUSTER_UNKNOWN;
        Err(Fault {
            code,
            message: format!(
                "{code}: the journal has {} mirror topics, but cluster '{id}' has none of them: \
                 bootstrap.servers may point to another cluster than that of the journal. If it is the right \
                 one, start once with --accept-cluster-change :{id}; mirrors whose topics are gone are then \
                 forgotten.",
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
