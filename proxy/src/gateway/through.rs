//! A frame on its way through: looked at as it passes, and held no further than one piece.
//!
//! Bytes are judged in their order. What is judged is written on, before more is read.

use std::io;

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;

use crate::wire::primitive::{Reader, WireError};

use super::error::{ResponseError, SessionError};
use super::framed::FrameReader;
use super::sifting::Sifting;
use super::stream::WriteEnd;

/// Bytes of an answer that are read and written at once, where the budget has room for them. Larger pieces do not stay in a core's
/// caches on their way, smaller ones cost more wakings: see docs/performance.md.
pub(super) const PIECE: usize = 512 * 1024;
/// Bytes that are enough to read almost any field.
const WINDOW: usize = 256;

/// One answer of a broker, between its first byte and its last.
pub(super) struct Through<'a> {
    broker: &'a mut FrameReader,
    client: &'a mut WriteEnd,
    api: (i16, i16),
    piece: usize,
    /// Bytes from the first one that is buffered to the end of the frame.
    left: usize,
    /// Of these, how many may be written.
    judged: usize,
}

impl<'a> Through<'a> {
    /// A frame of `whole` bytes, its size included, that answers a request of `api` (key and version). At most `piece` bytes are
    /// read at once.
    pub(super) fn new(
        broker: &'a mut FrameReader,
        client: &'a mut WriteEnd,
        whole: usize,
        api: (i16, i16),
        piece: usize,
    ) -> Self {
        Through { broker, client, api, piece, left: whole, judged: 0 }
    }

    /// Bytes of the frame that are not judged.
    pub(super) fn unjudged(&self) -> usize {
        self.left - self.judged
    }

    /// The next `bytes`, no more than there are, may be written.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.judged = self.left.min(self.judged + bytes);
    }

    /// The next `bytes`, no more than are not judged. Waits for the memory that they take.
    ///
    /// # Errors
    /// [`SessionError`] where either end fails.
    pub(super) async fn look(&mut self, bytes: usize) -> Result<&[u8], SessionError> {
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

    /// What `parse` reads from the next bytes, and how many these are.
    ///
    /// # Errors
    /// [`SessionError`] where either end fails or they cannot be read.
    pub(super) async fn peek<T>(
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

    /// As [`Through::peek`], and passes what was read.
    pub(super) async fn read<T>(
        &mut self,
        parse: impl Fn(&mut Reader) -> Result<T, WireError>,
    ) -> Result<T, SessionError> {
        let (read, bytes) = self.peek(parse).await?;
        self.pass(bytes);
        Ok(read)
    }

    /// Takes the next `bytes` out of the frame: others of the same length are to be [`put`](Through::put) in their place. Waits for the
    /// memory that they take.
    ///
    /// # Errors
    /// [`SessionError`] where either end fails.
    pub(super) async fn take(&mut self, bytes: usize) -> Result<Bytes, SessionError> {
        let _ = self.look(bytes).await?;
        self.write_judged().await?;
        self.broker.charge(bytes).await;
        self.left -= bytes;
        Ok(self.broker.split_to(bytes).freeze())
    }

    /// What looks into the `held` bytes that were taken may cost.
    pub(super) fn sifting(&mut self, held: usize) -> Sifting<'_> {
        Sifting::charged(self.broker, held)
    }

    /// Writes pieces of what was taken, or what stands in its place.
    ///
    /// # Errors
    /// [`SessionError`] where the client is gone.
    pub(super) async fn put(&mut self, pieces: Vec<Bytes>) -> Result<(), SessionError> {
        for mut piece in pieces {
            self.client.write_all_buf(&mut piece).await.map_err(SessionError::ClientIo)?;
        }
        Ok(())
    }

    /// Passes all that is left.
    ///
    /// # Errors
    /// [`SessionError`] where either end fails.
    pub(super) async fn finish(mut self) -> Result<(), SessionError> {
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

    /// An answer that cannot be passed on.
    pub(super) fn failed(&self, source: impl Into<ResponseError>) -> SessionError {
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

    /// Not a byte of what follows the frame: it is not charged.
    async fn read_more(&mut self) -> Result<(), SessionError> {
        let buffered = self.broker.buffered().len();
        // What is left of a piece, so that the buffer need not grow for a field that two pieces share.
        let piece = if buffered < self.piece { self.piece - buffered } else { self.piece };
        let room = self.broker.next_piece(piece.min(self.left.saturating_sub(buffered)));
        if room == 0 {
            return Err(SessionError::BrokerIo(io::ErrorKind::UnexpectedEof.into()));
        }
        self.broker.read_piece(room).await.map_err(SessionError::BrokerIo)
    }
}
