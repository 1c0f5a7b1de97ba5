//! Reads and writes the primitive types of the Kafka protocol, with bounds.
//!
//! A [`Reader`] walks a `Bytes` without copying: strings and byte fields are slices of the same allocation.
//! Every length and count from the wire is checked against the remaining bytes before memory is reserved. So
//! no input can make a decoder allocate more than a small multiple of the bytes that were sent. A
//! [`WireError`] tells the kind of field and its position.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::protocol::varint::{put_unsigned_varint, read_unsigned_varint};

/// An error in bytes of the Kafka protocol. Positions count from the first byte of the buffer that the reader
/// got.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A field is longer than the rest of the message.
    #[error("{field} at byte {at} needs {needed} bytes and {remaining} remain")]
    Truncated {
        /// Kind of field.
        field: &'static str,
        /// Position of the field.
        at: usize,
        /// Length of the field, in bytes.
        needed: usize,
        /// Number of remaining bytes.
        remaining: usize,
    },
    /// A field fits into the message, but has not fully arrived: see [`Reader::front`].
    #[error("the bytes from position {at} on have not arrived yet")]
    NotYetHere {
        /// Position of the field.
        at: usize,
    },
    /// The remaining bytes cannot hold the count of elements.
    #[error("array of {count} elements at byte {at} does not fit into {remaining} remaining bytes")]
    CountTooLarge {
        /// Count of elements.
        count: u64,
        /// Position of the count.
        at: usize,
        /// Number of remaining bytes.
        remaining: usize,
    },
    /// A length is below -1, or null where null is not allowed.
    #[error("{field} at byte {at} has the illegal length {length}")]
    IllegalLength {
        /// Kind of field.
        field: &'static str,
        /// Position of the field.
        at: usize,
        /// Length that was read.
        length: i64,
    },
    /// A variable-length integer has more than five bytes.
    #[error("varint at byte {at} is too long")]
    VarintTooLong {
        /// Position of the integer.
        at: usize,
    },
    /// A string is not UTF-8.
    #[error("string at byte {at} is not UTF-8")]
    NotUtf8 {
        /// Position of the string.
        at: usize,
    },
    /// Bytes follow the end of the message.
    #[error("{remaining} bytes follow the end of the message at byte {at}")]
    TrailingBytes {
        /// Position after the message.
        at: usize,
        /// Number of bytes after the message.
        remaining: usize,
    },
    /// The decoder does not know this version.
    #[error("version {version} of api key {api_key} is not supported")]
    UnsupportedVersion {
        /// Api key.
        api_key: i16,
        /// Version of the api.
        version: i16,
    },
    /// The message has more elements than a well-behaved peer ever sends.
    #[error("more than {limit} {what}")]
    TooMany {
        /// Name of the elements.
        what: &'static str,
        /// Maximum number of elements.
        limit: usize,
    },
}

/// Reader of the primitives in a `Bytes`, one after another.
#[derive(Debug, Clone)]
pub struct Reader {
    bytes: Bytes,
    at: usize,
    /// Number of bytes that follow in the message, but have not arrived.
    to_come: usize,
}

impl Reader {
    /// Creates a reader at the first byte.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self::front(bytes, 0)
    }

    /// Creates a reader for the front of a message: `to_come` more bytes of it have not arrived.
    #[must_use]
    pub fn front(bytes: Bytes, to_come: usize) -> Self {
        Reader { bytes, at: 0, to_come }
    }

    /// Creates a reader at byte `at`. If `at` is beyond the end, nothing remains.
    #[must_use]
    pub fn starting_at(bytes: Bytes, at: usize) -> Self {
        let at = at.min(bytes.len());
        Reader { at, ..Self::new(bytes) }
    }

    /// Returns the position of the next byte to read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// Returns the bytes at a range that was read. They share the memory.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Bytes {
        self.bytes.slice(range)
    }

    /// Returns the number of bytes not yet read, including those that have not arrived.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at + self.to_come
    }

    /// Skips `length` bytes and returns their range.
    pub fn skip(&mut self, field: &'static str, length: usize) -> Result<Range<usize>, WireError> {
        let (start, remaining) = (self.at, self.remaining());
        if length > remaining {
            return Err(WireError::Truncated { field, at: start, needed: length, remaining });
        }
        if start + length > self.bytes.len() {
            return Err(WireError::NotYetHere { at: start });
        }
        self.at += length;
        Ok(start..self.at)
    }

    fn fixed<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], WireError> {
        let range = self.skip(field, N)?;
        let mut out = [0; N];
        out.copy_from_slice(&self.bytes[range]);
        Ok(out)
    }

    /// Reads an INT8.
    pub fn i8(&mut self) -> Result<i8, WireError> {
        self.fixed("int8").map(i8::from_be_bytes)
    }

    /// Reads an INT16.
    pub fn i16(&mut self) -> Result<i16, WireError> {
        self.fixed("int16").map(i16::from_be_bytes)
    }

    /// Reads an INT32.
    pub fn i32(&mut self) -> Result<i32, WireError> {
        self.fixed("int32").map(i32::from_be_bytes)
    }

    /// Reads an INT64.
    pub fn i64(&mut self) -> Result<i64, WireError> {
        self.fixed("int64").map(i64::from_be_bytes)
    }

    /// Reads a UUID as 16 bytes.
    pub fn uuid(&mut self) -> Result<[u8; 16], WireError> {
        self.fixed("uuid")
    }

    /// Reads an UNSIGNED_VARINT.
    pub fn unsigned_varint(&mut self) -> Result<u32, WireError> {
        let at = self.at;
        let value = read_unsigned_varint(|| self.fixed("varint").map(|[byte]| byte))?;
        value.ok_or(WireError::VarintTooLong { at })
    }

    /// Reads the length of a nullable STRING (INT16) or COMPACT_STRING; `None` for null.
    fn string_length(&mut self, compact: bool) -> Result<Option<usize>, WireError> {
        let at = self.at;
        let length = if compact { i64::from(self.unsigned_varint()?) - 1 } else { i64::from(self.i16()?) };
        Self::nullable("string", at, length)
    }

    fn nullable(field: &'static str, at: usize, length: i64) -> Result<Option<usize>, WireError> {
        match length {
            -1 => Ok(None),
            _ => {
                usize::try_from(length).map(Some).map_err(|_| WireError::IllegalLength { field, at, length })
            }
        }
    }

    /// Reads a NULLABLE_STRING or COMPACT_NULLABLE_STRING.
    ///
    /// # Errors
    /// Fails if the length is invalid or does not fit, or if the bytes are not UTF-8.
    pub fn nullable_string(&mut self, compact: bool) -> Result<Option<Text>, WireError> {
        let at = self.at;
        let Some(length) = self.string_length(compact)? else { return Ok(None) };
        let range = self.skip("string", length)?;
        let bytes = self.bytes.slice(range);
        match std::str::from_utf8(&bytes) {
            Ok(_) => Ok(Some(Text(bytes))),
            Err(_) => Err(WireError::NotUtf8 { at }),
        }
    }

    /// Reads a STRING or COMPACT_STRING.
    ///
    /// # Errors
    /// Fails like [`Reader::nullable_string`], and with [`WireError::IllegalLength`] for null.
    pub fn string(&mut self, compact: bool) -> Result<Text, WireError> {
        let at = self.at;
        self.nullable_string(compact)?.ok_or(WireError::IllegalLength { field: "string", at, length: -1 })
    }

    /// Reads NULLABLE_BYTES, COMPACT_NULLABLE_BYTES or RECORDS, and returns the range of the content; `None`
    /// for null.
    ///
    /// # Errors
    /// Fails if the length is invalid or does not fit.
    pub fn nullable_bytes(&mut self, compact: bool) -> Result<Option<Range<usize>>, WireError> {
        match self.bytes_length(compact)? {
            None => Ok(None),
            Some(length) => self.skip("bytes", length).map(Some),
        }
    }

    /// Reads the length of NULLABLE_BYTES, COMPACT_NULLABLE_BYTES or RECORDS; `None` for null. Does not check
    /// that the content fits.
    ///
    /// # Errors
    /// Fails if the length is truncated or illegal.
    pub fn bytes_length(&mut self, compact: bool) -> Result<Option<usize>, WireError> {
        let at = self.at;
        let length = if compact { i64::from(self.unsigned_varint()?) - 1 } else { i64::from(self.i32()?) };
        Self::nullable("bytes", at, length)
    }

    /// Reads the count of an ARRAY or COMPACT_ARRAY whose elements take at least `element` bytes each; `None`
    /// for null.
    ///
    /// # Errors
    /// Fails if the count is illegal, and with [`WireError::CountTooLarge`] if the remaining bytes cannot
    /// hold that number of elements.
    pub fn nullable_count(&mut self, compact: bool, element: usize) -> Result<Option<usize>, WireError> {
        let at = self.at;
        let count = if compact { i64::from(self.unsigned_varint()?) - 1 } else { i64::from(self.i32()?) };
        let Some(count) = Self::nullable("array", at, count)? else { return Ok(None) };
        let fits = count.checked_mul(element.max(1)).is_some_and(|bytes| bytes <= self.remaining());
        if !fits {
            return Err(WireError::CountTooLarge { count: count as u64, at, remaining: self.remaining() });
        }
        Ok(Some(count))
    }

    /// Reads the count of an array that must not be null; see [`Reader::nullable_count`].
    ///
    /// # Errors
    /// Fails like [`Reader::nullable_count`], and with [`WireError::IllegalLength`] for null.
    pub fn count(&mut self, compact: bool, element: usize) -> Result<usize, WireError> {
        let at = self.at;
        self.nullable_count(compact, element)?.ok_or(WireError::IllegalLength {
            field: "array",
            at,
            length: -1,
        })
    }

    /// Skips the tagged fields of a flexible version.
    ///
    /// # Errors
    /// Fails if a count or size does not fit.
    pub fn skip_tags(&mut self) -> Result<(), WireError> {
        self.tags(|_, _| {})
    }

    /// Reads the tagged fields. Calls `each` with the tag and the range of the content.
    ///
    /// # Errors
    /// Fails if a count or size does not fit.
    pub fn tags(&mut self, mut each: impl FnMut(u32, Range<usize>)) -> Result<(), WireError> {
        let at = self.at;
        let count = self.unsigned_varint()?;
        // A tagged field has a tag and a size, of at least one byte each.
        if u64::from(count) * 2 > self.remaining() as u64 {
            return Err(WireError::CountTooLarge { count: count.into(), at, remaining: self.remaining() });
        }
        for _ in 0..count {
            let tag = self.unsigned_varint()?;
            let size = self.unsigned_varint()? as usize;
            let content = self.skip("tagged field", size)?;
            each(tag, content);
        }
        Ok(())
    }

    /// Checks that everything was read.
    pub fn finish(&self) -> Result<(), WireError> {
        match self.remaining() {
            0 => Ok(()),
            remaining => Err(WireError::TrailingBytes { at: self.at, remaining }),
        }
    }
}

/// A valid UTF-8 string that shares the memory of the frame.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Text(Bytes);

impl Text {
    /// Returns the string. It was checked when it was read.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Appends a COMPACT_STRING or STRING. Writes an empty string in place of a text of more than 32,767 bytes:
/// no host name or topic is that long.
pub fn put_string(out: &mut BytesMut, compact: bool, text: &str) {
    let text = if text.len() > i16::MAX as usize { "" } else { text };
    if compact {
        put_unsigned_varint(out, text.len() as u32 + 1);
    } else {
        out.put_i16(text.len() as i16);
    }
    out.put_slice(text.as_bytes());
}

/// Appends the count of an ARRAY or COMPACT_ARRAY.
pub(crate) fn put_count(out: &mut BytesMut, compact: bool, count: usize) {
    let count = u32::try_from(count).unwrap_or(u32::MAX - 1);
    if compact {
        put_unsigned_varint(out, count + 1);
    } else {
        out.put_u32(count);
    }
}

#[cfg(test)]
mod tests;
