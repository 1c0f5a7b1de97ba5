//! Leaves entries (topics, resources) out of an array in a client's request.
//!
//! The array is read once and no entry is stored. Only the byte ranges that stay are remembered. There is at
//! most one range more than there are entries left out.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::wire::protocol::primitive::{Reader, WireError, put_count};

/// The bytes of an array that stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Byte ranges of the kept entries. Adjacent entries share one range.
    runs: Vec<Range<usize>>,
    entries: usize,
    left_out: usize,
    compact: bool,
    count: Range<usize>,
    end: usize,
}

impl Kept {
    /// Reads an array whose elements take at least `least` bytes each. `read` reads one element and returns
    /// true if it stays.
    ///
    /// # Errors
    /// Fails if the remaining bytes cannot hold the array's count of elements, or if `read` fails.
    pub fn read(
        reader: &mut Reader,
        compact: bool,
        least: usize,
        mut read: impl FnMut(&mut Reader) -> Result<bool, WireError>,
    ) -> Result<Self, WireError> {
        let count_at = reader.position();
        let entries = reader.count(compact, least)?;
        let count = count_at..reader.position();
        let mut runs: Vec<Range<usize>> = Vec::new();
        let mut left_out = 0;
        for _ in 0..entries {
            let start = reader.position();
            let stays = read(reader)?;
            let end = reader.position();
            match runs.last_mut() {
                _ if !stays => left_out += 1,
                Some(run) if run.end == start => run.end = end,
                _ => runs.push(start..end),
            }
        }
        Ok(Kept { runs, entries, left_out, compact, count, end: reader.position() })
    }

    /// Returns true if every entry stays.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.left_out == 0
    }

    /// Returns true if no entry stays.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.left_out == self.entries
    }

    /// Returns true if all entries that stay here stay in `other` too. `other` must be read from the same
    /// frame.
    #[must_use]
    pub fn is_within(&self, other: &Kept) -> bool {
        let mut runs = other.runs.iter().peekable();
        self.runs.iter().all(|run| {
            while runs.next_if(|other| other.end <= run.start).is_some() {}
            runs.peek().is_some_and(|other| other.start <= run.start && run.end <= other.end)
        })
    }

    /// Returns the frame without the entries left out, as pieces to send one after another.
    #[must_use]
    pub fn pieces(&self, frame: &Bytes) -> Vec<Bytes> {
        if self.is_all() {
            return vec![frame.clone()];
        }
        let mut count = BytesMut::new();
        put_count(&mut count, self.compact, self.entries - self.left_out);
        let mut pieces = Vec::with_capacity(self.runs.len() + 3);
        pieces.push(frame.slice(..self.count.start));
        pieces.push(count.freeze());
        pieces.extend(self.runs.iter().map(|run| frame.slice(run.clone())));
        pieces.push(frame.slice(self.end..));
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaving_entries_out_keeps_all_other_bytes() {
        let frame = Bytes::from_static(b"head\0\0\0\x04\0\x01a\0\x02bb\0\x01c\0\x01dtail");
        let without = |names: &[&str]| {
            let mut reader = Reader::starting_at(frame.clone(), 4);
            let read = |reader: &mut Reader| Ok(!names.contains(&reader.string(false)?.as_str()));
            Kept::read(&mut reader, false, 2, read).unwrap()
        };
        assert_eq!(without(&[]).pieces(&frame), [&frame]);
        assert_eq!(without(&["bb"]).pieces(&frame).concat(), b"head\0\0\0\x03\0\x01a\0\x01c\0\x01dtail");
        assert_eq!(without(&["a", "d"]).pieces(&frame).concat(), b"head\0\0\0\x02\0\x02bb\0\x01ctail");
        // Adjacent entries are one piece.
        assert_eq!(without(&["a"]).pieces(&frame).len(), 4);
        let some = without(&["a", "c"]);
        assert!(some.is_within(&some) && some.is_within(&without(&["a"])) && some.is_within(&without(&[])));
        assert!(!some.is_within(&without(&["bb"])) && !some.is_within(&without(&["a", "d"])));
        let none = without(&["a", "bb", "c", "d"]);
        assert!(none.is_within(&some) && !some.is_within(&none) && none.is_within(&none));
        assert!(none.is_none() && !none.is_all());
        assert_eq!(none.pieces(&frame).concat(), b"head\0\0\0\0tail");
    }

    #[test]
    fn oversized_counts_are_refused() {
        let frame = Bytes::from_static(b"\x7f\xff\xff\xff\0\0");
        let kept = Kept::read(&mut Reader::new(frame), false, 2, |reader| reader.string(false).map(|_| true));
        assert!(matches!(kept, Err(WireError::CountTooLarge { .. })));
    }
}
