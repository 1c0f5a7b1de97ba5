//! Reads the topics and producer ids of a Produce request while it passes through the gateway, piece by
//! piece. Holds at most one field.
//!
//! Since version 3, a broker accepts exactly one batch for each partition (`ProduceRequest.validateRecords`
//! of Kafka). So the first batch header of each partition's records is enough.

use bytes::Bytes;
use state::model::RESERVED_PRODUCER_ID_BASE;

use crate::wire::messages::produce_request::{FLEXIBLE, least_of_a_topic, read_opening, read_topic_opening};
use crate::wire::protocol::primitive::{Reader, WireError};
use crate::wire::protocol::topic_ref::TopicRef;
use crate::wire::records::batch::HEADER_LEN;

/// Number of bytes that almost any field fits in.
const WINDOW: usize = 256;
/// Maximum size of a field that comes in several pieces (records excepted), in bytes. Kafka's names are far
/// shorter.
const MAX_FIELD: usize = 128 * 1024;

/// Returns true if the records begin with a batch whose producer id is reserved for mirroring. No broker
/// hands out such an id.
#[must_use]
pub(crate) fn is_reserved(records: &[u8]) -> bool {
    // Checks only the magic byte (2) and the producer id (`DefaultRecordBatch` of Kafka). The other fields do
    // not matter.
    let id = records.get(43..51).and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes);
    records.get(16) == Some(&2) && id.is_some_and(|id| id >= RESERVED_PRODUCER_ID_BASE)
}

/// Result of the scan so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScanResult {
    /// The request may pass so far.
    Good,
    /// The request names a topic that clients may not write to.
    Refused,
    /// The request has a batch with a reserved producer id.
    Reserved,
}

/// Scanner of one request frame (without its size field).
#[derive(Debug)]
pub(crate) struct ProduceScan {
    version: i16,
    /// Number of bytes of the frame that were not fed yet.
    to_come: usize,
    /// Front of a field whose rest was not fed yet.
    begun: Vec<u8>,
    /// Number of bytes to skip before the next field.
    skip: usize,
    next: NextField,
    topics: usize,
    partitions: usize,
    /// True if the first batch header was read, or the request ended without one.
    looked: bool,
}

/// The next field to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NextField {
    Opening,
    Topic,
    Partition,
    /// The first bytes of records of this length.
    Records(usize),
    /// Number of tags.
    Tags(Owner),
    /// Number and size of a tag, and how many tags follow it.
    Tag(Owner, u32),
    /// The end: the rest of the frame is not read.
    End,
}

/// Structure that tags belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Partition,
    Topic,
}

impl ProduceScan {
    /// Creates a scanner for a frame of `size` bytes, of version 3 or later.
    #[must_use]
    pub(crate) fn new(version: i16, size: usize) -> Self {
        ProduceScan {
            version,
            to_come: size,
            begun: Vec::new(),
            skip: 0,
            next: NextField::Opening,
            topics: 0,
            partitions: 0,
            looked: false,
        }
    }

    /// Returns true if a batch header was read, or if the request has none.
    #[must_use]
    pub(crate) fn has_looked(&self) -> bool {
        self.looked
    }

    /// Reads the next piece of the frame. `may_write` returns true for a topic that clients may write to; it
    /// is called once for each topic. The scan ends with any result other than [`ScanResult::Good`].
    ///
    /// # Errors
    /// Fails if the frame is not a valid Produce request of this version.
    pub(crate) fn feed(
        &mut self,
        mut piece: &[u8],
        mut may_write: impl FnMut(&TopicRef) -> bool,
    ) -> Result<ScanResult, WireError> {
        self.to_come = self.to_come.saturating_sub(piece.len());
        let mut window = WINDOW;
        while self.next != NextField::End {
            let stepped = self.skip.min(piece.len());
            self.skip -= stepped;
            piece = &piece[stepped..];
            if self.skip > 0 || piece.is_empty() {
                break;
            }
            let look = piece.len().min(window);
            let seen = Bytes::from([self.begun.as_slice(), &piece[..look]].concat());
            let mut reader = Reader::front(seen, self.to_come + piece.len() - look);
            match self.read(&mut reader, &mut may_write) {
                Ok(ScanResult::Good) => {
                    // The bytes held before were too few for the field, so the field ends in this piece.
                    piece = &piece[reader.position().saturating_sub(self.begun.len()).min(look)..];
                    self.begun.clear();
                    window = WINDOW;
                }
                Ok(bad) => return Ok(bad),
                Err(WireError::NotYetHere { .. }) if look < piece.len() => window = window.saturating_mul(4),
                Err(WireError::NotYetHere { .. }) if self.begun.len() + piece.len() > MAX_FIELD => {
                    return Err(WireError::TooMany {
                        what: "bytes in a field of a Produce request",
                        limit: MAX_FIELD,
                    });
                }
                Err(WireError::NotYetHere { .. }) => {
                    self.begun.extend_from_slice(piece);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(ScanResult::Good)
    }

    /// Reads the next field.
    fn read(
        &mut self,
        reader: &mut Reader,
        may_write: &mut impl FnMut(&TopicRef) -> bool,
    ) -> Result<ScanResult, WireError> {
        let flexible = self.version >= FLEXIBLE;
        match self.next {
            NextField::Opening => {
                let _ = read_opening(reader, self.version)?;
                self.topics = reader.count(flexible, least_of_a_topic(self.version))?;
                self.next = self.next_topic();
            }
            NextField::Topic => {
                let (topic, partitions) = read_topic_opening(reader, self.version)?;
                if !may_write(&topic) {
                    return Ok(ScanResult::Refused);
                }
                (self.topics, self.partitions) = (self.topics - 1, partitions);
                self.next = self.next_partition();
            }
            NextField::Partition => {
                let _index = reader.i32()?;
                let length = reader.bytes_length(flexible)?.unwrap_or(0);
                let (at, remaining) = (reader.position(), reader.remaining());
                if length > remaining {
                    return Err(WireError::Truncated { field: "bytes", at, needed: length, remaining });
                }
                self.partitions -= 1;
                self.next = NextField::Records(length);
            }
            NextField::Records(length) => {
                let header = reader.skip("batch header", length.min(HEADER_LEN))?;
                if is_reserved(&reader.slice(header)) {
                    return Ok(ScanResult::Reserved);
                }
                self.looked = true;
                self.skip = length - length.min(HEADER_LEN);
                self.next = self.behind(Owner::Partition, flexible);
            }
            NextField::Tags(owner) => {
                self.next = match reader.unsigned_varint()? {
                    0 => self.after(owner),
                    count => NextField::Tag(owner, count - 1),
                };
            }
            NextField::Tag(owner, more) => {
                let _number = reader.unsigned_varint()?;
                let size = usize::try_from(reader.unsigned_varint()?).unwrap_or(usize::MAX);
                let (at, remaining) = (reader.position(), reader.remaining());
                if size > remaining {
                    return Err(WireError::Truncated { field: "tag", at, needed: size, remaining });
                }
                self.skip = size;
                self.next = if more == 0 { self.after(owner) } else { NextField::Tag(owner, more - 1) };
            }
            NextField::End => {}
        }
        self.looked |= self.next == NextField::End;
        Ok(ScanResult::Good)
    }

    /// Returns the field after the last field of `owner`.
    fn behind(&self, owner: Owner, flexible: bool) -> NextField {
        if flexible { NextField::Tags(owner) } else { self.after(owner) }
    }

    /// Returns the field after the tags of `owner`.
    fn after(&self, owner: Owner) -> NextField {
        match owner {
            Owner::Partition => self.next_partition(),
            Owner::Topic => self.next_topic(),
        }
    }

    fn next_topic(&self) -> NextField {
        if self.topics > 0 { NextField::Topic } else { NextField::End }
    }

    fn next_partition(&self) -> NextField {
        if self.partitions > 0 {
            NextField::Partition
        } else {
            self.behind(Owner::Topic, self.version >= FLEXIBLE)
        }
    }
}

#[cfg(test)]
mod tests;
