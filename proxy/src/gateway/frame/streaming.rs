//! Passes a frame through while the caller inspects it, and holds no more than one piece of it.
//!
//! Bytes are judged in their order. Judged bytes are written on before more are read.

use std::io;

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;

use crate::wire::protocol::primitive::{Reader, WireError};

use crate::gateway::error::{ResponseError, SessionError};
use crate::gateway::frame::reader::FrameReader;
use crate::gateway::frame::stream::WriteEnd;
use crate::gateway::frame::strip_budget::StripBudget;

/// Number of bytes of a response that are read and written at once, if the budget has room for them. Larger
/// pieces do not stay in a core's caches, and smaller ones cost more wake-ups: see docs/performance.md.
pub(crate) const PIECE: usize = 512 * 1024;
/// Number of bytes that are enough to read almost any field.
const WINDOW: usize = 256;

/// Response of a broker while it is passed on.
pub(crate) struct StreamingFrame<'a> {
    broker: &'a mut FrameReader,
    client: &'a mut WriteEnd,
    api: (i16, i16),
    piece: usize,
    /// Bytes from the first buffered one to the end of the frame.
    left: usize,
    /// Number of these bytes that may be written.
    judged: usize,
}

impl<'a> StreamingFrame<'a> {
    /// Starts a frame of `whole` bytes, its size field included, that answers a request of `api` (key and
    /// version). At most `piece` bytes are read at once.
    pub(crate) fn new(
        broker: &'a mut FrameReader,
        client: &'a mut WriteEnd,
        whole: usize,
        api: (i16, i16),
        piece: usize,
    ) -> Self {
        StreamingFrame { broker, client, api, piece, left: whole, judged: 0 }
    }

    /// Returns the number of bytes of the frame that are not judged yet.
    pub(crate) fn unjudged(&self) -> usize {
        self.left - self.judged
    }

    /// Allows the next `bytes` to be written, at most to the end of the frame.
    pub(crate) fn pass(&mut self, bytes: usize) {
        self.judged = self.left.min(self.judged + bytes);
    }

    /// Returns the next `bytes` that are not judged. There must be as many. Waits for budget.
    ///
    /// # Errors
    /// [`SessionError`] if either end fails.
    pub(crate) async fn look(&mut self, bytes: usize) -> Result<&[u8], SessionError> {
        while self.broker.buffered().len() < self.judged {
            self.write_judged().await?;
            self.read_more().await?;
        }
        if self.broker.buffered().len() < self.judged + bytes {
            self.write_judged().await?;
            self.broker.charge(bytes).await;
            while self.broker.buffered().len() < bytes {
                self.read_more().await?;
            }
        }
        Ok(&self.broker.buffered()[self.judged..self.judged + bytes])
    }

    /// Parses the next bytes. Returns the result of `parse`, and how many bytes it has read.
    ///
    /// # Errors
    /// [`SessionError`] if either end fails, or if the bytes cannot be parsed.
    pub(crate) async fn peek<T>(
        &mut self,
        parse: impl Fn(&mut Reader) -> Result<T, WireError>,
    ) -> Result<(T, usize), SessionError> {
        let mut window = WINDOW;
        loop {
            let seen = Bytes::copy_from_slice(self.look(window.min(self.unjudged())).await?);
            let to_come = self.unjudged() - seen.len();
            let mut reader = Reader::front(seen, to_come);
            match parse(&mut reader) {
                Ok(read) => return Ok((read, reader.position())),
                Err(WireError::NotYetHere { .. }) => window = window.saturating_mul(4),
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    /// Parses the next bytes like [`StreamingFrame::peek`], and passes them.
    pub(crate) async fn read<T>(
        &mut self,
        parse: impl Fn(&mut Reader) -> Result<T, WireError>,
    ) -> Result<T, SessionError> {
        let (read, bytes) = self.peek(parse).await?;
        self.pass(bytes);
        Ok(read)
    }

    /// Takes the next `bytes` out of the frame. The caller must [`put`](StreamingFrame::put) bytes of the same
    /// length in their place. Waits for budget.
    ///
    /// # Errors
    /// [`SessionError`] if either end fails.
    pub(crate) async fn take(&mut self, bytes: usize) -> Result<Bytes, SessionError> {
        let _ = self.look(bytes).await?;
        self.write_judged().await?;
        self.broker.charge(bytes).await;
        self.left -= bytes;
        Ok(self.broker.split_to(bytes).freeze())
    }

    /// Returns the state for sifting batches in the `held` bytes that were taken.
    pub(crate) fn sifting(&mut self, held: usize) -> StripBudget<'_> {
        StripBudget::charged(self.broker, held)
    }

    /// Writes pieces in place of the bytes that were taken.
    ///
    /// # Errors
    /// [`SessionError`] if the client is gone.
    pub(crate) async fn put(&mut self, pieces: Vec<Bytes>) -> Result<(), SessionError> {
        for mut piece in pieces {
            self.client.write_all_buf(&mut piece).await.map_err(SessionError::ClientIo)?;
        }
        Ok(())
    }

    /// Passes the rest of the frame.
    ///
    /// # Errors
    /// [`SessionError`] if either end fails.
    pub(crate) async fn finish(mut self) -> Result<(), SessionError> {
        self.judged = self.left;
        self.write_judged().await?;
        while self.left > 0 {
            self.read_more().await?;
            self.write_judged().await?;
        }
        self.client.flush().await.map_err(SessionError::ClientIo)?;
        self.broker.end_frame();
        Ok(())
    }

    /// Returns the error for a response that cannot be passed on.
    pub(crate) fn failed(&self, source: impl Into<ResponseError>) -> SessionError {
        let (api_key, api_version) = self.api;
        SessionError::Response { api_key, api_version, source: source.into() }
    }

    async fn write_judged(&mut self) -> Result<(), SessionError> {
        let ready = self.judged.min(self.broker.buffered().len());
        let mut piece = self.broker.split_to(ready);
        self.client.write_all_buf(&mut piece).await.map_err(SessionError::ClientIo)?;
        self.judged -= ready;
        self.left -= ready;
        if self.judged > 0 {
            self.broker.give_way();
        }
        Ok(())
    }

    /// Reads the next piece, and no byte behind the frame: such bytes are not charged.
    async fn read_more(&mut self) -> Result<(), SessionError> {
        let buffered = self.broker.buffered().len();
        // Completes the current piece, so that the buffer need not grow for a field that spans two pieces.
        let piece = if buffered < self.piece { self.piece - buffered } else { self.piece };
        let room = self.broker.next_piece(piece.min(self.left.saturating_sub(buffered)));
        if room == 0 {
            return Err(SessionError::BrokerIo(io::ErrorKind::UnexpectedEof.into()));
        }
        self.broker.read_piece(room).await.map_err(SessionError::BrokerIo)
    }
}
