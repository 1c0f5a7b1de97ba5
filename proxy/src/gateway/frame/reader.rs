//! Reads frames from a stream. The caller can peek at a frame before it takes the frame whole or copies it
//! through.
//!
//! The buffer grows with the bytes that have arrived, not with the size that a client's frame claims. A frame
//! that is taken whole is charged to a budget until [`FrameReader::end_frame`]. A frame that is copied
//! through uses only the connection's own buffer.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::io::poll_read_buf;

use crate::gateway::budget::{Budget, BudgetPermit, Holder};
use crate::gateway::connection::OpenConnection;
use crate::gateway::frame::stream::{ReadEnd, WriteEnd};

/// Error of a copy from one end to the other, by the end that failed.
#[derive(Debug)]
pub(crate) enum CopyError {
    /// The end that is read from.
    Read(io::Error),
    /// The end that is written to.
    Write(io::Error),
}

/// Capacity of the buffer while nothing large passes, in bytes. Frames up to this size are not charged.
const IDLE_CAPACITY: usize = 8 * 1024;
/// Capacity of the first buffer if the stream cannot tell whether bytes are there (TLS), in bytes. It is
/// small, because clients that never send a byte should cost next to nothing.
const FIRST_CAPACITY: usize = 512;
/// Size of one ordinary read, in bytes.
const CHUNK: usize = 64 * 1024;

/// Size up to which a frame gets all its capacity at once, in bytes. Requests with a few batches of a
/// producer are common.
const FIRST_RESERVE: usize = 256 * 1024;
/// Maximum room that is made at once for a broker's frame, by the size that it announces, in bytes. More than
/// the response to a consumer's default fetch.
const BELIEVED: usize = 64 << 20;

/// Account to which frames that are held whole are charged.
#[derive(Debug)]
pub(crate) struct Account {
    budget: Budget,
    holder: Arc<Holder>,
    /// Connection whose requests are read. `None` for responses.
    requests_of: Option<Arc<OpenConnection>>,
}

impl Account {
    /// Returns the account for the requests of a connection.
    pub(crate) fn requests(budget: &Budget, connection: &Arc<OpenConnection>) -> Self {
        let holder = Arc::clone(&connection.activity.requests_held);
        Account { budget: budget.clone(), holder, requests_of: Some(Arc::clone(connection)) }
    }

    /// Returns the number of bytes of a frame to make room for when `have` bytes have arrived. A client gets
    /// more room only as it sends more. A broker is trusted: it is the operator's own, and its responses are
    /// the largest frames, so they must not be copied in order to grow.
    fn believes(&self, have: usize) -> usize {
        match self.requests_of {
            None => BELIEVED,
            Some(_) if have < IDLE_CAPACITY => IDLE_CAPACITY,
            Some(_) => have.max(CHUNK),
        }
    }

    /// Returns the account for the responses of a connection.
    pub(crate) fn responses(budget: &Budget, connection: &OpenConnection) -> Self {
        let holder = Arc::clone(&connection.activity.responses_held);
        Account { budget: budget.clone(), holder, requests_of: None }
    }
}

/// Buffered reader of frames.
pub(crate) struct FrameReader {
    io: ReadEnd,
    buffer: BytesMut,
    account: Account,
    hold: BudgetPermit,
}

impl FrameReader {
    pub(crate) fn new(io: ReadEnd, account: Account) -> Self {
        let hold = account.budget.hold(&account.holder);
        FrameReader { io, buffer: BytesMut::new(), account, hold }
    }

    /// Returns true if bytes have arrived that are not consumed yet.
    pub(crate) fn has_bytes(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Returns the bytes that have arrived and are not consumed yet.
    pub(crate) fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// Consumes the first `bytes` buffered bytes. There must be as many.
    pub(crate) fn split_to(&mut self, bytes: usize) -> BytesMut {
        self.buffer.split_to(bytes)
    }

    /// Returns how many bytes of a streamed frame to read at once: `piece` if the budget has room for them,
    /// else the size of one ordinary read.
    pub(crate) fn next_piece(&mut self, piece: usize) -> usize {
        if piece <= CHUNK || self.hold.try_grow_to(self.buffer.len() + piece) { piece } else { CHUNK }
    }

    /// Releases the charge of a streamed frame if a session waits for budget. Nothing of the frame may be
    /// buffered.
    pub(crate) fn give_way(&mut self) {
        if self.account.budget.is_awaited() {
            self.let_go();
        }
    }

    /// Waits for bytes and reads those available, at most `room`, which must not be 0. Cancelling loses
    /// nothing.
    ///
    /// # Errors
    /// `UnexpectedEof` at the end of the stream.
    pub(crate) async fn read_piece(&mut self, room: usize) -> io::Result<()> {
        self.buffer.reserve(room);
        let until = self.buffer.len() + room;
        let (io, buffer) = (&mut self.io, &mut self.buffer);
        poll_fn(|cx| {
            let before = buffer.len();
            // A TLS stream returns one record per read.
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

    /// Waits for bytes and reads those available. Returns `false` at the end of the stream. Cancelling loses
    /// nothing.
    pub(crate) async fn read_some(&mut self) -> io::Result<bool> {
        let least = self.readable().await?;
        self.buffer.reserve(least);
        Ok(self.io.read_buf(&mut self.buffer).await? > 0)
    }

    /// Waits until there is something to read. Holds no buffer meanwhile if nothing is buffered. Returns the
    /// minimum room to reserve for the read, in bytes.
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

    /// Waits until `length` bytes are buffered. Returns `false` if the stream ended before the first of them.
    /// Cancelling loses nothing.
    ///
    /// # Errors
    /// `UnexpectedEof` if the stream ends inside of them.
    pub(crate) async fn fill(&mut self, length: usize) -> io::Result<bool> {
        while self.buffer.len() < length {
            let missing = length - self.buffer.len();
            let least = self.readable().await?;
            // The buffer at most doubles: copying stays linear, and a claimed size alone reserves little
            // memory.
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

    /// Waits until `length` bytes are buffered. Unlike [`FrameReader::fill`], fails at every end of the
    /// stream.
    pub(crate) async fn require(&mut self, length: usize) -> io::Result<()> {
        if self.fill(length).await? { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Returns `N` buffered bytes from `at` on, or zeros if they are not buffered.
    pub(crate) fn peek<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut out = [0; N];
        if let Some(bytes) = self.buffer.get(at..at + N) {
            out.copy_from_slice(bytes);
        }
        out
    }

    /// Returns a copy of the buffered bytes from `at` on, at most up to `end`.
    pub(crate) fn peek_bytes(&self, at: usize, end: usize) -> Bytes {
        let end = end.min(self.buffer.len());
        self.buffer.get(at..end).map_or_else(Bytes::new, Bytes::copy_from_slice)
    }

    /// Consumes a whole frame of `size` bytes and returns it without its size field. Waits for bytes and for
    /// budget.
    pub(crate) async fn take_frame(&mut self, size: usize) -> io::Result<Bytes> {
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
            // Reads no byte of the next frame: it would keep the memory of this frame alive without being
            // charged.
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

    /// Makes room for `more` of the `missing` bytes. `BytesMut` itself would double the buffer even for the
    /// last byte. A frame of common size gets all its capacity at once: memory pages that were never written
    /// cost nothing, and the bytes that have arrived are copied only once.
    fn make_room(&mut self, more: usize, missing: usize) {
        if self.buffer.capacity() - self.buffer.len() < more {
            let more = more.max(missing.min(FIRST_RESERVE));
            let mut larger = BytesMut::with_capacity(self.buffer.len() + more);
            larger.extend_from_slice(&self.buffer);
            self.buffer = larger;
        }
    }

    /// Raises the current frame's charge to `bytes`, for example because its rewritten form is larger. Waits
    /// for budget.
    pub(crate) async fn charge(&mut self, bytes: usize) {
        if bytes > IDLE_CAPACITY {
            self.hold.grow_to(bytes).await;
        }
    }

    /// Returns the current charge, in bytes.
    pub(crate) fn charged(&self) -> usize {
        self.hold.bytes()
    }

    /// Lowers the charge to `bytes`.
    pub(crate) fn discharge(&mut self, bytes: usize) {
        self.hold.shrink_to(bytes);
    }

    /// Returns an empty budget permit for sifting one batch of the current frame, beside the frame's own
    /// permit.
    pub(crate) fn hold_for_look(&self) -> BudgetPermit {
        self.account.budget.hold_for_look(&self.account.holder)
    }

    /// Returns the budget permit of the current frame, raised to at least `bytes`, for a response that
    /// outlives the frame.
    pub(crate) async fn hand_over(&mut self, bytes: usize) -> BudgetPermit {
        self.hold.grow_to(bytes).await;
        std::mem::replace(&mut self.hold, self.account.budget.hold(&self.account.holder))
    }

    /// Ends the current frame and releases its charge.
    pub(crate) fn end_frame(&mut self) {
        self.let_go();
        if let Some(connection) = &self.account.requests_of {
            connection.activity.request_read(self.buffer.len());
        }
    }

    /// Releases the charge, and a large buffer if it is empty.
    fn let_go(&mut self) {
        if self.hold.is_used() {
            self.hold = self.account.budget.hold(&self.account.holder);
        }
        if self.buffer.is_empty() && self.buffer.capacity() > CHUNK {
            self.buffer = BytesMut::new();
        }
    }

    /// Copies `length` bytes to `to`, piece by piece.
    pub(crate) async fn copy(&mut self, length: usize, to: &mut WriteEnd) -> Result<(), CopyError> {
        self.copy_while(length, to, |_, _| true).await.map(drop)
    }

    /// Copies `length` bytes to `to` while `passes` allows each piece. `passes` gets the piece, and true if
    /// it is the last. Returns true if all pieces passed.
    pub(crate) async fn copy_while(
        &mut self,
        mut length: usize,
        to: &mut WriteEnd,
        mut passes: impl FnMut(&[u8], bool) -> bool,
    ) -> Result<bool, CopyError> {
        while length > 0 {
            if self.buffer.is_empty() {
                self.buffer.reserve(length.clamp(IDLE_CAPACITY, CHUNK));
                if self.io.read_buf(&mut self.buffer).await.map_err(CopyError::Read)? == 0 {
                    return Err(CopyError::Read(io::ErrorKind::UnexpectedEof.into()));
                }
            }
            let mut piece = self.buffer.split_to(length.min(self.buffer.len()));
            length -= piece.len();
            if !passes(&piece, length == 0) {
                return Ok(false);
            }
            to.write_all_buf(&mut piece).await.map_err(CopyError::Write)?;
        }
        to.flush().await.map_err(CopyError::Write)?;
        Ok(true)
    }
}
