//! Sifts the mixed and the cleaned batches of a response: decompresses them and takes their sentinels out.
//! The memory is charged before it is used. The work is bounded for each response, and is done off the async
//! workers.
//!
//! A few bytes may decompress to very many: any producer of a source decides what the batches of a mirror
//! hold.

use tokio::sync::Semaphore;

use crate::wire::records::batch::{Codec, RawBatch};
use crate::wire::records::read::RecordsError;
use crate::wire::records::strip_filler::{Sifted, largest_result, strip_filler, working_memory};

use crate::gateway::budget::BudgetPermit;
use crate::gateway::frame::reader::FrameReader;

use crate::obs::log_limiter::LogLimiter;

/// Maximum decompressed size of one batch, in bytes. Batches that mirroring writes stay well below: it
/// re-encodes batches of up to 128 MiB, and sentinels and deltas come on top.
pub(crate) const BATCH_LIMIT: u64 = 192 << 20;
/// Decompressed bytes after which no further batch of a response is sifted. Default fetches of ordinary
/// topics stay below.
const ANSWER_LIMIT: u64 = 64 << 20;
/// Number of batches that are sifted at the same time, for all clients together. The rest of the CPU time is
/// for other work.
static SIFTERS: Semaphore = Semaphore::const_new(2);
static COMPLAINTS: LogLimiter = LogLimiter::new();

/// State of the sifting for one response.
pub(crate) struct StripBudget<'a> {
    /// Reader to whose account the memory is charged. `None`: nothing is charged, in tests.
    charged: Option<&'a mut FrameReader>,
    /// Bytes of the response that are charged, including those that sifting has added.
    held: usize,
    /// Decompressed bytes that may still be spent. `None` if no batch of the response may be left out.
    left: Option<u64>,
}

impl<'a> StripBudget<'a> {
    /// Starts the sifting for a response of which `held` bytes are charged to `reader`. Once [`ANSWER_LIMIT`]
    /// is spent, the remaining batches are left for later.
    pub(crate) fn charged(reader: &'a mut FrameReader, held: usize) -> Self {
        StripBudget { charged: Some(reader), held, left: Some(ANSWER_LIMIT) }
    }

    /// Starts a sifting without limits and without charges, for tests and fuzzing.
    pub(crate) fn free() -> Self {
        StripBudget { charged: None, held: 0, left: None }
    }

    /// Removes the limit: from here on every batch is sifted, because nothing of this response may be left
    /// out.
    pub(crate) fn look_into_all(&mut self) {
        self.left = None;
    }

    /// Sifts one batch, or leaves it for later.
    pub(crate) async fn look(&mut self, batch: &RawBatch) -> Look {
        if self.left == Some(0) {
            return Look::Later;
        }
        let before = self.charged.as_ref().map_or(0, |reader| reader.charged());
        let done = match &mut self.charged {
            None => strip_filler(batch, BATCH_LIMIT),
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
                if let Some(suppressed) = COMPLAINTS.may_log("unreadable batch") {
                    tracing::warn!(
                        %error,
                        suppressed,
                        "cannot read a batch with filler; it is passed on unchanged"
                    );
                }
                Look::Unreadable
            }
        }
    }

    /// Lowers the charge to what it was `before` the sifting, or to what the response takes with the results,
    /// if that is more.
    fn give_back_rest(&mut self, before: usize) {
        let held = self.held.max(before);
        if let Some(reader) = &mut self.charged {
            reader.discharge(held);
        }
    }
}

/// Sifts a batch when it is its turn. Returns `None` if the runtime is shutting down.
///
/// A task gets its turn before the memory for the work, so tasks that wait for their turn hold none of it.
/// They cannot block each other for ever: a task with a turn waits only for that memory, which comes from the
/// budget, or from the overdraft for one batch at a time. The task with the overdraft goes on and ends, and
/// then the next one gets it. So every turn ends, every waiting task gets its turn, and its frame goes on
/// too. The result is charged before the turn, like the frame, so nothing is waited for afterwards.
async fn look_within(
    mut memory: BudgetPermit,
    batch: &RawBatch,
) -> Option<Result<(Sifted, u64), RecordsError>> {
    if batch.header.codec() == Codec::None {
        // The work is bounded by the size of the batch. Other tasks get their turn in between.
        tokio::task::yield_now().await;
        return Some(strip_filler(batch, BATCH_LIMIT));
    }
    // The semaphore is never closed.
    let turn = SIFTERS.acquire().await;
    memory.grow_to(working_memory(batch)).await;
    let batch = batch.clone();
    // The work cannot be cancelled. It keeps its turn and its memory until it ends, even if the connection is
    // gone.
    let look = move || {
        let _ends = (turn, memory);
        strip_filler(&batch, BATCH_LIMIT)
    };
    match tokio::task::spawn_blocking(look).await {
        Ok(done) => Some(done),
        Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
        // The runtime is shutting down.
        Err(_) => None,
    }
}

/// Result of sifting a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// The batch without its sentinels.
    Sifted(Sifted),
    /// The batch cannot be read. It passes as it is: the client has to detect damage.
    Unreadable,
    /// The batch takes more work than this response may cause. It and all that follow are left out, and the
    /// client fetches again.
    Later,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::metrics::gauge::Gauge;

    use super::*;
    use crate::gateway::budget::Budget;
    use crate::gateway::clock::GatewayClock;
    use crate::gateway::connection::Connections;
    use crate::gateway::endpoint_map::ListenerTarget;
    use crate::gateway::frame::reader::Account;
    use crate::gateway::metrics::Traffic;
    use crate::gateway::response::filler_filter::tests::{mixed, sparse_source};

    const MIB: usize = 1 << 20;
    /// Size of a response, in bytes.
    const ANSWER: usize = 100_000;

    fn budget(bytes: usize) -> (Budget, Gauge) {
        let in_use = Gauge::default();
        (Budget::new(bytes, GatewayClock::start(), in_use.clone(), Gauge::default()), in_use)
    }

    /// Returns a reader that holds a response.
    async fn holding(budget: &Budget) -> FrameReader {
        let (peer, ticks) = (([10, 0, 0, 1], 9).into(), GatewayClock::start());
        let listed =
            Connections::default().open(peer, ListenerTarget::Bootstrap, ticks, Traffic::default(), true);
        let mut reader =
            FrameReader::new(Box::new(tokio::io::duplex(1).0), Account::responses(budget, &listed));
        reader.charge(ANSWER).await;
        reader
    }

    fn compressed() -> RawBatch {
        RawBatch::parse(&mixed(&sparse_source(70, Codec::Zstd, &[0, 3]))).unwrap()
    }

    #[tokio::test]
    async fn only_the_result_of_sifting_stays_charged() {
        let (budget, in_use) = budget(64 * MIB);
        let mut reader = holding(&budget).await;
        let mut sifting = StripBudget::charged(&mut reader, ANSWER);
        for looks in 1..=2 {
            let Look::Sifted(Sifted::Records(bytes)) = sifting.look(&compressed()).await else {
                panic!("nothing came out")
            };
            assert_eq!(in_use.get() as usize, ANSWER + looks * bytes.len());
        }
    }

    /// Given a response that holds the whole overdraft and whose client reads nothing, and twelve responses
    /// that leave no room in the budget for the memory of sifting, when the batches of these twelve are
    /// sifted, then each sifting ends.
    #[tokio::test]
    async fn sifting_ends_even_if_responses_have_spent_the_budget() {
        let (budget, in_use) = budget(16 * MIB);
        let mut stuck = holding(&budget).await;
        stuck.charge(20 * MIB).await;
        let mut readers = Vec::new();
        for _ in 0..12 {
            readers.push(holding(&budget).await);
        }
        let looks = readers.into_iter().map(|mut reader| {
            tokio::spawn(async move {
                let look = StripBudget::charged(&mut reader, ANSWER).look(&compressed()).await;
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
