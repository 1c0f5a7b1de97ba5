//! An array of entries (topics, resources) in a request that a client sent, of which some may be left out.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::primitive::{Reader, WireError, put_count};

/// Entries and the bytes that each takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryList<E> {
    entries: Vec<(E, Range<usize>)>,
    compact: bool,
    count: Range<usize>,
    end: usize,
}

impl<E> EntryList<E> {
    /// Reads an array whose elements take at least `least` bytes each; `read` reads one of them.
    ///
    /// # Errors
    /// [`WireError`] for a count that the remaining bytes cannot hold, and whatever `read` fails with.
    pub fn read(
        reader: &mut Reader,
        compact: bool,
        least: usize,
        mut read: impl FnMut(&mut Reader) -> Result<E, WireError>,
    ) -> Result<Self, WireError> {
        let count_at = reader.position();
        let count = reader.count(compact, least)?;
        let count_range = count_at..reader.position();
        let mut entries = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            let start = reader.position();
            let entry = read(reader)?;
            entries.push((entry, start..reader.position()));
        }
        Ok(EntryList { entries, compact, count: count_range, end: reader.position() })
    }

    /// The entries, as sent.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &E> {
        self.entries.iter().map(|(entry, _)| entry)
    }

    /// The frame that the entries were read from, with those only to which `keep` says true: pieces to be sent one after
    /// another.
    pub fn kept(&self, frame: &Bytes, mut keep: impl FnMut(&E) -> bool) -> Vec<Bytes> {
        let kept: Vec<_> = self.entries.iter().filter(|(entry, _)| keep(entry)).collect();
        let mut count = BytesMut::new();
        put_count(&mut count, self.compact, kept.len());
        let mut pieces = Vec::with_capacity(kept.len() + 3);
        pieces.push(frame.slice(..self.count.start));
        pieces.push(count.freeze());
        pieces.extend(kept.into_iter().map(|(_, range)| frame.slice(range.clone())));
        pieces.push(frame.slice(self.end..));
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_left_out_leave_the_rest_as_it_was() {
        let frame = Bytes::from_static(b"head\0\0\0\x03\0\x01a\0\x02bb\0\x01ctail");
        let mut reader = Reader::starting_at(frame.clone(), 4);
        let list = EntryList::read(&mut reader, false, 2, |reader| reader.string(false)).unwrap();
        assert_eq!(list.iter().map(|text| text.as_str()).collect::<Vec<_>>(), ["a", "bb", "c"]);
        assert_eq!(list.kept(&frame, |_| true).concat(), frame);
        assert_eq!(
            list.kept(&frame, |text| text.as_str() != "bb").concat(),
            b"head\0\0\0\x02\0\x01a\0\x01ctail"
        );
    }

    #[test]
    fn count_blowups_are_refused() {
        let frame = Bytes::from_static(b"\x7f\xff\xff\xff\0\0");
        let list = EntryList::read(&mut Reader::new(frame), false, 2, |reader| reader.string(false));
        assert!(matches!(list, Err(WireError::CountTooLarge { .. })));
    }
}
