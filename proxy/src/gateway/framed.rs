//! Frames off a stream: looked at before they are consumed, then taken whole or copied through.
//!
//! The buffer grows with what has arrived, not with what the size of a client's frame claims. What is taken whole is charged to a budget until
//! [`FrameReader::end_frame`]; what is copied through takes no more than a connection has for itself.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::io::poll_read_buf;

use super::budget::{Budget, Hold, Holder};
use super::connection::Connection;
use super::stream::{ReadEnd, WriteEnd};

/// Capacity that a connection holds while nothing large passes; frames up to this size are not charged.
const IDLE_CAPACITY: usize = 8 * 1024;
/// The same before anything has come, where only reading tells whether it has: clients that never say a word should cost next
/// to nothing.
const FIRST_CAPACITY: usize = 512;
/// Bytes asked for at once.
const CHUNK: usize = 64 * 1024;

/// Frames up to this size are common: a few batches of a producer.
const COMMON: usize = 256 * 1024;
/// Of what a broker says is coming, so much is made room for at once: more than an answer to a consumer's default fetch.
const BELIEVED: usize = 64 << 20;

/// What frames that are held whole are charged to.
#[derive(Debug)]
pub(super) struct Account {
    budget: Budget,
    holder: Arc<Holder>,
    /// The connection whose requests are read; `None` for responses.
    requests_of: Option<Arc<Connection>>,
}

impl Account {
    /// For the requests of a connection.
    pub(super) fn requests(budget: &Budget, connection: &Arc<Connection>) -> Self {
        let holder = Arc::clone(&connection.activity.requests_held);
        Account { budget: budget.clone(), holder, requests_of: Some(Arc::clone(connection)) }
    }

    /// How much more of a frame to make room for when so much of it has come. A client has to show that it means what it
    /// claims; a broker is the operator's own, and its answers are the largest frames: they are never copied to grow.
    fn believes(&self, have: usize) -> usize {
        match self.requests_of {
            None => BELIEVED,
            Some(_) if have < IDLE_CAPACITY => IDLE_CAPACITY,
            Some(_) => have.max(CHUNK),
        }
    }

    /// For its responses.
    pub(super) fn responses(budget: &Budget, connection: &Connection) -> Self {
        let holder = Arc::clone(&connection.activity.responses_held);
        Account { budget: budget.clone(), holder, requests_of: None }
    }
}

/// A buffered reader of frames.
pub(super) struct FrameReader {
    io: ReadEnd,
    buffer: BytesMut,
    account: Account,
    hold: Hold,
}

impl FrameReader {
    pub(super) fn new(io: ReadEnd, account: Account) -> Self {
        let hold = account.budget.hold(&account.holder);
        FrameReader { io, buffer: BytesMut::new(), account, hold }
    }

    /// Whether bytes have arrived that nobody consumed yet.
    pub(super) fn has_bytes(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// These bytes.
    pub(super) fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// Consumes the first buffered `bytes`: no more than there are.
    pub(super) fn split_to(&mut self, bytes: usize) -> BytesMut {
        self.buffer.split_to(bytes)
    }

    /// How much of a frame that streams to read at once: `piece` bytes where they can be charged, otherwise what a connection has for
    /// itself.
    pub(super) fn next_piece(&mut self, piece: usize) -> usize {
        if piece <= CHUNK || self.hold.try_grow_to(self.buffer.len() + piece) { piece } else { CHUNK }
    }

    /// Gives back what is charged for a frame that streams, nothing of which is buffered, while others wait for it.
    pub(super) fn give_way(&mut self) {
        if self.account.budget.is_awaited() {
            self.let_go();
        }
    }

    /// Reads what there is, but at most `room` bytes, which must not be 0. Cancelling loses nothing.
    ///
    /// # Errors
    /// `UnexpectedEof` at the end of the stream.
    pub(super) async fn read_piece(&mut self, room: usize) -> io::Result<()> {
        self.buffer.reserve(room);
        let until = self.buffer.len() + room;
        let (io, buffer) = (&mut self.io, &mut self.buffer);
        poll_fn(|cx| {
            let before = buffer.len();
            // TLS gives one record at a time.
            while buffer.len() < until {
                let left = until - buffer.len();
                match poll_read_buf(Pin::new(&mut *io), cx, &mut (&mut *buffer).limit(left)) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Pending if buffer.len() > before => break,
                    other => return other.map_ok(drop),
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Reads what there is; `false` at the end of the stream. Cancelling loses nothing.
    pub(super) async fn read_some(&mut self) -> io::Result<bool> {
        let least = self.readable().await?;
        self.buffer.reserve(least);
        Ok(self.io.read_buf(&mut self.buffer).await? > 0)
    }

    /// Waits until there is something to read, with no buffer while nothing is buffered; the least room to make for it.
    async fn readable(&mut self) -> io::Result<usize> {
        let tells = poll_fn(|cx| {
            let polled = self.io.poll_readable(cx);
            if polled.is_pending() && self.buffer.is_empty() {
                self.buffer = BytesMut::new();
            }
            polled
        });
        let first = !tells.await? && self.buffer.capacity() == 0;
        Ok(if first { FIRST_CAPACITY } else { IDLE_CAPACITY })
    }

    /// Waits until `length` bytes are buffered; `false` when the stream ended before the first of them. Cancelling loses
    /// nothing.
    ///
    /// # Errors
    /// `UnexpectedEof` where the stream ends inside of them.
    pub(super) async fn fill(&mut self, length: usize) -> io::Result<bool> {
        while self.buffer.len() < length {
            let missing = length - self.buffer.len();
            let least = self.readable().await?;
            // Doubling with what is there keeps the copying linear and the claim of a size harmless.
            self.buffer.reserve(missing.clamp(least, self.buffer.len().max(CHUNK)));
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(false)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
        Ok(true)
    }

    /// As [`FrameReader::fill`], where the end of the stream is an error too.
    pub(super) async fn require(&mut self, length: usize) -> io::Result<()> {
        if self.fill(length).await? { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// `N` buffered bytes at `at`; zeros where they are not buffered.
    pub(super) fn peek<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut out = [0; N];
        if let Some(bytes) = self.buffer.get(at..at + N) {
            out.copy_from_slice(bytes);
        }
        out
    }

    /// A copy of the buffered bytes from `at` on, at most up to `end`.
    pub(super) fn peek_bytes(&self, at: usize, end: usize) -> Bytes {
        let end = end.min(self.buffer.len());
        self.buffer.get(at..end).map_or_else(Bytes::new, Bytes::copy_from_slice)
    }

    /// Consumes a whole frame of `size` bytes and returns it without its size. Waits for the memory that it takes.
    pub(super) async fn take_frame(&mut self, size: usize) -> io::Result<Bytes> {
        let whole = 4 + size;
        if whole > IDLE_CAPACITY {
            self.hold.grow_to(self.buffer.len().min(whole)).await;
        }
        while self.buffer.len() < whole {
            let have = self.buffer.len();
            let step = (whole - have).min(self.account.believes(have));
            if whole > IDLE_CAPACITY {
                self.hold.grow_to(have + step).await;
            }
            self.make_room(step, whole - have);
            // Not a byte of what follows: it would keep the memory of this frame alive behind the budget's back.
            if (&mut self.io).take(step as u64).read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let mut frame = self.buffer.split_to(whole).freeze();
        if whole > CHUNK && self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        let _ = frame.split_to(4);
        Ok(frame)
    }

    /// Capacity for so much `more` of the `missing`; `BytesMut` itself would take twice as much as there is for the last byte.
    /// A frame of common size gets all its capacity at once: pages that nothing was written to cost no memory, and what
    /// has come is copied only once.
    fn make_room(&mut self, more: usize, missing: usize) {
        if self.buffer.capacity() - self.buffer.len() < more {
            let more = more.max(missing.min(COMMON));
            let mut larger = BytesMut::with_capacity(self.buffer.len() + more);
            larger.extend_from_slice(&self.buffer);
            self.buffer = larger;
        }
    }

    /// Charges `bytes` in all for the frame taken last, where what was made of it is larger. Waits until there is so much.
    pub(super) async fn charge(&mut self, bytes: usize) {
        if bytes > IDLE_CAPACITY {
            self.hold.grow_to(bytes).await;
        }
    }

    /// What is charged now.
    pub(super) fn charged(&self) -> usize {
        self.hold.bytes()
    }

    /// Gives back what is charged beyond `bytes`.
    pub(super) fn discharge(&mut self, bytes: usize) {
        self.hold.shrink_to(bytes);
    }

    /// Memory for a look into a part of the frame taken last, beside the frame.
    pub(super) fn hold_for_look(&self) -> Hold {
        self.account.budget.hold_for_look(&self.account.holder)
    }

    /// What the frame taken last is charged with, and at least `bytes`, for an answer that outlives it.
    pub(super) async fn hand_over(&mut self, bytes: usize) -> Hold {
        self.hold.grow_to(bytes).await;
        std::mem::replace(&mut self.hold, self.account.budget.hold(&self.account.holder))
    }

    /// The frame is done with: gives its memory back.
    pub(super) fn end_frame(&mut self) {
        self.let_go();
        if let Some(connection) = &self.account.requests_of {
            connection.activity.request_read(self.buffer.len());
        }
    }

    /// Gives back what is held, and a large buffer that nothing is in.
    fn let_go(&mut self) {
        if self.hold.is_used() {
            self.hold = self.account.budget.hold(&self.account.holder);
        }
        if self.buffer.is_empty() && self.buffer.capacity() > CHUNK {
            self.buffer = BytesMut::new();
        }
    }

    /// Copies `length` bytes through without holding them.
    pub(super) async fn copy(&mut self, length: usize, to: &mut WriteEnd) -> io::Result<()> {
        self.copy_while(length, to, |_, _| true).await.map(drop)
    }

    /// As [`FrameReader::copy`], but each piece only if `passes` says so of it and of whether it is the last; whether all did.
    pub(super) async fn copy_while(
        &mut self,
        mut length: usize,
        to: &mut WriteEnd,
        mut passes: impl FnMut(&[u8], bool) -> bool,
    ) -> io::Result<bool> {
        while length > 0 {
            if self.buffer.is_empty() {
                self.buffer.reserve(length.clamp(IDLE_CAPACITY, CHUNK));
                if self.io.read_buf(&mut self.buffer).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            let mut piece = self.buffer.split_to(length.min(self.buffer.len()));
            length -= piece.len();
            if !passes(&piece, length == 0) {
                return Ok(false);
            }
            to.write_all_buf(&mut piece).await?;
        }
        to.flush().await?;
        Ok(true)
    }
}
