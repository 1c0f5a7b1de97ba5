//! Looks into mixed and cleaned batches on their way to a client: what they take is charged before it is taken, bounded for
//! each answer, and spent off the async workers.
//!
//! A few bytes may become very many: whoever can write to a source decides what the batches of a mirror hold.

use tokio::sync::Semaphore;

use crate::wire::batch::{Codec, RawBatch};
use crate::wire::densify::DensifyError;
use crate::wire::sift::{Sifted, largest_result, sift, working_memory};

use super::budget::Hold;
use super::complaints::Complaints;
use super::fetch_filter::Look;
use super::framed::FrameReader;

/// Most bytes that one batch may become when it is decompressed. What mirroring writes of its own stays well below: it
/// re-encodes batches of up to 128 MiB, and sentinels and deltas come on top.
pub(super) const BATCH_LIMIT: u64 = 192 << 20;
/// Decompressed bytes after which no further batch of an answer is looked into. Default fetches of ordinary topics stay below.
const ANSWER_LIMIT: u64 = 64 << 20;
/// Batches looked into at the same time, for all clients: the rest of the machine's time belongs to others.
static SIFTERS: Semaphore = Semaphore::const_new(2);
static COMPLAINTS: Complaints = Complaints::new();

/// The looks of one answer.
pub(super) struct Sifting<'a> {
    /// Whom the memory is charged to; `None` for what is held already and only tested.
    charged: Option<&'a mut FrameReader>,
    /// Bytes of the answer that are charged, those that looking has added included.
    held: usize,
    /// Decompressed bytes that are left to spend; `None` where an answer must not be cut.
    left: Option<u64>,
}

impl<'a> Sifting<'a> {
    /// For an answer of which `held` bytes are charged to `reader`. Once it has cost enough, the batches that are left are
    /// for later.
    pub(super) fn charged(reader: &'a mut FrameReader, held: usize) -> Self {
        Sifting { charged: Some(reader), held, left: Some(ANSWER_LIMIT) }
    }

    /// Looks at everything, at once and at nobody's cost: for tests and fuzzing.
    pub(super) fn free() -> Self {
        Sifting { charged: None, held: 0, left: None }
    }

    /// From here on every batch is looked into: nothing of this answer may be left out.
    pub(super) fn look_into_all(&mut self) {
        self.left = None;
    }

    /// What is left of a batch.
    pub(super) async fn look(&mut self, batch: &RawBatch) -> Look {
        if self.left == Some(0) {
            return Look::Later;
        }
        let before = self.charged.as_ref().map_or(0, |reader| reader.charged());
        let done = match &mut self.charged {
            None => sift(batch, BATCH_LIMIT),
            Some(reader) => {
                reader.charge(self.held.saturating_add(largest_result(batch))).await;
                match look_within(reader.hold_for_look(), batch).await {
                    Some(done) => done,
                    None => return Look::Later,
                }
            }
        };
        let spent = done.as_ref().map_or(BATCH_LIMIT, |(_, read)| *read);
        self.left = self.left.map(|left| left.saturating_sub(spent.max(1)));
        match done {
            Ok((sifted, _)) => {
                if let Sifted::Records(bytes) = &sifted {
                    self.held += bytes.len();
                }
                self.give_back_rest(before);
                Look::Sifted(sifted)
            }
            Err(error) => {
                self.give_back_rest(before);
                if let Some(untold) = COMPLAINTS.may_tell("unreadable batch") {
                    tracing::warn!(%error, untold, "a batch with filler passes as it is: it cannot be read");
                }
                Look::Unreadable
            }
        }
    }

    /// Beside what was charged `before` the look, only what has come out of it stays charged.
    fn give_back_rest(&mut self, before: usize) {
        let held = self.held.max(before);
        if let Some(reader) = &mut self.charged {
            reader.discharge(held);
        }
    }
}

/// Looks into a batch when it is its turn; `None` where the runtime is shutting down.
///
/// The turn comes before the memory for the work: those who wait for their turn hold none. They cannot lock each other
/// out: whoever has its turn waits for nothing but that memory, which is of the budget, or beyond it for one look at a
/// time. That one goes on and ends, and the next has the overdraft then. So every turn ends, whoever waits for one gets
/// it, and its frame goes on, too. What comes out is charged before the turn, like the frame: nothing is waited for
/// afterwards.
async fn look_within(mut memory: Hold, batch: &RawBatch) -> Option<Result<(Sifted, u64), DensifyError>> {
    if batch.header.codec() == Codec::None {
        // No more work than there are bytes; others get their turn in between.
        tokio::task::yield_now().await;
        return Some(sift(batch, BATCH_LIMIT));
    }
    // The semaphore is never closed.
    let turn = SIFTERS.acquire().await;
    memory.grow_to(working_memory(batch)).await;
    let batch = batch.clone();
    // The work cannot be cancelled: it keeps its turn and its memory to its end, also when the connection is gone.
    let look = move || {
        let _ends = (turn, memory);
        sift(&batch, BATCH_LIMIT)
    };
    match tokio::task::spawn_blocking(look).await {
        Ok(done) => Some(done),
        Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
        // The runtime is shutting down.
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::metrics::gauge::Gauge;

    use super::super::budget::Budget;
    use super::super::connection::Connections;
    use super::super::fetch_filter::tests::{mixed, sparse_source};
    use super::super::framed::Account;
    use super::super::metrics::Traffic;
    use super::super::ticks::Ticks;
    use super::super::upstream::Target;
    use super::*;

    const MIB: usize = 1 << 20;
    /// Bytes of an answer.
    const ANSWER: usize = 100_000;

    fn budget(bytes: usize) -> (Budget, Gauge) {
        let in_use = Gauge::default();
        (Budget::new(bytes, Ticks::start(), in_use.clone(), Gauge::default()), in_use)
    }

    /// A reader that holds an answer.
    async fn holding(budget: &Budget) -> FrameReader {
        let (peer, ticks) = (([10, 0, 0, 1], 9).into(), Ticks::start());
        let listed = Connections::default().open(peer, Target::Bootstrap, ticks, Traffic::default(), true);
        let mut reader =
            FrameReader::new(Box::new(tokio::io::duplex(1).0), Account::responses(budget, &listed));
        reader.charge(ANSWER).await;
        reader
    }

    fn compressed() -> RawBatch {
        RawBatch::parse(&mixed(&sparse_source(70, Codec::Zstd, &[0, 3]))).unwrap()
    }

    #[tokio::test]
    async fn only_what_comes_out_stays_charged() {
        let (budget, in_use) = budget(64 * MIB);
        let mut reader = holding(&budget).await;
        let mut sifting = Sifting::charged(&mut reader, ANSWER);
        for looks in 1..=2 {
            let Look::Sifted(Sifted::Records(bytes)) = sifting.look(&compressed()).await else {
                panic!("nothing came out")
            };
            assert_eq!(in_use.get() as usize, ANSWER + looks * bytes.len());
        }
    }

    /// Given an answer whose client takes nothing and that has all that may go beyond the budget, and twelve that leave
    /// no room in it for what a look takes, when all of these are looked into, then each look ends.
    #[tokio::test]
    async fn looks_end_where_the_budget_is_spent_on_answers() {
        let (budget, in_use) = budget(16 * MIB);
        let mut stuck = holding(&budget).await;
        stuck.charge(20 * MIB).await;
        let mut readers = Vec::new();
        for _ in 0..12 {
            readers.push(holding(&budget).await);
        }
        let looks = readers.into_iter().map(|mut reader| {
            tokio::spawn(async move {
                let look = Sifting::charged(&mut reader, ANSWER).look(&compressed()).await;
                assert!(matches!(look, Look::Sifted(Sifted::Records(_))));
                reader
            })
        });
        let looks = futures::future::join_all(looks.collect::<Vec<_>>());
        let done = tokio::time::timeout(Duration::from_secs(20), looks).await.expect("locked out");
        let held = done.iter().filter(|reader| reader.is_ok()).count() * ANSWER + 20 * MIB;
        assert!((in_use.get() as usize) < held + MIB, "{} bytes are held", in_use.get());
    }
}
