//! Bounded readers and writers for the primitive types of the Kafka protocol.
//!
//! A [`Reader`] walks a `Bytes` without copying: strings and byte fields are slices of the same allocation. Every length
//! and count that comes from the wire is checked against the bytes that remain before anything is reserved, so no input
//! can make a decoder allocate more than a small multiple of what was actually sent. It fails with a [`WireError`] that
//! names the kind of field and where it stood.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

/// Bytes that are not what the protocol says they must be. Offsets count from where the reader began.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A field reaches beyond the end of what was sent.
    #[error("{field} at byte {at} needs {needed} bytes and {remaining} remain")]
    Truncated {
        /// Kind of field.
        field: &'static str,
        /// Where it begins.
        at: usize,
        /// Bytes it claims.
        needed: usize,
        /// Bytes left.
        remaining: usize,
    },
    /// A field that fits into the message, but has not arrived: see [`Reader::front`].
    #[error("byte {at} and what follows have not arrived")]
    NotYetHere {
        /// Where it begins.
        at: usize,
    },
    /// A count of elements that the remaining bytes cannot hold.
    #[error("array of {count} elements at byte {at} does not fit into {remaining} remaining bytes")]
    CountTooLarge {
        /// Elements claimed.
        count: u64,
        /// Where the count stands.
        at: usize,
        /// Bytes left.
        remaining: usize,
    },
    /// A length below -1, or null where null is not allowed.
    #[error("{field} at byte {at} has the illegal length {length}")]
    IllegalLength {
        /// Kind of field.
        field: &'static str,
        /// Where it begins.
        at: usize,
        /// The length read.
        length: i64,
    },
    /// A variable-length integer of more than the bytes its type may take.
    #[error("varint at byte {at} is too long")]
    VarintTooLong {
        /// Where it begins.
        at: usize,
    },
    /// A string that is not UTF-8.
    #[error("string at byte {at} is not UTF-8")]
    NotUtf8 {
        /// Where it begins.
        at: usize,
    },
    /// Bytes after the end of the message.
    #[error("{remaining} bytes follow the end of the message at byte {at}")]
    TrailingBytes {
        /// Where the message ended.
        at: usize,
        /// Bytes left.
        remaining: usize,
    },
    /// A version that this decoder does not know.
    #[error("version {version} of api key {api_key} is not supported")]
    UnsupportedVersion {
        /// The api.
        api_key: i16,
        /// Its version.
        version: i16,
    },
    /// More elements than a well-behaved peer would ever send.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
}

/// Reads primitives from the front of a `Bytes`, keeping count of where it is.
#[derive(Debug, Clone)]
pub struct Reader {
    bytes: Bytes,
    at: usize,
    /// Bytes of the message that follow these and have not arrived.
    to_come: usize,
}

impl Reader {
    /// Reads from the first byte.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self::front(bytes, 0)
    }

    /// Reads the front of a message: `to_come` more bytes of it have not arrived.
    #[must_use]
    pub fn front(bytes: Bytes, to_come: usize) -> Self {
        Reader { bytes, at: 0, to_come }
    }

    /// Reads from byte `at`; beyond the end means that nothing remains.
    #[must_use]
    pub fn starting_at(bytes: Bytes, at: usize) -> Self {
        let at = at.min(bytes.len());
        Reader { at, ..Self::new(bytes) }
    }

    /// Position of the next byte to read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// The bytes at a range that was read, sharing the memory.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Bytes {
        self.bytes.slice(range)
    }

    /// Bytes not yet read, whether they have arrived or not.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at + self.to_come
    }

    /// Steps over `length` bytes and tells where they stand.
    ///
    /// # Errors
    /// [`WireError::Truncated`], [`WireError::NotYetHere`].
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

    /// INT8.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn i8(&mut self) -> Result<i8, WireError> {
        self.fixed("int8").map(i8::from_be_bytes)
    }

    /// INT16.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn i16(&mut self) -> Result<i16, WireError> {
        self.fixed("int16").map(i16::from_be_bytes)
    }

    /// INT32.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn i32(&mut self) -> Result<i32, WireError> {
        self.fixed("int32").map(i32::from_be_bytes)
    }

    /// INT64.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn i64(&mut self) -> Result<i64, WireError> {
        self.fixed("int64").map(i64::from_be_bytes)
    }

    /// UUID, as its 16 bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn uuid(&mut self) -> Result<[u8; 16], WireError> {
        self.fixed("uuid")
    }

    /// UNSIGNED_VARINT of at most 32 bits.
    ///
    /// # Errors
    /// [`WireError::Truncated`], [`WireError::VarintTooLong`].
    pub fn unsigned_varint(&mut self) -> Result<u32, WireError> {
        let at = self.at;
        let mut value: u64 = 0;
        for shift in [0u32, 7, 14, 21, 28] {
            let [byte] = self.fixed::<1>("varint")?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| WireError::VarintTooLong { at });
            }
        }
        Err(WireError::VarintTooLong { at })
    }

    /// Length of a nullable STRING (INT16) or COMPACT_STRING; `None` for null.
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

    /// NULLABLE_STRING or COMPACT_NULLABLE_STRING.
    ///
    /// # Errors
    /// [`WireError`] for a length that does not fit or bytes that are not UTF-8.
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

    /// STRING or COMPACT_STRING.
    ///
    /// # Errors
    /// As [`Reader::nullable_string`], and [`WireError::IllegalLength`] for null.
    pub fn string(&mut self, compact: bool) -> Result<Text, WireError> {
        let at = self.at;
        self.nullable_string(compact)?.ok_or(WireError::IllegalLength { field: "string", at, length: -1 })
    }

    /// NULLABLE_BYTES, COMPACT_NULLABLE_BYTES or RECORDS: where the content stands, `None` for null.
    ///
    /// # Errors
    /// [`WireError`] for a length that does not fit.
    pub fn nullable_bytes(&mut self, compact: bool) -> Result<Option<Range<usize>>, WireError> {
        match self.bytes_length(compact)? {
            None => Ok(None),
            Some(length) => self.skip("bytes", length).map(Some),
        }
    }

    /// The length before NULLABLE_BYTES, COMPACT_NULLABLE_BYTES or RECORDS, `None` for null. Whether so much follows is not asked.
    ///
    /// # Errors
    /// [`WireError`] for an illegal length.
    pub fn bytes_length(&mut self, compact: bool) -> Result<Option<usize>, WireError> {
        let at = self.at;
        let length = if compact { i64::from(self.unsigned_varint()?) - 1 } else { i64::from(self.i32()?) };
        Self::nullable("bytes", at, length)
    }

    /// Count of an ARRAY or COMPACT_ARRAY whose elements take at least `element` bytes each; `None` for null.
    ///
    /// # Errors
    /// [`WireError::CountTooLarge`] when the remaining bytes cannot hold so many.
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

    /// As [`Reader::nullable_count`], where null is not allowed.
    ///
    /// # Errors
    /// [`WireError::CountTooLarge`], [`WireError::IllegalLength`].
    pub fn count(&mut self, compact: bool, element: usize) -> Result<usize, WireError> {
        let at = self.at;
        self.nullable_count(compact, element)?.ok_or(WireError::IllegalLength {
            field: "array",
            at,
            length: -1,
        })
    }

    /// Steps over the tagged fields of a flexible version.
    ///
    /// # Errors
    /// [`WireError`] for a count or size that does not fit.
    pub fn skip_tags(&mut self) -> Result<(), WireError> {
        self.tags(|_, _| {})
    }

    /// Steps over the tagged fields and tells `each` the tag and where its content stands.
    ///
    /// # Errors
    /// [`WireError`] for a count or size that does not fit.
    pub fn tags(&mut self, mut each: impl FnMut(u32, Range<usize>)) -> Result<(), WireError> {
        let at = self.at;
        let count = self.unsigned_varint()?;
        // A tagged field takes a tag and a size of one byte each at the least.
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

    /// Asserts that everything was read.
    ///
    /// # Errors
    /// [`WireError::TrailingBytes`].
    pub fn finish(&self) -> Result<(), WireError> {
        match self.remaining() {
            0 => Ok(()),
            remaining => Err(WireError::TrailingBytes { at: self.at, remaining }),
        }
    }
}

/// A checked string that shares the frame's memory.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Text(Bytes);

impl Text {
    /// The characters. They were checked when they were read.
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

/// Appends an UNSIGNED_VARINT.
pub fn put_unsigned_varint(out: &mut impl BufMut, value: impl Into<u64>) {
    let mut rest = value.into();
    while rest >= 0x80 {
        out.put_u8((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

/// Appends a COMPACT_STRING or STRING. Longer than 32,767 bytes is cut to nothing: no host name or topic is.
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
pub fn put_count(out: &mut BytesMut, compact: bool, count: usize) {
    let count = u32::try_from(count).unwrap_or(u32::MAX - 1);
    if compact {
        put_unsigned_varint(out, count + 1);
    } else {
        out.put_u32(count);
    }
}

#[cfg(test)]
mod tests;
