//! Decodes messages to JSON, with every field of the version.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::schema::{Field, Kind};

/// Read position in a message.
#[derive(Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Reads a message or a nested structure.
///
/// # Errors
/// Fails if the bytes are no such message; the text names the place.
pub fn decode(at: &mut Cursor<'_>, fields: &[Field], version: i16, flexible: bool) -> Result<Value, String> {
    let is_tagged =
        |field: &Field| field.tag.as_ref().is_some_and(|(_, versions)| versions.contains(&version));
    let mut read = Map::new();
    for field in fields.iter().filter(|field| field.versions.contains(&version) && !is_tagged(field)) {
        let nullable = field.nullable.contains(&version);
        let value =
            take(at, &field.kind, version, flexible, nullable).map_err(|e| format!("{}: {e}", field.name))?;
        let _ = read.insert(field.name.clone(), value);
    }
    if flexible {
        for _ in 0..at.varint()? {
            let (tag, size) = (at.varint()? as u32, at.varint()?);
            let content = at.take(size)?;
            let field =
                fields.iter().find(|f| is_tagged(f) && f.tag.as_ref().is_some_and(|(t, _)| *t == tag));
            let (name, value) = match field {
                Some(field) => {
                    let nullable = field.nullable.contains(&version);
                    let mut inner = Cursor::new(content);
                    let value = take(&mut inner, &field.kind, version, flexible, nullable)?;
                    inner.finish()?;
                    (field.name.clone(), value)
                }
                None => (format!("tag {tag}"), Value::from(hex(content))),
            };
            let _ = read.insert(name, value);
        }
    }
    Ok(Value::Object(read))
}

fn take(
    at: &mut Cursor<'_>,
    kind: &Kind,
    version: i16,
    flexible: bool,
    nullable: bool,
) -> Result<Value, String> {
    Ok(match kind {
        Kind::Bool => Value::Bool(at.take(1)?[0] != 0),
        Kind::Int8 => Value::from(i8::from_be_bytes(at.fixed()?)),
        Kind::Int16 => Value::from(i16::from_be_bytes(at.fixed()?)),
        Kind::Uint16 => Value::from(u16::from_be_bytes(at.fixed()?)),
        Kind::Int32 => Value::from(at.i32()?),
        Kind::Int64 => Value::from(i64::from_be_bytes(at.fixed()?)),
        Kind::Float64 => Value::from(f64::from_be_bytes(at.fixed()?)),
        Kind::Uuid => Value::from(hex(at.take(16)?)),
        Kind::Text => {
            let length =
                if flexible { at.varint()? as i64 - 1 } else { i16::from_be_bytes(at.fixed()?).into() };
            match at.sized(length)? {
                Some(bytes) => Value::from(String::from_utf8(bytes.to_vec()).map_err(|e| e.to_string())?),
                None => Value::Null,
            }
        }
        Kind::Bytes => {
            let length = if flexible { at.varint()? as i64 - 1 } else { at.i32()?.into() };
            at.sized(length)?.map_or(Value::Null, |bytes| Value::from(hex(bytes)))
        }
        Kind::Struct(fields) => {
            if nullable && at.take(1)?[0] == 0xff {
                return Ok(Value::Null);
            }
            decode(at, fields, version, flexible)?
        }
        Kind::Array(element) => {
            let count = if flexible { at.varint()? as i64 - 1 } else { at.i32()?.into() };
            if count < 0 {
                return Ok(Value::Null);
            }
            let elements = (0..count).map(|_| take(at, element, version, flexible, false));
            Value::Array(elements.collect::<Result<_, _>>()?)
        }
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl<'a> Cursor<'a> {
    /// Returns a cursor at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0 }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("{length} bytes at {} of {}", self.at, self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| "unreachable".to_owned())
    }

    /// Reads an INT32.
    pub(super) fn i32(&mut self) -> Result<i32, String> {
        Ok(i32::from_be_bytes(self.fixed()?))
    }

    fn sized(&mut self, length: i64) -> Result<Option<&'a [u8]>, String> {
        if length < 0 { Ok(None) } else { self.take(length as usize).map(Some) }
    }

    fn varint(&mut self) -> Result<usize, String> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1)?[0];
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(format!("varint at {}", self.at))
    }

    /// Skips the tagged fields of a header.
    pub(super) fn skip_tags(&mut self) -> Result<(), String> {
        for _ in 0..self.varint()? {
            let _tag = self.varint()?;
            let size = self.varint()?;
            let _ = self.take(size)?;
        }
        Ok(())
    }

    /// Fails if bytes are left.
    pub(super) fn finish(&self) -> Result<(), String> {
        let left = self.bytes.len() - self.at;
        if left == 0 { Ok(()) } else { Err(format!("{left} bytes behind the end")) }
    }
}
