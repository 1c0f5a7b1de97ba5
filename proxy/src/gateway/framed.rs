//! Frames off a stream: looked at before they are consumed, then taken whole or copied through.
//!
//! The buffer grows with what has arrived, never with what a size claims.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::stream::{ReadEnd, WriteEnd};

/// Capacity that a connection holds while nothing large passes.
const IDLE_CAPACITY: usize = 8 * 1024;
/// Bytes asked for at once.
const CHUNK: usize = 64 * 1024;

/// A buffered reader of frames.
pub(super) struct FrameReader {
    io: ReadEnd,
    buffer: BytesMut,
}

impl FrameReader {
    pub(super) fn new(io: ReadEnd) -> Self {
        FrameReader { io, buffer: BytesMut::new() }
    }

    /// Whether bytes have arrived that nobody consumed yet.
    pub(super) fn has_bytes(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Reads what there is; `false` at the end of the stream. Cancelling loses nothing.
    pub(super) async fn read_some(&mut self) -> io::Result<bool> {
        self.buffer.reserve(IDLE_CAPACITY);
        Ok(self.io.read_buf(&mut self.buffer).await? > 0)
    }

    /// Waits until `length` bytes are buffered; `false` when the stream ended before the first of them. Cancelling loses
    /// nothing.
    ///
    /// # Errors
    /// `UnexpectedEof` where the stream ends inside of them.
    pub(super) async fn fill(&mut self, length: usize) -> io::Result<bool> {
        while self.buffer.len() < length {
            let missing = length - self.buffer.len();
            // Doubling with what is there keeps the copying linear and the claim of a size harmless.
            self.buffer.reserve(missing.clamp(IDLE_CAPACITY, self.buffer.len().max(CHUNK)));
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

    /// Consumes a whole frame of `size` bytes and returns it without its size.
    pub(super) async fn take_frame(&mut self, size: usize) -> io::Result<Bytes> {
        self.require(4 + size).await?;
        let mut frame = self.buffer.split_to(4 + size).freeze();
        let _ = frame.split_to(4);
        Ok(frame)
    }

    /// Copies `length` bytes through without holding them.
    pub(super) async fn copy(&mut self, mut length: usize, to: &mut WriteEnd) -> io::Result<()> {
        while length > 0 {
            if self.buffer.is_empty() {
                self.buffer.reserve(length.clamp(IDLE_CAPACITY, CHUNK));
                if self.io.read_buf(&mut self.buffer).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            let mut piece = self.buffer.split_to(length.min(self.buffer.len()));
            length -= piece.len();
            to.write_all_buf(&mut piece).await?;
        }
        Ok(())
    }
}
