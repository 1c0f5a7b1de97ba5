//! Holds the pieces of a frame, to write them with one vectored write instead of joining them.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Pieces in order. No piece is empty.
#[derive(Debug, Default)]
pub(crate) struct Rope {
    pieces: VecDeque<Bytes>,
    remaining: usize,
}

impl Rope {
    /// Builds a frame of these pieces, preceded by its size field.
    pub(crate) fn frame(pieces: Vec<Bytes>) -> Self {
        let size = pieces.iter().map(Bytes::len).sum::<usize>();
        let prefix = Bytes::copy_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes());
        let pieces: VecDeque<_> =
            std::iter::once(prefix).chain(pieces).filter(|piece| !piece.is_empty()).collect();
        Rope { pieces, remaining: size + 4 }
    }
}

impl Buf for Rope {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slot, piece) in dst.iter_mut().zip(&self.pieces) {
            *slot = IoSlice::new(piece);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        self.remaining = self.remaining.saturating_sub(count);
        while let Some(front) = self.pieces.front_mut() {
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            let _ = self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rope_reads_as_one_frame_however_it_is_advanced() {
        let pieces = || vec![Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"cdefg")];
        for step in 1..12 {
            let mut rope = Rope::frame(pieces());
            let mut read = Vec::new();
            while rope.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 2];
                assert!(rope.chunks_vectored(&mut slices) > 0);
                assert_eq!(&slices[0][..], rope.chunk());
                let taken = step.min(rope.remaining());
                read.extend_from_slice(&rope.copy_to_bytes(taken));
            }
            assert_eq!(read, b"\0\0\0\x07abcdefg");
        }
    }
}
