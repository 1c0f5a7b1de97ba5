//! Whether the journal may be worked by: is the destination the cluster that it is of, and is it the newest copy of
//! itself?
//!
//! Nothing is mirrored, created, stopped or forgotten before that is known. The destination's cluster id is in the
//! journal from the first contact on; that each answer is of that cluster is seen to by the client
//! ([`crate::client::ClusterPin`]). How far the journal has got is kept at the destination, as a stamp ([`stamp`]): a
//! journal that is behind its stamp is an old copy, and would mirror into topics that were opened since.

mod check;
pub mod stamp;
mod stamp_topic;
mod stamping;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use state::model::KafkaUuid;
use tokio::sync::watch;

pub use check::ClearanceCheck;
pub use stamp_topic::STAMP_TOPIC;

/// Name of the error when another cluster answers for the destination than the journal is of.
pub const DESTINATION_CLUSTER_CHANGED: &str = "DESTINATION_CLUSTER_CHANGED";
/// Name of the error when a journal that names no destination yet has mirror topics of which the destination knows
/// none.
pub const DESTINATION_CLUSTER_UNKNOWN: &str = "DESTINATION_CLUSTER_UNKNOWN";
/// Name of the error when the journal is an old copy of itself.
pub const JOURNAL_OLD_COPY: &str = "JOURNAL_OLD_COPY";
/// Name of the error when the journal and its stamp have gone different ways.
pub const JOURNAL_DIVERGED: &str = "JOURNAL_DIVERGED";
/// Name of the warning when another Linkgate works by a copy of the journal.
pub const JOURNAL_COPY_RUNS: &str = "JOURNAL_COPY_RUNS";
/// Name of the warning when another journal guards mirror topics of the same destination.
pub const JOURNAL_NOT_ALONE: &str = "JOURNAL_NOT_ALONE";
/// Name of the warning when the journal cannot be held against its stamp.
pub const JOURNAL_NOT_CHECKED: &str = "JOURNAL_NOT_CHECKED";

/// Why the journal may not be worked by, for people; they have to do something about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Stable name, as the documentation has it.
    pub code: &'static str,
    /// What is wrong, and the way out.
    pub message: String,
}

/// Whether the journal may be worked by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Clearance {
    /// Not known yet: the destination has not answered.
    #[default]
    Awaited,
    /// It may.
    Given,
    /// It may not, until somebody has done something about it.
    Refused(Fault),
}

/// The clearance as it is now, for all who must have it, and what is known of the stamp meanwhile. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ClearanceCell {
    now: watch::Sender<Clearance>,
    trouble: Arc<ArcSwapOption<String>>,
    /// Id of the topic that holds the stamps; zero while it is not known.
    topic_id: watch::Sender<KafkaUuid>,
}

impl ClearanceCell {
    /// One that is given, where nothing checks.
    #[must_use]
    pub fn unchecked() -> Self {
        ClearanceCell { now: watch::Sender::new(Clearance::Given), ..Self::default() }
    }

    /// As it is now.
    #[must_use]
    pub fn now(&self) -> Clearance {
        self.now.borrow().clone()
    }

    /// What is wrong with the stamp of the journal, in one sentence: it is not kept, or another copy has gone another
    /// way.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.load_full().map(|trouble| trouble.to_string())
    }

    /// Id of the topic that holds the stamps, as it becomes known: clients may name the topic by it.
    #[must_use]
    pub fn topic_id(&self) -> watch::Receiver<KafkaUuid> {
        self.topic_id.subscribe()
    }

    pub(super) fn set_topic_id(&self, id: KafkaUuid) {
        let _ = self.topic_id.send_if_modified(|known| std::mem::replace(known, id) != id);
    }

    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        self.trouble.store(trouble.map(Arc::new));
    }

    pub(super) fn set(&self, clearance: Clearance) {
        let _ = self.now.send_replace(clearance);
    }

    /// Waits until it is given.
    pub(super) async fn given(&self) {
        // The sender lives as long as this.
        let _ = self.now.subscribe().wait_for(|now| *now == Clearance::Given).await;
    }

    /// Waits until it is not given any more.
    pub(super) async fn withdrawn(&self) {
        let _ = self.now.subscribe().wait_for(|now| *now != Clearance::Given).await;
    }
}

/// What an operator said at the start about a change that would be refused otherwise. Each names the change it is
/// about, so that one that is left in a unit file allows no other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// `OLD:NEW`: the journal of destination OLD (empty where it names none) goes on with cluster NEW.
    pub cluster_change: Option<(String, String)>,
    /// `JOURNAL:SEQUENCE`: the journal with this id is worked by as it stands at this sequence, whatever its stamp
    /// says.
    pub old_journal: Option<(String, u64)>,
}

impl Accepted {
    /// Reads `OLD:NEW`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn cluster_change(text: &str) -> Result<(String, String), String> {
        match text.split_once(':') {
            Some((old, new)) if !new.is_empty() && !new.contains(':') => Ok((old.to_owned(), new.to_owned())),
            _ => {
                Err("expected OLD:NEW, two cluster ids (OLD is empty where the journal names none)"
                    .to_owned())
            }
        }
    }

    /// Reads `JOURNAL:SEQUENCE`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn old_journal(text: &str) -> Result<(String, u64), String> {
        text.split_once(':')
            .and_then(|(id, sequence)| Some((id.to_owned(), sequence.parse().ok()?)))
            .filter(|(id, _)| !id.is_empty())
            .ok_or_else(|| "expected JOURNAL:SEQUENCE, as the error names them".to_owned())
    }

    /// The cluster that the destination must be, for a journal that names `recorded` (empty for none): empty where the
    /// first that answers is the one.
    #[must_use]
    pub fn destination(&self, recorded: &str) -> String {
        match &self.cluster_change {
            Some((old, new)) if old == recorded => new.clone(),
            _ => recorded.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_is_one_change_and_no_other() {
        let change =
            |text| Accepted { cluster_change: Accepted::cluster_change(text).ok(), ..Accepted::default() };
        assert_eq!(change("a:b").destination("a"), "b");
        assert_eq!(change("a:b").destination("b"), "b");
        assert_eq!(change("a:b").destination("c"), "c");
        assert_eq!(change("a:b").destination(""), "");
        assert_eq!(change(":b").destination(""), "b");
        for wrong in ["", "a", "a:", ":", "a:b:c"] {
            assert!(Accepted::cluster_change(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Accepted::old_journal("J:17"), Ok(("J".to_owned(), 17)));
        for wrong in ["", "J", "J:", ":1", "J:x", "J:-1"] {
            assert!(Accepted::old_journal(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn clearance_is_waited_for_and_may_be_withdrawn() {
        let cell = ClearanceCell::default();
        let waits = tokio::spawn({
            let cell = cell.clone();
            async move {
                cell.given().await;
                cell.withdrawn().await;
            }
        });
        cell.set(Clearance::Given);
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        let refused = Clearance::Refused(Fault { code: JOURNAL_OLD_COPY, message: "old".into() });
        cell.set(refused.clone());
        waits.await.unwrap();
        assert_eq!(cell.now(), refused);
    }
}
