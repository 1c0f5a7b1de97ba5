//! Looks into mixed and cleaned batches on their way to a client: what they take is charged before it is taken, bounded for
//! each answer, and spent off the async workers.
//!
//! A few bytes may become very many: whoever can write to a source decides what the batches of a mirror hold.

use tokio::sync::Semaphore;

use crate::wire::batch::{Codec, RawBatch};
use crate::wire::sift::{Sifted, sift, working_memory};

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
        let done = match &mut self.charged {
            None => sift(batch, BATCH_LIMIT),
            Some(reader) => {
                reader.charge(self.held.saturating_add(working_memory(batch))).await;
                if batch.header.codec() == Codec::None {
                    // No more work than there are bytes; others get their turn in between.
                    tokio::task::yield_now().await;
                    sift(batch, BATCH_LIMIT)
                } else {
                    // The semaphore is never closed.
                    let turn = SIFTERS.acquire().await;
                    let batch = batch.clone();
                    // The work cannot be cancelled: it keeps its turn to its end, also when the connection is gone.
                    let look = move || {
                        let _turn = turn;
                        sift(&batch, BATCH_LIMIT)
                    };
                    match tokio::task::spawn_blocking(look).await {
                        Ok(done) => done,
                        Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
                        // The runtime is shutting down.
                        Err(_) => return Look::Later,
                    }
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
                Look::Sifted(sifted)
            }
            Err(error) => {
                if let Some(untold) = COMPLAINTS.may_tell("unreadable batch") {
                    tracing::warn!(%error, untold, "a batch with filler passes as it is: it cannot be read");
                }
                Look::Unreadable
            }
        }
    }
}
