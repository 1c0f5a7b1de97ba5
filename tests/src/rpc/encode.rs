//! Encodes messages from JSON. Bytes and uuids are hexadecimal text; a missing field gets its default.

use bytes::{BufMut, BytesMut};
use serde_json::Value;

use super::schema::{Field, Kind};

/// Appends a message or a nested structure.
///
/// # Panics
/// Panics if the JSON does not fit the schema.
pub fn encode(out: &mut BytesMut, fields: &[Field], version: i16, flexible: bool, value: &Value) {
    let mut tagged: Vec<(u32, BytesMut)> = Vec::new();
    for field in fields.iter().filter(|field| field.versions.contains(&version)) {
        let given = value.get(&field.name);
        if let Some((tag, _)) = field.tag.as_ref().filter(|(_, versions)| versions.contains(&version)) {
            if let Some(content) = given.filter(|given| **given != field.default) {
                let mut bytes = BytesMut::new();
                put(&mut bytes, &field.kind, version, flexible, is_nullable(field, version), content);
                tagged.push((*tag, bytes));
            }
            continue;
        }
        let given = given.unwrap_or(&field.default);
        put(out, &field.kind, version, flexible, is_nullable(field, version), given);
    }
    if flexible {
        put_varint(out, tagged.len());
        tagged.sort_by_key(|(tag, _)| *tag);
        for (tag, content) in tagged {
            put_varint(out, tag as usize);
            put_varint(out, content.len());
            out.extend_from_slice(&content);
        }
    }
}

fn is_nullable(field: &Field, version: i16) -> bool {
    field.nullable.contains(&version)
}

fn put(out: &mut BytesMut, kind: &Kind, version: i16, flexible: bool, nullable: bool, value: &Value) {
    let number = || value.as_i64().unwrap_or_else(|| panic!("{value} is no number"));
    match kind {
        Kind::Bool => out.put_u8(u8::from(value.as_bool().unwrap_or_else(|| panic!("{value} is no bool")))),
        Kind::Int8 => out.put_i8(number() as i8),
        Kind::Int16 => out.put_i16(number() as i16),
        Kind::Uint16 => out.put_u16(number() as u16),
        Kind::Int32 => out.put_i32(number() as i32),
        Kind::Int64 => out.put_i64(number()),
        Kind::Float64 => out.put_f64(value.as_f64().unwrap_or_else(|| panic!("{value} is no float"))),
        Kind::Uuid => out.extend_from_slice(&unhex(value)),
        Kind::Text => match value.as_str() {
            Some(text) if flexible => put_content(out, text.as_bytes(), true),
            text => put_nullable_string_of(out, text, flexible),
        },
        Kind::Bytes => match value.as_str() {
            Some(_) => put_content(out, &unhex(value), flexible),
            None if flexible => put_varint(out, 0),
            None => out.put_i32(-1),
        },
        Kind::Struct(fields) => {
            if nullable {
                out.put_i8(if value.is_null() { -1 } else { 1 });
            }
            if !value.is_null() {
                encode(out, fields, version, flexible, value);
            }
        }
        Kind::Array(element) => {
            let Some(elements) = value.as_array() else {
                return if flexible { put_varint(out, 0) } else { out.put_i32(-1) };
            };
            if flexible {
                put_varint(out, elements.len() + 1);
            } else {
                out.put_i32(elements.len() as i32);
            }
            for value in elements {
                put(out, element, version, flexible, false, value);
            }
        }
    }
}

/// Appends an INT16.
pub(super) fn put_i16(out: &mut BytesMut, value: i16) {
    out.put_i16(value);
}

/// Appends an INT32.
pub(super) fn put_i32(out: &mut BytesMut, value: i32) {
    out.put_i32(value);
}

/// Appends a NULLABLE_STRING.
pub(super) fn put_nullable_string(out: &mut BytesMut, text: Option<&str>) {
    put_nullable_string_of(out, text, false);
}

fn put_nullable_string_of(out: &mut BytesMut, text: Option<&str>, flexible: bool) {
    match text {
        Some(text) => {
            out.put_i16(text.len() as i16);
            out.extend_from_slice(text.as_bytes());
        }
        None if flexible => put_varint(out, 0),
        None => out.put_i16(-1),
    }
}

fn put_content(out: &mut BytesMut, content: &[u8], flexible: bool) {
    if flexible {
        put_varint(out, content.len() + 1);
    } else {
        out.put_i32(content.len() as i32);
    }
    out.extend_from_slice(content);
}

fn put_varint(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no hexadecimal text"));
    let byte =
        |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap_or_else(|e| panic!("{text}: {e}"));
    (0..text.len()).step_by(2).map(byte).collect()
}
