//! The topics and producer ids of a Produce request on its way through: read piece by piece, nothing held but a field.
//!
//! Since version 3, a broker takes exactly one batch for each partition (`ProduceRequest.validateRecords` of Kafka), so the
//! first header of each partition's records tells all.

use bytes::Bytes;
use state::model::RESERVED_PRODUCER_ID_BASE;

use super::batch::HEADER_LEN;
use super::primitive::{Reader, WireError};
use super::produce_request::{FLEXIBLE, least_of_a_topic, read_opening, read_topic_opening};
use super::topic_ref::TopicRef;

/// Bytes that are enough to read almost any field.
const WINDOW: usize = 256;
/// Most bytes of a field other than records that comes in several pieces: Kafka's names are far shorter.
const MAX_FIELD: usize = 128 * 1024;

/// Whether records in a request begin with a batch whose producer id is reserved to mirroring: no broker hands out such an id.
#[must_use]
pub fn is_reserved(records: &[u8]) -> bool {
    // Magic 2, and the producer id as a number: `DefaultRecordBatch` of Kafka. Whatever the other fields say.
    let id = records.get(43..51).and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes);
    records.get(16) == Some(&2) && id.is_some_and(|id| id >= RESERVED_PRODUCER_ID_BASE)
}

/// What is known of a request so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nothing that must not pass.
    Good,
    /// A topic that may not be written.
    Refused,
    /// A batch with a reserved producer id.
    Reserved,
}

/// Reads one request frame (its size not among the bytes) as it passes.
#[derive(Debug)]
pub struct ProduceScan {
    version: i16,
    /// Bytes of the frame that were not given yet.
    to_come: usize,
    /// Front of a field whose rest was not given yet.
    begun: Vec<u8>,
    /// Bytes to step over before the next field.
    skip: usize,
    next: Field,
    topics: usize,
    partitions: usize,
    /// Whether the first header, or the end of a request that has none, was read.
    looked: bool,
}

/// What is read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Opening,
    Topic,
    Partition,
    /// The first bytes of so many bytes of records.
    Records(usize),
    /// How many tags follow.
    Tags(Owner),
    /// Number and size of a tag; how many follow with it.
    Tag(Owner, u32),
    /// What is left is of no interest.
    End,
}

/// What tags belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Partition,
    Topic,
}

impl ProduceScan {
    /// For a frame of `size` bytes in a version of 3 or above.
    #[must_use]
    pub fn new(version: i16, size: usize) -> Self {
        ProduceScan {
            version,
            to_come: size,
            begun: Vec::new(),
            skip: 0,
            next: Field::Opening,
            topics: 0,
            partitions: 0,
            looked: false,
        }
    }

    /// Whether a batch header has been read, or there is none in the request.
    #[must_use]
    pub fn has_looked(&self) -> bool {
        self.looked
    }

    /// Reads the next piece of the frame; `may_write` says of each topic that is named in it whether it may be written.
    /// The scan is over with anything but [`Seen::Good`].
    ///
    /// # Errors
    /// [`WireError`] for anything that is no Produce request of this version.
    pub fn feed(
        &mut self,
        mut piece: &[u8],
        mut may_write: impl FnMut(&TopicRef) -> bool,
    ) -> Result<Seen, WireError> {
        self.to_come = self.to_come.saturating_sub(piece.len());
        let mut window = WINDOW;
        while self.next != Field::End {
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
                Ok(Seen::Good) => {
                    // What had begun was too little by itself, so the field ends in this piece.
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
        Ok(Seen::Good)
    }

    /// Reads the next field.
    fn read(
        &mut self,
        reader: &mut Reader,
        may_write: &mut impl FnMut(&TopicRef) -> bool,
    ) -> Result<Seen, WireError> {
        let flexible = self.version >= FLEXIBLE;
        match self.next {
            Field::Opening => {
                let _ = read_opening(reader, self.version)?;
                self.topics = reader.count(flexible, least_of_a_topic(self.version))?;
                self.next = self.next_topic();
            }
            Field::Topic => {
                let (topic, partitions) = read_topic_opening(reader, self.version)?;
                if !may_write(&topic) {
                    return Ok(Seen::Refused);
                }
                (self.topics, self.partitions) = (self.topics - 1, partitions);
                self.next = self.next_partition();
            }
            Field::Partition => {
                let _index = reader.i32()?;
                let length = reader.bytes_length(flexible)?.unwrap_or(0);
                let (at, remaining) = (reader.position(), reader.remaining());
                if length > remaining {
                    return Err(WireError::Truncated { field: "bytes", at, needed: length, remaining });
                }
                self.partitions -= 1;
                self.next = Field::Records(length);
            }
            Field::Records(length) => {
                let header = reader.skip("batch header", length.min(HEADER_LEN))?;
                if is_reserved(&reader.slice(header)) {
                    return Ok(Seen::Reserved);
                }
                self.looked = true;
                self.skip = length - length.min(HEADER_LEN);
                self.next = self.behind(Owner::Partition, flexible);
            }
            Field::Tags(owner) => {
                self.next = match reader.unsigned_varint()? {
                    0 => self.after(owner),
                    count => Field::Tag(owner, count - 1),
                };
            }
            Field::Tag(owner, more) => {
                let _number = reader.unsigned_varint()?;
                let size = usize::try_from(reader.unsigned_varint()?).unwrap_or(usize::MAX);
                let (at, remaining) = (reader.position(), reader.remaining());
                if size > remaining {
                    return Err(WireError::Truncated { field: "tag", at, needed: size, remaining });
                }
                self.skip = size;
                self.next = if more == 0 { self.after(owner) } else { Field::Tag(owner, more - 1) };
            }
            Field::End => {}
        }
        self.looked |= self.next == Field::End;
        Ok(Seen::Good)
    }

    /// What follows the last field of `owner`.
    fn behind(&self, owner: Owner, flexible: bool) -> Field {
        if flexible { Field::Tags(owner) } else { self.after(owner) }
    }

    /// What follows the tags of `owner`.
    fn after(&self, owner: Owner) -> Field {
        match owner {
            Owner::Partition => self.next_partition(),
            Owner::Topic => self.next_topic(),
        }
    }

    fn next_topic(&self) -> Field {
        if self.topics > 0 { Field::Topic } else { Field::End }
    }

    fn next_partition(&self) -> Field {
        if self.partitions > 0 {
            Field::Partition
        } else {
            self.behind(Owner::Topic, self.version >= FLEXIBLE)
        }
    }
}

#[cfg(test)]
mod tests;
