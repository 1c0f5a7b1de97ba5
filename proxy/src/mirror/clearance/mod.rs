//! Clearance to work by the journal. The destination must be the cluster that the journal belongs to, and the
//! journal must be its newest copy.
//!
//! Nothing is mirrored, created, stopped or forgotten before the first is known, and the second is known or
//! cannot be: a destination that denies access to the stamp, or has not shown it for 15 s, is worked for all
//! the same, with a warning. The destination's cluster id is
//! in the journal from the first contact on. The client ([`crate::client::ClusterPin`]) checks that each
//! answer comes from that cluster. The position of the journal is kept at the destination, as a stamp
//! ([`stamp`]). A journal that is behind its stamp is an old copy, and would mirror into topics that were
//! opened since.

pub(crate) mod check;
pub(crate) mod stamp;
pub(crate) mod stamp_topic;
pub(crate) mod stamping;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use state::model::KafkaUuid;
use tokio::sync::watch;

pub(crate) use self::check::ClearanceCheck;

/// Name of the error: another cluster than the journal's answers for the destination.
pub(crate) const DESTINATION_CLUSTER_CHANGED: &str = "DESTINATION_CLUSTER_CHANGED";
/// Name of the error: the journal names no destination yet, and the destination knows none of its mirror
/// topics.
pub(crate) const DESTINATION_CLUSTER_UNKNOWN: &str = "DESTINATION_CLUSTER_UNKNOWN";
/// Name of the error: the journal is an old copy of itself.
pub(crate) const JOURNAL_OLD_COPY: &str = "JOURNAL_OLD_COPY";
/// Name of the error: the journal and its stamp have diverged.
pub(crate) const JOURNAL_DIVERGED: &str = "JOURNAL_DIVERGED";
/// Name of the warning: another Linkgate works by a copy of the journal.
pub(crate) const JOURNAL_COPY_RUNS: &str = "JOURNAL_COPY_RUNS";
/// Name of the warning: another journal guards mirror topics of the same destination.
pub(crate) const JOURNAL_NOT_ALONE: &str = "JOURNAL_NOT_ALONE";
/// Name of the warning: the journal cannot be compared with its stamp.
pub(crate) const JOURNAL_NOT_CHECKED: &str = "JOURNAL_NOT_CHECKED";

/// Reason why the journal may not be used. An operator must act on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Stable name, as in the documentation.
    pub code: &'static str,
    /// Description of the problem and its remedy, for operators.
    pub message: String,
}

/// Decision whether the journal may be used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Clearance {
    /// Not decided yet: the destination has not answered.
    #[default]
    Awaited,
    /// The journal may be used.
    Given,
    /// The journal may not be used until an operator acts.
    Refused(Fault),
}

/// The current clearance, shared by all tasks that need it, and the trouble with the stamp. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ClearanceCell {
    now: watch::Sender<Clearance>,
    trouble: Arc<ArcSwapOption<String>>,
    /// Id of the topic that holds the stamps. Zero while it is not known.
    topic_id: watch::Sender<KafkaUuid>,
}

impl ClearanceCell {
    /// Returns a cell whose clearance is given, for use without a check.
    #[must_use]
    pub fn unchecked() -> Self {
        ClearanceCell { now: watch::Sender::new(Clearance::Given), ..Self::default() }
    }

    /// Returns the current clearance.
    #[must_use]
    pub fn now(&self) -> Clearance {
        self.now.borrow().clone()
    }

    /// Returns the trouble with the journal's stamp, in one sentence: it is not kept, or another copy has
    /// diverged.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.load_full().map(|trouble| trouble.to_string())
    }

    /// Returns a receiver for the id of the topic that holds the stamps. Clients may name the topic by its
    /// id.
    #[must_use]
    pub fn topic_id(&self) -> watch::Receiver<KafkaUuid> {
        self.topic_id.subscribe()
    }

    pub(crate) fn set_topic_id(&self, id: KafkaUuid) {
        let _ = self.topic_id.send_if_modified(|known| std::mem::replace(known, id) != id);
    }

    pub(crate) fn set_trouble(&self, trouble: Option<String>) {
        self.trouble.store(trouble.map(Arc::new));
    }

    pub(crate) fn set(&self, clearance: Clearance) {
        let _ = self.now.send_replace(clearance);
    }

    /// Waits until the clearance is given.
    pub(crate) async fn given(&self) {
        // This cannot fail: `self` keeps the sender alive.
        let _ = self.now.subscribe().wait_for(|now| *now == Clearance::Given).await;
    }

    /// Waits until the clearance is no longer given.
    pub(crate) async fn withdrawn(&self) {
        let _ = self.now.subscribe().wait_for(|now| *now != Clearance::Given).await;
    }
}

/// Changes that the operator accepted at the start, and that would be refused otherwise. Each names its
/// change exactly, so that an option left in a unit file allows no other change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// `OLD:NEW`: the journal of destination OLD (empty if it names none) goes on with cluster NEW.
    pub cluster_change: Option<(String, String)>,
    /// `JOURNAL:SEQUENCE`: the journal with this id may be used as it is at this sequence, whatever its stamp
    /// says.
    pub old_journal: Option<(String, u64)>,
}

impl Accepted {
    /// Parses `OLD:NEW`.
    ///
    /// # Errors
    /// Fails if the text is malformed. The error says what is expected.
    pub fn cluster_change(text: &str) -> Result<(String, String), String> {
        match text.split_once(':') {
            Some((old, new)) if !new.is_empty() && !new.contains(':') => Ok((old.to_owned(), new.to_owned())),
            _ => Err("expected OLD:NEW, two cluster ids (OLD is empty if the journal has none)".to_owned()),
        }
    }

    /// Parses `JOURNAL:SEQUENCE`.
    ///
    /// # Errors
    /// Fails if the text is malformed. The error says what is expected.
    pub fn old_journal(text: &str) -> Result<(String, u64), String> {
        text.split_once(':')
            .and_then(|(id, sequence)| Some((id.to_owned(), sequence.parse().ok()?)))
            .filter(|(id, _)| !id.is_empty())
            .ok_or_else(|| "expected JOURNAL:SEQUENCE, as the error prints them".to_owned())
    }

    /// Returns the cluster id that the destination must have, for a journal that names `recorded` (empty if
    /// it names none). If the result is empty, the first cluster that answers is taken.
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
    fn an_accepted_change_allows_no_other_change() {
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
