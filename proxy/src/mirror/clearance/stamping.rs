//! Holds the journal against its stamp at the start, keeps the stamp, and watches for others who write to the topic.

use std::collections::HashMap;
use std::time::Duration;

use state::model::{JournalIdentity, KafkaUuid, View};
use state::store::Store;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use uuid::Uuid;

use super::stamp::{Read, Stamp, Standing, standing};
use super::stamp_topic::{STAMP_TOPIC, StampError, StampTopic};
use super::{
    Accepted, Clearance, ClearanceCell, Fault, JOURNAL_COPY_RUNS, JOURNAL_DIVERGED, JOURNAL_NOT_ALONE,
    JOURNAL_NOT_CHECKED, JOURNAL_OLD_COPY,
};
use crate::client::Cluster;

/// So long the start waits for the stamps. A failover must not wait for a topic that has lost its leader.
const START_WAITS: Duration = Duration::from_secs(15);
/// Pause before stamps that could not be read or written are tried again.
const RETRY: Duration = Duration::from_secs(10);
/// What is decided at the same time is stamped once.
const SETTLES: Duration = Duration::from_millis(300);
/// Others are looked for this often.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// The stamp is written anew this often, so that others see who is alive.
const BEAT: Duration = Duration::from_secs(300);
/// A stamp that is older than this is of nobody who runs.
const ALIVE: Duration = Duration::from_secs(900);
/// The same of another is told this often.
const TOLD_EVERY: Duration = Duration::from_secs(300);

/// The stamp of one journal, as long as the daemon runs.
pub(super) struct Stamping {
    store: Store,
    journal: KafkaUuid,
    topic: StampTopic,
    accepted: Accepted,
    clearance: ClearanceCell,
    instance: Uuid,
    /// Others that were told of, and when.
    told: HashMap<KafkaUuid, Instant>,
}

impl Stamping {
    pub(super) fn new(
        store: Store,
        identity: &JournalIdentity,
        destination: Cluster,
        accepted: Accepted,
        clearance: ClearanceCell,
    ) -> Self {
        Stamping {
            store,
            journal: identity.id,
            topic: StampTopic::new(destination, identity.id),
            accepted,
            clearance,
            instance: Uuid::new_v4(),
            told: HashMap::new(),
        }
    }

    /// Gives the clearance or refuses it, and keeps the stamp until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let Some(Some(())) = stop.run_until_cancelled(self.begin()).await else { return };
        let mut written: Option<(Stamp, Instant)> = None;
        let mut failing = false;
        let mut news = self.store.watch();
        loop {
            let _ = news.borrow_and_update();
            let stamp = Stamp::of(&self.store.view(), self.instance);
            let is_due =
                written.is_none_or(|(last, at)| last.decisions != stamp.decisions || at.elapsed() >= BEAT);
            let mut look_again = LOOK_EVERY;
            let done = stop.run_until_cancelled(async {
                if is_due {
                    self.topic.write(stamp).await?;
                }
                self.look().await
            });
            match done.await {
                None => return,
                Some(Ok(())) => {
                    failing = false;
                    if is_due {
                        written = Some((stamp, Instant::now()));
                    }
                }
                Some(Err(StampError::Denied(error))) => {
                    return tell_denied(&error);
                }
                Some(Err(error)) => {
                    if !std::mem::replace(&mut failing, true) {
                        warn!(code = JOURNAL_NOT_CHECKED, topic = STAMP_TOPIC, %error, "the journal's stamp is not kept");
                    }
                    look_again = RETRY;
                    // It may have been deleted.
                    let _ = stop.run_until_cancelled(self.topic.make()).await;
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(look_again) => {}
                moved = decided(&self.store, &mut news, stamp.decisions), if !failing => {
                    if !moved {
                        return;
                    }
                    tokio::time::sleep(SETTLES).await;
                }
            }
        }
    }

    /// Gives or refuses the clearance. `None` when there is nothing to keep after that.
    async fn begin(&mut self) -> Option<()> {
        let begun = Instant::now();
        let mut told = false;
        loop {
            let checked = tokio::time::timeout(START_WAITS, self.check()).await;
            let error = match checked {
                Ok(Ok(None)) => {
                    self.clearance.set(Clearance::Given);
                    return Some(());
                }
                Ok(Ok(Some(fault))) => {
                    error!(
                        code = fault.code,
                        reason = fault.message,
                        "nothing is mirrored, stopped or forgotten"
                    );
                    self.clearance.set(Clearance::Refused(fault));
                    return None;
                }
                Ok(Err(StampError::Denied(error))) => {
                    tell_denied(&error);
                    self.clearance.set(Clearance::Given);
                    return None;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "the destination does not answer".to_owned(),
            };
            if begun.elapsed() >= START_WAITS && !std::mem::replace(&mut told, true) {
                warn!(
                    code = JOURNAL_NOT_CHECKED,
                    topic = STAMP_TOPIC,
                    error,
                    "whether the journal is an old copy is not known; work begins, and ends again if it turns out to be one"
                );
                self.clearance.set(Clearance::Given);
            }
            tokio::time::sleep(if told { RETRY } else { Duration::from_millis(200) }).await;
        }
    }

    /// Holds the journal against its stamp; what is wrong with it, where something is.
    async fn check(&mut self) -> Result<Option<Fault>, StampError> {
        self.topic.make().await?;
        let _ = self.topic.read().await?;
        let others: Vec<Read> = self.topic.stamps.others().copied().collect();
        others.iter().for_each(|other| self.tell_of_another(other));
        let Some(stamped) = self.topic.stamps.own() else { return Ok(None) };
        let view = self.store.view();
        let own = Stamp::of(&view, self.instance);
        let found = standing(own, stamped.stamp);
        if found == Standing::Newest {
            return Ok(None);
        }
        let accepted = (self.journal.to_string(), view.sequence);
        if self.accepted.old_journal.as_ref() == Some(&accepted) {
            warn!(
                journal = %self.journal,
                sequence = view.sequence,
                stamped = stamped.stamp.sequence,
                "an old copy of the journal is worked by, as was accepted at the start"
            );
            return Ok(None);
        }
        Ok(Some(fault(self.journal, &view, found, stamped)))
    }

    /// Tells of others who have written since the last look.
    async fn look(&mut self) -> Result<(), StampError> {
        for read in self.topic.read().await? {
            if read.journal != self.journal {
                self.tell_of_another(&read);
            } else if read.stamp.instance != self.instance && self.is_to_be_told(read.journal) {
                self.tell_of_a_copy(&read);
            }
        }
        Ok(())
    }

    fn tell_of_a_copy(&self, read: &Read) {
        let view = self.store.view();
        let (own, other) = (view.sequence, read.stamp.sequence);
        if read.stamp.decisions == view.decisions() {
            warn!(
                code = JOURNAL_COPY_RUNS,
                journal = %self.journal,
                "another Linkgate works by a copy of this journal; what is decided through one, the other does not know"
            );
        } else {
            error!(
                code = JOURNAL_DIVERGED,
                journal = %self.journal,
                own,
                other,
                "another Linkgate works by a copy of this journal, and something else was decided there; stop one of them"
            );
        }
    }

    fn tell_of_another(&mut self, read: &Read) {
        let age = crate::clock::now_ms().saturating_sub(read.timestamp);
        let alive = i64::try_from(ALIVE.as_millis()).unwrap_or(i64::MAX);
        if age < alive && self.is_to_be_told(read.journal) {
            warn!(
                code = JOURNAL_NOT_ALONE,
                other = %read.journal,
                own = %self.journal,
                "another journal guards mirror topics of this destination: neither gateway refuses writes to the mirror topics of the other"
            );
        }
    }

    fn is_to_be_told(&mut self, journal: KafkaUuid) -> bool {
        let now = Instant::now();
        self.told.retain(|_, at| now - *at < TOLD_EVERY);
        let is_news = !self.told.contains_key(&journal);
        if is_news {
            let _ = self.told.insert(journal, now);
        }
        is_news
    }
}

/// Waits until something else is decided than what `decisions` is the digest of. False when the journal has ended.
async fn decided(store: &Store, news: &mut tokio::sync::watch::Receiver<u64>, decisions: Uuid) -> bool {
    loop {
        if news.changed().await.is_err() {
            return false;
        }
        let _ = news.borrow_and_update();
        if store.view().decisions() != decisions {
            return true;
        }
    }
}

fn tell_denied(error: &crate::client::ClientError) {
    info!(topic = STAMP_TOPIC, "what is needed: Create, Describe, Read and Write on this topic");
    warn!(
        code = JOURNAL_NOT_CHECKED,
        topic = STAMP_TOPIC,
        %error,
        "no stamp of the journal is kept at the destination: an old copy of the journal will not be noticed"
    );
}

fn fault(journal: KafkaUuid, view: &View, found: Standing, stamped: Read) -> Fault {
    let (own, newest) = (view.sequence, stamped.stamp.sequence);
    let (code, what) = match found {
        Standing::Diverged => (
            JOURNAL_DIVERGED,
            format!(
                "ends at record {own} like the one that last worked at this destination, but something else was decided there"
            ),
        ),
        Standing::OldCopy | Standing::Newest => (
            JOURNAL_OLD_COPY,
            format!("ends at record {own}, and the one that last worked at this destination at {newest}"),
        ),
    };
    Fault {
        code,
        message: format!(
            "{code}: journal {journal} {what}: this is another copy, and it may take topics for mirrors that were opened \
             for writes since. Start with the newest copy of the state directory. Where that is lost, look at what was \
             promoted, failed over or deleted since this copy was made, then start once with \
             --accept-old-journal {journal}:{own}."
        ),
    }
}
