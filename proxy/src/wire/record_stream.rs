//! The records of a batch, one after another, without holding what its payload becomes: memory is that of the codec.
//!
//! Offsets are checked as they come, key to headers are not looked into.

use std::io::{self, BufRead, BufReader, Read, Write};

use super::batch::{BatchHeader, RawBatch};
use super::compression::{CompressionError, reader};
use super::densify::DensifyError;
use super::filler::SENTINEL_TAIL;
use super::record::RecordError;
use super::varint::take_varint;

/// Bytes that are read at once.
const PIECE: usize = 32 * 1024;

/// One record up to its deltas.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) attributes: i8,
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i64,
    /// Bytes of key, value and headers, which come next.
    tail: usize,
}

/// Key, value and headers of a record.
pub(super) enum Tail {
    Sentinel,
    /// So many bytes, none of them read.
    Unread(usize),
    /// As long as a sentinel's, and read.
    Read([u8; SENTINEL_TAIL.len()]),
}

impl Tail {
    pub(super) fn len(&self) -> usize {
        match self {
            Tail::Unread(length) => *length,
            Tail::Sentinel | Tail::Read(_) => SENTINEL_TAIL.len(),
        }
    }
}

/// Reads the records of one batch.
pub(super) struct RecordStream<'a> {
    header: BatchHeader,
    input: BufReader<Capped<'a>>,
    index: i32,
    next_delta: i64,
}

/// What a payload becomes, no more of it than is allowed.
struct Capped<'a> {
    inner: Box<dyn Read + 'a>,
    read: u64,
    limit: u64,
}

impl Read for Capped<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(out)?;
        self.read += length as u64;
        if self.read > self.limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(length) }
    }
}

impl<'a> RecordStream<'a> {
    /// `payload` is the batch's. An error comes of more than `limit` bytes, and of a window of more than 2^`window_log`.
    pub(super) fn open(
        batch: &RawBatch,
        payload: &'a [u8],
        limit: u64,
        window_log: u32,
    ) -> Result<Self, DensifyError> {
        let header = batch.header;
        let inner = reader(header.codec(), payload, window_log)
            .map_err(|source| DensifyError::Compression { offset: header.base_offset, source })?;
        let input = BufReader::with_capacity(PIECE, Capped { inner, read: 0, limit });
        Ok(RecordStream { header, input, index: 0, next_delta: 0 })
    }

    /// Bytes that the payload has become so far.
    pub(super) fn read(&self) -> u64 {
        self.input.get_ref().read
    }

    /// The next record, whose tail is read by then; `None` at the end, which is where the header says.
    pub(super) fn next(&mut self) -> Result<Option<(Head, Tail)>, DensifyError> {
        let count = self.header.record_count;
        if count < 0 {
            return Err(self.wrong(RecordError::Count { count }));
        }
        if self.index == count {
            let remaining = self.input.fill_buf().map(<[u8]>::len);
            return match self.or_unreadable(remaining)? {
                0 => Ok(None),
                remaining => Err(self.wrong(RecordError::Trailing { count, remaining })),
            };
        }
        let head = self.head()?;
        let (delta, next) = (head.offset_delta, self.next_delta);
        let last = i64::from(self.header.last_offset_delta);
        if delta < next || delta > last {
            return Err(DensifyError::OutOfPlace { offset: self.header.base_offset, delta, next, last });
        }
        self.next_delta = delta + 1;
        self.index += 1;
        let mut tail = Tail::Unread(head.tail);
        if head.tail == SENTINEL_TAIL.len() {
            let mut bytes = [0; SENTINEL_TAIL.len()];
            let read = self.input.read_exact(&mut bytes);
            self.or_unreadable(read)?;
            tail = if bytes == SENTINEL_TAIL { Tail::Sentinel } else { Tail::Read(bytes) };
        }
        Ok(Some((head, tail)))
    }

    /// Writes the tail of the record that came last.
    pub(super) fn copy(&mut self, tail: &Tail, out: &mut impl Write) -> Result<(), DensifyError> {
        let written = match tail {
            Tail::Sentinel => out.write_all(&SENTINEL_TAIL),
            Tail::Read(bytes) => out.write_all(bytes),
            Tail::Unread(length) => copy(&mut self.input, *length, out),
        };
        self.or_unreadable(written)
    }

    /// Steps over the tail of the record that came last.
    pub(super) fn pass(&mut self, tail: &Tail) -> Result<(), DensifyError> {
        match tail {
            Tail::Unread(_) => self.copy(tail, &mut io::sink()),
            Tail::Sentinel | Tail::Read(_) => Ok(()),
        }
    }

    fn head(&mut self) -> Result<Head, DensifyError> {
        let index = self.index;
        let malformed = |field| RecordError::Malformed { index, at: 0, field };
        let length = self.varint()?;
        let length = usize::try_from(length).ok().filter(|length| i32::try_from(*length).is_ok());
        let length = length.ok_or_else(|| self.wrong(malformed("length")))?;
        let mut attributes = [0];
        let read = self.input.read_exact(&mut attributes);
        self.or_unreadable(read)?;
        let (timestamp_delta, first) = self.measured_varint()?;
        let (offset_delta, second) = self.measured_varint()?;
        let tail = length.checked_sub(1 + first + second).ok_or_else(|| self.wrong(malformed("end")))?;
        Ok(Head { attributes: attributes[0].cast_signed(), timestamp_delta, offset_delta, tail })
    }

    fn varint(&mut self) -> Result<i64, DensifyError> {
        self.measured_varint().map(|(value, _)| value)
    }

    /// A varint and the bytes that it took.
    fn measured_varint(&mut self) -> Result<(i64, usize), DensifyError> {
        let mut bytes = [0; 10];
        for at in 0..bytes.len() {
            let read = self.input.read_exact(&mut bytes[at..=at]);
            self.or_unreadable(read)?;
            if bytes[at] & 0x80 == 0
                && let Some(value) = take_varint(&mut &bytes[..=at])
            {
                return Ok((value, at + 1));
            }
        }
        Err(self.wrong(RecordError::Malformed { index: self.index, at: 0, field: "varint" }))
    }

    fn wrong(&self, source: RecordError) -> DensifyError {
        DensifyError::Records { offset: self.header.base_offset, source }
    }

    fn or_unreadable<T>(&self, read: io::Result<T>) -> Result<T, DensifyError> {
        let limit = usize::try_from(self.input.get_ref().limit).unwrap_or(usize::MAX);
        read.map_err(|source| DensifyError::Compression {
            offset: self.header.base_offset,
            source: match source.kind() {
                io::ErrorKind::FileTooLarge => CompressionError::TooLarge { limit },
                _ => CompressionError::Damaged { codec: self.header.codec(), source },
            },
        })
    }
}

fn copy(from: &mut impl BufRead, mut length: usize, to: &mut impl Write) -> io::Result<()> {
    while length > 0 {
        let piece = from.fill_buf()?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let piece = &piece[..piece.len().min(length)];
        to.write_all(piece)?;
        let copied = piece.len();
        from.consume(copied);
        length -= copied;
    }
    Ok(())
}
