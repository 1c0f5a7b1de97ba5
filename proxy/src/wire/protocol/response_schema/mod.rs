//! Checks responses before the codec crate decodes them, for clients of the gateway and for Linkgate itself.
//! The codec reserves memory by the lengths on the wire. So a few bytes of a broken broker, or of an attacker
//! in between, could end the process (docs/adr/0013).
//!
//! After [`check`], the bytes behind each count can hold that number of elements.

pub(crate) mod responses;

use bytes::Bytes;

use crate::wire::protocol::primitive::{Reader, WireError};

/// Type of a field.
#[derive(Debug, Clone, Copy)]
enum FieldType {
    /// A fixed number of bytes.
    Fixed(usize),
    /// A string, or null.
    Text,
    /// Bytes or records, or null.
    Bytes,
    /// An array of elements with a fixed number of bytes each.
    Fixeds(usize),
    /// An array of strings.
    Texts,
    /// A structure.
    Struct(&'static [Field]),
    /// An array of structures.
    Array(&'static [Field]),
    /// A fixed number of bytes in a tagged field.
    TaggedFixed(u32, usize),
    /// A structure in a tagged field.
    TaggedStruct(u32, &'static [Field]),
    /// An array of structures in a tagged field.
    TaggedArray(u32, &'static [Field]),
}

/// A field, and the versions that have it.
#[derive(Debug, Clone, Copy)]
struct Field {
    from: i16,
    to: i16,
    kind: FieldType,
}

impl Field {
    fn is_in(&self, version: i16) -> bool {
        (self.from..=self.to).contains(&version)
    }
}

/// Checks the body of a response that begins at byte `body` of `frame`.
///
/// # Errors
/// Fails if the body is not a valid response of this api and version, or if the api has no layout here: then
/// the codec must not see the response.
pub fn check(
    api_key: i16,
    frame: &Bytes,
    body: usize,
    version: i16,
    flexible: bool,
) -> Result<(), WireError> {
    let fields = responses::layout(api_key).ok_or(WireError::UnsupportedVersion { api_key, version })?;
    let mut reader = Reader::starting_at(frame.clone(), body);
    let mut walk =
        SchemaCheck { version, flexible, structures: MAX_STRUCTURES, unknown_tags: MAX_UNKNOWN_TAGS };
    walk.fields(&mut reader, fields)?;
    reader.finish()
}

/// Maximum number of structures in one response. The codec's decoded form of the smallest structures is many
/// times larger than their bytes. A cluster of a million partitions needs fewer.
const MAX_STRUCTURES: usize = 4_000_000;

/// Maximum number of tagged fields in one response that are not in its layout. Each costs an allocation, and
/// a broker sends none in a negotiated version.
const MAX_UNKNOWN_TAGS: usize = 1_000;

/// Check of one response, with the number of structures and unknown tags that it may still have.
struct SchemaCheck {
    version: i16,
    flexible: bool,
    structures: usize,
    unknown_tags: usize,
}

impl SchemaCheck {
    fn fields(&mut self, reader: &mut Reader, fields: &[Field]) -> Result<(), WireError> {
        let too_many = WireError::TooMany { what: "structures", limit: MAX_STRUCTURES };
        self.structures = self.structures.checked_sub(1).ok_or(too_many)?;
        let (version, flexible) = (self.version, self.flexible);
        for field in fields.iter().filter(|field| field.is_in(version)) {
            match field.kind {
                FieldType::Fixed(bytes) => {
                    let _ = reader.skip("fixed field", bytes)?;
                }
                FieldType::Text => drop(reader.nullable_string(flexible)?),
                FieldType::Bytes => {
                    let _ = reader.nullable_bytes(flexible)?;
                }
                FieldType::Texts => {
                    for _ in 0..reader.nullable_count(flexible, length(flexible, 2))?.unwrap_or(0) {
                        let _ = reader.nullable_string(flexible)?;
                    }
                }
                FieldType::Fixeds(bytes) => {
                    let count = reader.nullable_count(flexible, bytes)?.unwrap_or(0);
                    let _ = reader.skip("array", count * bytes)?;
                }
                FieldType::Array(elements) => self.array(reader, elements)?,
                FieldType::Struct(fields) => self.fields(reader, fields)?,
                FieldType::TaggedFixed(..) | FieldType::TaggedStruct(..) | FieldType::TaggedArray(..) => {}
            }
        }
        if flexible { self.tags(reader, fields) } else { Ok(()) }
    }

    fn array(&mut self, reader: &mut Reader, elements: &[Field]) -> Result<(), WireError> {
        let least = least(elements, self.version, self.flexible);
        for _ in 0..reader.nullable_count(self.flexible, least)?.unwrap_or(0) {
            self.fields(reader, elements)?;
        }
        Ok(())
    }

    fn tags(&mut self, reader: &mut Reader, fields: &[Field]) -> Result<(), WireError> {
        let mut content = Vec::new();
        reader.tags(|tag, range| content.push((tag, range)))?;
        for (tag, range) in content {
            let mut inner = Reader::new(reader.slice(range));
            let tagged =
                fields.iter().filter(|field| field.is_in(self.version)).find_map(|field| match field.kind {
                    FieldType::TaggedFixed(known, _)
                    | FieldType::TaggedStruct(known, _)
                    | FieldType::TaggedArray(known, _) => (known == tag).then_some(field.kind),
                    _ => None,
                });
            match tagged {
                Some(FieldType::TaggedFixed(_, bytes)) => {
                    let _ = inner.skip("tagged field", bytes)?;
                }
                Some(FieldType::TaggedStruct(_, fields)) => self.fields(&mut inner, fields)?,
                Some(FieldType::TaggedArray(_, fields)) => self.array(&mut inner, fields)?,
                _ => {
                    let too_many = WireError::TooMany { what: "unknown tags", limit: MAX_UNKNOWN_TAGS };
                    self.unknown_tags = self.unknown_tags.checked_sub(1).ok_or(too_many)?;
                    continue;
                }
            }
            // The codec reads the content and ignores the size of the field: it would take remaining bytes
            // for the next field.
            inner.finish()?;
        }
        Ok(())
    }
}

/// Returns the minimum size of an element, in bytes.
fn least(fields: &[Field], version: i16, flexible: bool) -> usize {
    let field = |field: &Field| match field.kind {
        FieldType::Fixed(bytes) => bytes,
        FieldType::Text => length(flexible, 2),
        FieldType::Bytes | FieldType::Texts | FieldType::Fixeds(_) | FieldType::Array(_) => {
            length(flexible, 4)
        }
        FieldType::Struct(fields) => least(fields, version, flexible),
        FieldType::TaggedFixed(..) | FieldType::TaggedStruct(..) | FieldType::TaggedArray(..) => 0,
    };
    fields.iter().filter(|field| field.is_in(version)).map(field).sum::<usize>() + usize::from(flexible)
}

/// Returns the size of the length of an empty text or array, in bytes: one if it is compact, else `plain`.
fn length(flexible: bool, plain: usize) -> usize {
    if flexible { 1 } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::protocol::versions::METADATA;

    #[test]
    fn oversized_counts_are_refused_before_the_codec_sees_them() {
        // This made the codec abort: four billion brokers in five bytes.
        let frame = Bytes::from_static(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        let checked = check(METADATA, &frame, 5, 12, true);
        assert!(matches!(checked, Err(WireError::CountTooLarge { .. })), "{checked:?}");
    }

    #[test]
    fn an_oversized_count_inside_a_tagged_field_is_refused() {
        // ApiVersions v3: no error, no keys, no throttling, and a tag 0 that claims four billion features.
        let frame = Bytes::from_static(&[0, 0, 1, 0, 0, 0, 0, 1, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        let checked = check(18, &frame, 0, 3, true);
        assert!(matches!(checked, Err(WireError::CountTooLarge { .. })), "{checked:?}");
    }

    #[test]
    fn a_tagged_field_of_the_wrong_length_is_refused() {
        // Tag 1 is an int64. The codec would take the bytes after it for the next field.
        let mut frame = vec![0, 0, 1, 0, 0, 0, 0, 1, 1, 9];
        frame.extend_from_slice(&[0; 9]);
        let checked = check(18, &Bytes::from(frame), 0, 3, true);
        assert!(matches!(checked, Err(WireError::TrailingBytes { .. })), "{checked:?}");
    }

    #[test]
    fn an_api_without_a_layout_is_refused() {
        let frame = Bytes::from_static(&[0, 0]);
        let checked = check(999, &frame, 0, 0, false);
        assert!(matches!(checked, Err(WireError::UnsupportedVersion { api_key: 999, .. })), "{checked:?}");
    }

    #[test]
    fn oversized_counts_of_strings_and_lengths_of_bytes_are_refused() {
        // SaslHandshake v1: no error, and two billion mechanisms.
        let frame = Bytes::from_static(&[0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0]);
        assert!(matches!(check(17, &frame, 0, 1, false), Err(WireError::CountTooLarge { .. })));
        // SaslAuthenticate v1: 2 GiB of bytes.
        let frame = Bytes::from_static(&[0, 0, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0, 0]);
        assert!(matches!(check(36, &frame, 0, 1, false), Err(WireError::Truncated { .. })));
    }

    #[test]
    fn trailing_bytes_are_an_error() {
        let frame = Bytes::from_static(&[0, 0, 0, 0, 1, 0, 9]);
        assert!(matches!(check(37, &frame, 0, 2, true), Err(WireError::TrailingBytes { .. })));
    }
}
