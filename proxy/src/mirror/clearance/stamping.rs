//! Compares the journal with its stamp at the start, keeps the stamp, and watches for other Linkgates that
//! write to the topic.

use std::collections::HashMap;
use std::time::Duration;

use state::model::{JournalIdentity, KafkaUuid};
use state::store::Store;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::client::Cluster;
use crate::mirror::clearance::stamp::{Stamp, StampRead, Standing, standing};
use crate::mirror::clearance::stamp_topic::{STAMP_TOPIC, StampError, StampTopic};
use crate::mirror::clearance::{
    Accepted, Clearance, ClearanceCell, Fault, JOURNAL_COPY_RUNS, JOURNAL_DIVERGED, JOURNAL_NOT_ALONE,
    JOURNAL_NOT_CHECKED, JOURNAL_OLD_COPY,
};

/// Time that the start waits for the stamps. A failover must not wait for a topic that has lost its leader.
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// Pause before stamps that could not be read or written are tried again.
const RETRY_BACKOFF: Duration = Duration::from_secs(10);
/// Pause before a retry if the destination denies access: an operator must change that.
const DENIED_BACKOFF: Duration = Duration::from_secs(60);
/// Delay before a decision is stamped, so that decisions made at the same time share one stamp.
const SETTLE_TIME: Duration = Duration::from_millis(300);
/// Interval between two looks for stamps of others.
const CHECK_INTERVAL: Duration = Duration::from_secs(15);
/// Interval at which the stamp is written again, so that others see that this Linkgate is alive.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(300);
/// Age of a stamp from which on its Linkgate no longer counts as running.
const ALIVE_FOR: Duration = Duration::from_secs(900);
/// Minimum interval between two reports about the same journal.
const LOG_INTERVAL: Duration = Duration::from_secs(300);

/// Keeper of one journal's stamp while the daemon runs.
pub(crate) struct Stamping {
    store: Store,
    journal: KafkaUuid,
    topic: StampTopic,
    accepted: Accepted,
    clearance: ClearanceCell,
    instance: Uuid,
    /// The instance whose stamp was found at the start: that of the process before this one.
    before: Option<Uuid>,
    /// Sequence up to which this copy is known to be the newest. `None` until it was read.
    known: Option<u64>,
    /// The last stamp of another copy with other decisions, written while this process runs.
    diverged: Option<StampRead>,
    /// Journals that were reported, and the time of the report.
    told: HashMap<KafkaUuid, Instant>,
}

impl Stamping {
    pub(crate) fn new(
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
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let Some(Some(())) = stop.run_until_cancelled(self.begin()).await else { return };
        let mut written: Option<(Stamp, Instant)> = None;
        let mut failing = false;
        let mut news = self.store.watch();
        loop {
            let _ = news.borrow_and_update();
            let stamp = Stamp::of(&self.store.view(), self.instance);
            let is_due = written.is_none_or(|(last, at)| {
                last.decisions != stamp.decisions || at.elapsed() >= HEARTBEAT_INTERVAL
            });
            let mut look_again = CHECK_INTERVAL;
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
                        "{JOURNAL_NOT_CHECKED}: the journal's stamp is not up to date: {error}"
                    )));
                    look_again = pause_after(&error);
                    // The topic may have been deleted.
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
                    tokio::time::sleep(SETTLE_TIME).await;
                }
            }
        }
    }

    /// Looks for stamps of others. Writes the stamp if it is due and no other copy has diverged. The next
    /// start of this copy is compared with the stamp that stands in the topic. Returns true if the stamp was
    /// written.
    async fn keep(&mut self, stamp: Stamp, is_due: bool) -> Result<bool, StampError> {
        self.look().await?;
        if let Some(other) = self.diverged {
            self.tell_of_diverged(&other);
            return Ok(false);
        }
        self.clearance.set_trouble(None);
        if is_due {
            // Recorded locally first: a stamp in the topic that is newer than `known` counts as one of
            // another copy.
            self.keep_known(stamp.sequence).await;
            self.topic.write(stamp).await?;
        }
        Ok(is_due)
    }

    /// Gives or refuses the clearance. Returns `None` if it is refused: then no stamp is kept.
    async fn begin(&mut self) -> Option<()> {
        let begun = Instant::now();
        let mut told = false;
        let at_start = Stamp::of(&self.store.view(), self.instance);
        loop {
            let checked = tokio::time::timeout(START_TIMEOUT, self.check(at_start)).await;
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
            if (is_denied || begun.elapsed() >= START_TIMEOUT) && !std::mem::replace(&mut told, true) {
                tell_not_checked(&error);
                self.clearance.set(Clearance::Given);
            }
            if told {
                self.clearance.set_trouble(Some(format!(
                    "{JOURNAL_NOT_CHECKED}: it is not known whether the journal is an old copy: {error}"
                )));
            }
            tokio::time::sleep(if told { pause_after(&error) } else { Duration::from_millis(200) }).await;
        }
    }

    /// Returns the sequence up to which this copy was known to be the newest when it started. What it writes
    /// before it has read the stamp does not make it newer.
    async fn known(&mut self, at_start: Stamp) -> u64 {
        if let Some(known) = self.known {
            return known;
        }
        let known = match self.store.stamped().await {
            Ok(Some(stamped)) => stamped.min(at_start.sequence),
            Ok(None) => at_start.sequence,
            Err(error) => {
                warn!(%error, "cannot read up to which record this copy of the journal was stamped");
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
            warn!(%error, "cannot record up to which record this copy of the journal was stamped");
        }
    }

    /// Compares the journal with its stamp. Returns the fault, if there is one.
    async fn check(&mut self, at_start: Stamp) -> Result<Option<Fault>, StampError> {
        let known = self.known(at_start).await;
        self.make_topic().await?;
        let _ = self.topic.read().await?;
        let others: Vec<StampRead> = self.topic.stamps.others().copied().collect();
        others.iter().for_each(|other| self.tell_of_another(other));
        let Some(stamped) = self.topic.stamps.own() else { return Ok(None) };
        self.before = Some(stamped.stamp.instance);
        // The state at the start is compared: commands may have been accepted while the stamp could not be
        // read.
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
                "working with an old copy of the journal, as accepted at the start"
            );
            return Ok(None);
        }
        Ok(Some(fault(self.journal, self.store.view().sequence, found, stamped)))
    }

    /// Reports other Linkgates that have written since the last look.
    async fn look(&mut self) -> Result<(), StampError> {
        for read in self.topic.read().await? {
            if read.journal != self.journal {
                self.tell_of_another(&read);
            } else if read.stamp.instance == self.instance || Some(read.stamp.instance) == self.before {
                self.diverged = None;
            } else if self.is_overtaken_by(&read) {
                // Keep `known` below that stamp, so that this copy is compared with it at the next start.
                self.keep_known(read.stamp.sequence.saturating_sub(1).min(self.known.unwrap_or(u64::MAX)))
                    .await;
                self.diverged = Some(read);
            } else {
                self.diverged = None;
                if self.is_to_be_told(read.journal) {
                    warn!(
                        code = JOURNAL_COPY_RUNS,
                        journal = %self.journal,
                        "another Linkgate works with a copy of this journal; a decision made through one is \
                         not known to the other"
                    );
                }
            }
        }
        Ok(())
    }

    /// Returns true if the other copy has more records than this one, and other decisions. A copy with fewer
    /// records is behind, and is reported as one that runs.
    fn is_overtaken_by(&self, read: &StampRead) -> bool {
        let view = self.store.view();
        read.stamp.sequence > view.sequence && read.stamp.decisions != view.decisions()
    }

    fn tell_of_diverged(&mut self, read: &StampRead) {
        let (own, other) = (self.store.view().sequence, read.stamp.sequence);
        self.clearance.set_trouble(Some(format!(
            "{JOURNAL_DIVERGED}: another Linkgate has worked with a copy of this journal (record {other} \
             there, {own} here), and other decisions were made there; stop one of them"
        )));
        if self.is_to_be_told(read.journal) {
            error!(
                code = JOURNAL_DIVERGED,
                journal = %self.journal,
                own,
                other,
                "another Linkgate has worked with a copy of this journal, and other decisions were made \
                 there: stop one of them; its stamp stays, so this copy will be refused at its next start"
            );
        }
    }

    fn tell_of_another(&mut self, read: &StampRead) {
        let age = crate::clock::now_ms().saturating_sub(read.timestamp);
        let alive = i64::try_from(ALIVE_FOR.as_millis()).unwrap_or(i64::MAX);
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
        self.told.retain(|_, at| now - *at < LOG_INTERVAL);
        let is_news = !self.told.contains_key(&journal);
        if is_news {
            let _ = self.told.insert(journal, now);
        }
        is_news
    }
}

/// Waits until the decisions differ from those of the digest `decisions`. Returns false if the journal was
/// closed.
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
    if matches!(error, StampError::Denied(_)) { DENIED_BACKOFF } else { RETRY_BACKOFF }
}

fn tell_not_kept(error: &StampError) {
    tell_what_is_needed(error);
    warn!(code = JOURNAL_NOT_CHECKED, topic = STAMP_TOPIC, %error, "the journal's stamp is not up to date");
}

fn tell_not_checked(error: &StampError) {
    tell_what_is_needed(error);
    warn!(
        code = JOURNAL_NOT_CHECKED,
        topic = STAMP_TOPIC,
        %error,
        "it is not known whether the journal is an old copy; work begins, and stops if it turns out to be one"
    );
}

fn tell_what_is_needed(error: &StampError) {
    if matches!(error, StampError::Denied(_)) {
        info!(topic = STAMP_TOPIC, "Linkgate needs Create, Describe, Read and Write on this topic");
    }
}

/// Builds the fault. `own` is the sequence that the next start finds.
fn fault(journal: KafkaUuid, own: u64, found: Standing, stamped: StampRead) -> Fault {
    let newest = stamped.stamp.sequence;
    let (code, what) = match found {
        Standing::Diverged => (
            JOURNAL_DIVERGED,
            format!(
                "ends at record {own}, but the one that last worked at this destination ends at {newest}, \
                 and other decisions were made there"
            ),
        ),
        Standing::OldCopy | Standing::Newest => (
            JOURNAL_OLD_COPY,
            format!(
                "ends at record {own}, but the one that last worked at this destination ends at {newest}"
            ),
        ),
    };
    Fault {
        code,
        message: format!(
            "{code}: journal {journal} {what}: this is another copy, and it may treat topics as mirrors \
             that have since been opened for writes. Start with the newest copy of the state directory. If \
             that is lost, find out what was promoted, failed over or deleted since this copy was made, \
             then start once with --accept-old-journal {journal}:{own}."
        ),
    }
}
