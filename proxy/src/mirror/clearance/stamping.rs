//! Holds the journal against its stamp at the start, keeps the stamp, and watches for others who write to the topic.

use std::collections::HashMap;
use std::time::Duration;

use state::model::{JournalIdentity, KafkaUuid};
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
/// The same where the destination does not allow it: somebody has to change that.
const DENIED_RETRY: Duration = Duration::from_secs(60);
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
    /// The instance whose stamp stood there at the start: that of the process before this one.
    before: Option<Uuid>,
    /// Up to which record this copy is known to be the newest, once that is read.
    known: Option<u64>,
    /// The last stamp of another copy in which something else was decided, written while this one runs.
    diverged: Option<Read>,
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
            before: None,
            known: None,
            diverged: None,
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
            let kept = stop.run_until_cancelled(self.keep(stamp, is_due)).await;
            match kept {
                None => return,
                Some(Ok(is_written)) => {
                    failing = false;
                    if is_written {
                        written = Some((stamp, Instant::now()));
                    }
                }
                Some(Err(error)) => {
                    if !std::mem::replace(&mut failing, true) {
                        tell_not_kept(&error);
                    }
                    self.clearance.set_trouble(Some(format!(
                        "{JOURNAL_NOT_CHECKED}: the journal's stamp is not kept: {error}"
                    )));
                    look_again = pause_after(&error);
                    // It may have been deleted.
                    let _ = stop.run_until_cancelled(self.make_topic()).await;
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

    /// Looks for others, and writes the stamp if it is due and no other copy has gone another way: whose stamp stands
    /// there is what the next start of this one is held against. Whether it was written.
    async fn keep(&mut self, stamp: Stamp, is_due: bool) -> Result<bool, StampError> {
        self.look().await?;
        if let Some(other) = self.diverged {
            self.tell_of_diverged(&other);
            return Ok(false);
        }
        self.clearance.set_trouble(None);
        if is_due {
            // First here: a stamp that stands there and is not known here would be another copy's.
            self.keep_known(stamp.sequence).await;
            self.topic.write(stamp).await?;
        }
        Ok(is_due)
    }

    /// Gives or refuses the clearance. `None` when there is nothing to keep after that.
    async fn begin(&mut self) -> Option<()> {
        let begun = Instant::now();
        let mut told = false;
        let at_start = Stamp::of(&self.store.view(), self.instance);
        loop {
            let checked = tokio::time::timeout(START_WAITS, self.check(at_start)).await;
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
                Ok(Err(error)) => error,
                Err(_) => StampError::Unreadable("the destination does not answer".to_owned()),
            };
            let is_denied = matches!(error, StampError::Denied(_));
            if (is_denied || begun.elapsed() >= START_WAITS) && !std::mem::replace(&mut told, true) {
                tell_not_checked(&error);
                self.clearance.set(Clearance::Given);
            }
            if told {
                self.clearance.set_trouble(Some(format!(
                    "{JOURNAL_NOT_CHECKED}: whether the journal is an old copy is not known: {error}"
                )));
            }
            tokio::time::sleep(if told { pause_after(&error) } else { Duration::from_millis(200) }).await;
        }
    }

    /// Up to which record this copy was known to be the newest when it started: nothing that it writes by itself
    /// before it has looked at the stamp makes it newer.
    async fn known(&mut self, at_start: Stamp) -> u64 {
        if let Some(known) = self.known {
            return known;
        }
        let known = match self.store.stamped().await {
            Ok(Some(stamped)) => stamped.min(at_start.sequence),
            Ok(None) => at_start.sequence,
            Err(error) => {
                warn!(%error, "what this copy of the journal has stamped cannot be read");
                at_start.sequence
            }
        };
        self.keep_known(known).await;
        known
    }

    async fn make_topic(&self) -> Result<(), StampError> {
        self.clearance.set_topic_id(self.topic.make().await?);
        Ok(())
    }

    async fn keep_known(&mut self, known: u64) {
        if self.known.replace(known) != Some(known)
            && let Err(error) = self.store.set_stamped(known).await
        {
            warn!(%error, "what this copy of the journal has stamped is not kept");
        }
    }

    /// Holds the journal against its stamp; what is wrong with it, where something is.
    async fn check(&mut self, at_start: Stamp) -> Result<Option<Fault>, StampError> {
        let known = self.known(at_start).await;
        self.make_topic().await?;
        let _ = self.topic.read().await?;
        let others: Vec<Read> = self.topic.stamps.others().copied().collect();
        others.iter().for_each(|other| self.tell_of_another(other));
        let Some(stamped) = self.topic.stamps.own() else { return Ok(None) };
        self.before = Some(stamped.stamp.instance);
        // Commands may have been taken while the stamp could not be read; what this copy is, it was at the start.
        let found = standing(at_start, known, stamped.stamp);
        if found == Standing::Newest {
            return Ok(None);
        }
        let accepted = (self.journal.to_string(), at_start.sequence);
        if self.accepted.old_journal.as_ref() == Some(&accepted) {
            warn!(
                journal = %self.journal,
                sequence = at_start.sequence,
                stamped = stamped.stamp.sequence,
                "an old copy of the journal is worked by, as was accepted at the start"
            );
            return Ok(None);
        }
        Ok(Some(fault(self.journal, self.store.view().sequence, found, stamped)))
    }

    /// Tells of others who have written since the last look.
    async fn look(&mut self) -> Result<(), StampError> {
        for read in self.topic.read().await? {
            if read.journal != self.journal {
                self.tell_of_another(&read);
            } else if read.stamp.instance == self.instance || Some(read.stamp.instance) == self.before {
                self.diverged = None;
            } else if self.is_overtaken_by(&read) {
                // At the next start this copy is held against that stamp.
                self.keep_known(read.stamp.sequence.saturating_sub(1).min(self.known.unwrap_or(u64::MAX)))
                    .await;
                self.diverged = Some(read);
            } else {
                self.diverged = None;
                if self.is_to_be_told(read.journal) {
                    warn!(
                        code = JOURNAL_COPY_RUNS,
                        journal = %self.journal,
                        "another Linkgate works by a copy of this journal; what is decided through one, the other does not know"
                    );
                }
            }
        }
        Ok(())
    }

    /// Whether more was written through another copy than through this one, and something else decided. A copy that
    /// has fewer records is behind, and is told as one that runs.
    fn is_overtaken_by(&self, read: &Read) -> bool {
        let view = self.store.view();
        read.stamp.sequence > view.sequence && read.stamp.decisions != view.decisions()
    }

    fn tell_of_diverged(&mut self, read: &Read) {
        let (own, other) = (self.store.view().sequence, read.stamp.sequence);
        self.clearance.set_trouble(Some(format!(
            "{JOURNAL_DIVERGED}: another Linkgate has worked by a copy of this journal (record {other} there, {own} here), and \
             something else was decided there; stop one of them"
        )));
        if self.is_to_be_told(read.journal) {
            error!(
                code = JOURNAL_DIVERGED,
                journal = %self.journal,
                own,
                other,
                "another Linkgate has worked by a copy of this journal, and something else was decided there: stop one of them; its \
                 stamp stays, so this copy will be refused at its next start"
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

fn pause_after(error: &StampError) -> Duration {
    if matches!(error, StampError::Denied(_)) { DENIED_RETRY } else { RETRY }
}

fn tell_not_kept(error: &StampError) {
    tell_what_is_needed(error);
    warn!(code = JOURNAL_NOT_CHECKED, topic = STAMP_TOPIC, %error, "the journal's stamp is not kept");
}

fn tell_not_checked(error: &StampError) {
    tell_what_is_needed(error);
    warn!(
        code = JOURNAL_NOT_CHECKED,
        topic = STAMP_TOPIC,
        %error,
        "whether the journal is an old copy is not known; work begins, and ends again if it turns out to be one"
    );
}

fn tell_what_is_needed(error: &StampError) {
    if matches!(error, StampError::Denied(_)) {
        info!(topic = STAMP_TOPIC, "what is needed: Create, Describe, Read and Write on this topic");
    }
}

/// `own` is the sequence that the next start finds.
fn fault(journal: KafkaUuid, own: u64, found: Standing, stamped: Read) -> Fault {
    let newest = stamped.stamp.sequence;
    let (code, what) = match found {
        Standing::Diverged => (
            JOURNAL_DIVERGED,
            format!(
                "ends at record {own}, and the one that last worked at this destination at {newest}, and something else was \
                 decided there"
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
