//! Reads the records of a batch one after another, without holding the decompressed payload. Only the codec
//! needs memory.
//!
//! Offsets are checked as they are read. Key, value and headers are not parsed.

use std::io::{self, BufRead, BufReader, Read, Write};

use crate::wire::protocol::varint::{read_varint, read_varlong};
use crate::wire::records::batch::{BatchHeader, RawBatch};
use crate::wire::records::compression::{CompressionError, reader};
use crate::wire::records::filler::SENTINEL_TAIL;
use crate::wire::records::read::RecordsError;
use crate::wire::records::record::RecordError;

/// Size of the read buffer, in bytes.
const PIECE: usize = 32 * 1024;

/// The front of a record, up to its deltas.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) attributes: i8,
    pub(crate) timestamp_delta: i64,
    pub(crate) offset_delta: i64,
    /// Length of key, value and headers, which come next, in bytes.
    tail: usize,
}

/// Key, value and headers of a record.
pub(crate) enum Tail {
    Sentinel,
    /// The tail has this many bytes, all unread.
    Unread(usize),
    /// The tail is as long as a sentinel's, but is different. It is read.
    Read([u8; SENTINEL_TAIL.len()]),
}

impl Tail {
    pub(crate) fn len(&self) -> usize {
        match self {
            Tail::Unread(length) => *length,
            Tail::Sentinel | Tail::Read(_) => SENTINEL_TAIL.len(),
        }
    }
}

/// Stream of the records of one batch.
pub(crate) struct RecordStream<'a> {
    header: BatchHeader,
    input: BufReader<Capped<'a>>,
    index: i32,
    /// Position of the record that is being read in the decompressed payload.
    record_at: u64,
    next_delta: i64,
}

/// Reader of a decompressed payload that fails beyond a limit.
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
    /// Opens the records of `batch`, whose payload is `payload`. Reading fails if they decompress to more
    /// than `limit` bytes, or if a zstd window is larger than 2^`window_log`.
    pub(crate) fn open(
        batch: &RawBatch,
        payload: &'a [u8],
        limit: u64,
        window_log: u32,
    ) -> Result<Self, RecordsError> {
        let header = batch.header;
        let inner = reader(header.codec(), payload, window_log)
            .map_err(|source| RecordsError::Compression { offset: header.base_offset, source })?;
        let input = BufReader::with_capacity(PIECE, Capped { inner, read: 0, limit });
        Ok(RecordStream { header, input, index: 0, record_at: 0, next_delta: 0 })
    }

    /// Returns the number of decompressed bytes so far.
    pub(crate) fn read(&self) -> u64 {
        self.input.get_ref().read
    }

    /// Returns the position of the next byte in the decompressed payload.
    fn position(&self) -> u64 {
        self.read() - self.input.buffer().len() as u64
    }

    /// Reads the front of the next record. If the tail of the record before is still unread, the caller must
    /// read it first, with `copy` or `pass`. Returns `None` at the end, and fails if that is not where the
    /// batch header says.
    pub(crate) fn next(&mut self) -> Result<Option<(Head, Tail)>, RecordsError> {
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
        self.record_at = self.position();
        let head = self.head()?;
        let (delta, next) = (head.offset_delta, self.next_delta);
        let last = i64::from(self.header.last_offset_delta);
        if delta < next || delta > last {
            return Err(RecordsError::OutOfPlace { offset: self.header.base_offset, delta, next, last });
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

    /// Writes the tail of the last record to `out`.
    pub(crate) fn copy(&mut self, tail: &Tail, out: &mut impl Write) -> Result<(), RecordsError> {
        let written = match tail {
            Tail::Sentinel => out.write_all(&SENTINEL_TAIL),
            Tail::Read(bytes) => out.write_all(bytes),
            Tail::Unread(length) => copy(&mut self.input, *length, out),
        };
        self.or_unreadable(written)
    }

    /// Skips the tail of the last record.
    pub(crate) fn pass(&mut self, tail: &Tail) -> Result<(), RecordsError> {
        match tail {
            Tail::Unread(_) => self.copy(tail, &mut io::sink()),
            Tail::Sentinel | Tail::Read(_) => Ok(()),
        }
    }

    fn head(&mut self) -> Result<Head, RecordsError> {
        let length = self.field("length", |next| read_varint(next))?;
        let length = u64::try_from(length).map_err(|_| self.malformed("length"))?;
        let end = self.position() + length;
        let mut attributes = [0];
        let read = self.input.read_exact(&mut attributes);
        self.or_unreadable(read)?;
        let timestamp_delta = self.field("timestamp delta", |next| read_varlong(next))?;
        let offset_delta = self.field("offset delta", |next| read_varint(next))?.into();
        let tail = end.checked_sub(self.position()).and_then(|tail| usize::try_from(tail).ok());
        let tail = tail.ok_or_else(|| self.malformed("end"))?;
        Ok(Head { attributes: attributes[0].cast_signed(), timestamp_delta, offset_delta, tail })
    }

    /// Reads a varint with `read`, which returns `None` if it is too long.
    fn field<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut dyn FnMut() -> io::Result<u8>) -> io::Result<Option<T>>,
    ) -> Result<T, RecordsError> {
        let value = read(&mut || {
            let mut byte = [0];
            self.input.read_exact(&mut byte).map(|()| byte[0])
        });
        self.or_unreadable(value)?.ok_or_else(|| self.malformed(name))
    }

    fn malformed(&self, field: &'static str) -> RecordsError {
        let at = usize::try_from(self.record_at).unwrap_or(usize::MAX);
        self.wrong(RecordError::Malformed { index: self.index, at, field })
    }

    fn wrong(&self, source: RecordError) -> RecordsError {
        RecordsError::Records { offset: self.header.base_offset, source }
    }

    fn or_unreadable<T>(&self, read: io::Result<T>) -> Result<T, RecordsError> {
        let limit = usize::try_from(self.input.get_ref().limit).unwrap_or(usize::MAX);
        read.map_err(|source| RecordsError::Compression {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::protocol::varint::put_varint;
    use crate::wire::records::batch::testing::{batch, header};
    use crate::wire::records::batch::{BatchHeader, Codec};
    use crate::wire::records::compression::{ANY_WINDOW, compress};
    use crate::wire::records::record_writer::put_record;

    /// Reads a batch of `count` records to its end or to an error.
    fn read(codec: Codec, records: &[u8], count: i32) -> Result<u64, RecordsError> {
        let header = BatchHeader { attributes: codec.attribute(), record_count: count, ..header(70, count) };
        let batch = batch(header, &compress(codec, records).unwrap());
        let payload = batch.payload();
        let mut stream = RecordStream::open(&batch, &payload, 1 << 30, ANY_WINDOW)?;
        while let Some((_, tail)) = stream.next()? {
            stream.pass(&tail)?;
        }
        Ok(stream.position())
    }

    #[test]
    fn a_malformed_record_is_named_with_its_field_and_its_position() {
        const TOO_LONG: [u8; 11] = [0x80; 11];
        let broken = |length: i64, rest: &[u8]| {
            let mut record = Vec::new();
            put_varint(&mut record, length);
            record.extend_from_slice(rest);
            record
        };
        let mut good = Vec::new();
        for delta in 0..3 {
            // The last is larger than the read buffer.
            let value = vec![7; if delta == 2 { 3 * PIECE } else { 9 }];
            put_record(&mut good, 0, 5, delta, &value);
        }
        for codec in [Codec::None, Codec::Gzip, Codec::Zstd] {
            assert_eq!(read(codec, &good, 3).unwrap(), good.len() as u64);
            for (field, record) in [
                ("length", TOO_LONG.to_vec()),
                ("length", broken(-1, &[0; 20])),
                ("timestamp delta", broken(30, &[&[0], &TOO_LONG[..], &[0; 20]].concat())),
                ("offset delta", broken(30, &[&[0, 0], &TOO_LONG[..], &[0; 20]].concat())),
                ("end", broken(2, &[0; 20])),
            ] {
                let error = read(codec, &[&good[..], &record].concat(), 4).unwrap_err();
                let at = good.len();
                let told = RecordsError::Records {
                    offset: 70,
                    source: RecordError::Malformed { index: 3, at, field },
                };
                assert_eq!(error.to_string(), told.to_string(), "{codec:?}");
            }
        }
    }
}
