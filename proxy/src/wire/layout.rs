//! Layouts of the answers that the codec crate decodes, for clients of the gateway and for Linkgate itself, to be checked
//! first: the codec reserves memory by the lengths on the wire, so that a few bytes of a broken broker, or of somebody
//! between, would end the process (docs/adr/0013).
//!
//! After [`check`], every count is one that the bytes behind it can hold.

mod responses;

use bytes::Bytes;

use super::primitive::{Reader, WireError};

/// What a field holds.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// A string, or null.
    Text,
    /// Bytes or records, or null.
    Bytes,
    /// An array of elements of so many bytes each.
    Fixeds(usize),
    /// An array of strings.
    Texts,
    /// A structure.
    Struct(&'static [Field]),
    /// An array of structures.
    Array(&'static [Field]),
    /// So many bytes in a tagged field.
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
    kind: Kind,
}

impl Field {
    fn is_in(&self, version: i16) -> bool {
        (self.from..=self.to).contains(&version)
    }
}

/// Checks the body of a response that begins at byte `body` of `frame`.
///
/// # Errors
/// [`WireError`] for anything that is no such response, and for an api that has no layout here: the codec must not see it.
pub fn check(
    api_key: i16,
    frame: &Bytes,
    body: usize,
    version: i16,
    flexible: bool,
) -> Result<(), WireError> {
    let fields = responses::layout(api_key).ok_or(WireError::UnsupportedVersion { api_key, version })?;
    let mut reader = Reader::starting_at(frame.clone(), body);
    let mut walk = Walk { version, flexible, structures: MAX_STRUCTURES, unknown_tags: MAX_UNKNOWN_TAGS };
    walk.fields(&mut reader, fields)?;
    reader.finish()
}

/// Structures in one answer: what the codec makes of the smallest ones is many times as large as their bytes. A cluster
/// of a million partitions has fewer.
const MAX_STRUCTURES: usize = 4_000_000;

/// Tagged fields in one answer that are not in its layout. Each costs an allocation, and a broker sends none in a version
/// that was agreed upon.
const MAX_UNKNOWN_TAGS: usize = 1_000;

/// One answer on its way, and what it may still cost.
struct Walk {
    version: i16,
    flexible: bool,
    structures: usize,
    unknown_tags: usize,
}

impl Walk {
    fn fields(&mut self, reader: &mut Reader, fields: &[Field]) -> Result<(), WireError> {
        let too_many = WireError::TooMany { what: "structures", limit: MAX_STRUCTURES };
        self.structures = self.structures.checked_sub(1).ok_or(too_many)?;
        let (version, flexible) = (self.version, self.flexible);
        for field in fields.iter().filter(|field| field.is_in(version)) {
            match field.kind {
                Kind::Fixed(bytes) => {
                    let _ = reader.skip("fixed field", bytes)?;
                }
                Kind::Text => drop(reader.nullable_string(flexible)?),
                Kind::Bytes => {
                    let _ = reader.nullable_bytes(flexible)?;
                }
                Kind::Texts => {
                    for _ in 0..reader.nullable_count(flexible, length(flexible, 2))?.unwrap_or(0) {
                        let _ = reader.nullable_string(flexible)?;
                    }
                }
                Kind::Fixeds(bytes) => {
                    let count = reader.nullable_count(flexible, bytes)?.unwrap_or(0);
                    let _ = reader.skip("array", count * bytes)?;
                }
                Kind::Array(elements) => self.array(reader, elements)?,
                Kind::Struct(fields) => self.fields(reader, fields)?,
                Kind::TaggedFixed(..) | Kind::TaggedStruct(..) | Kind::TaggedArray(..) => {}
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
                    Kind::TaggedFixed(known, _)
                    | Kind::TaggedStruct(known, _)
                    | Kind::TaggedArray(known, _) => (known == tag).then_some(field.kind),
                    _ => None,
                });
            match tagged {
                Some(Kind::TaggedFixed(_, bytes)) => {
                    let _ = inner.skip("tagged field", bytes)?;
                }
                Some(Kind::TaggedStruct(_, fields)) => self.fields(&mut inner, fields)?,
                Some(Kind::TaggedArray(_, fields)) => self.array(&mut inner, fields)?,
                _ => {
                    let too_many = WireError::TooMany { what: "unknown tags", limit: MAX_UNKNOWN_TAGS };
                    self.unknown_tags = self.unknown_tags.checked_sub(1).ok_or(too_many)?;
                    continue;
                }
            }
            // The codec goes by the content and not by its size: a rest would be taken for the next field.
            inner.finish()?;
        }
        Ok(())
    }
}

/// Bytes that an element takes at the least.
fn least(fields: &[Field], version: i16, flexible: bool) -> usize {
    let field = |field: &Field| match field.kind {
        Kind::Fixed(bytes) => bytes,
        Kind::Text => length(flexible, 2),
        Kind::Bytes | Kind::Texts | Kind::Fixeds(_) | Kind::Array(_) => length(flexible, 4),
        Kind::Struct(fields) => least(fields, version, flexible),
        Kind::TaggedFixed(..) | Kind::TaggedStruct(..) | Kind::TaggedArray(..) => 0,
    };
    fields.iter().filter(|field| field.is_in(version)).map(field).sum::<usize>() + usize::from(flexible)
}

/// Bytes of the length of an empty text or array: one where it is compact.
fn length(flexible: bool, plain: usize) -> usize {
    if flexible { 1 } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::versions::METADATA;

    #[test]
    fn count_blowups_are_refused_before_the_codec_sees_them() {
        // What made the codec abort: four billion brokers in five bytes.
        let frame = Bytes::from_static(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        let checked = check(METADATA, &frame, 5, 12, true);
        assert!(matches!(checked, Err(WireError::CountTooLarge { .. })), "{checked:?}");
    }

    #[test]
    fn a_blowup_inside_of_a_tagged_field_is_refused_too() {
        // ApiVersions v3: no error, no keys, no throttling, and a tag 0 that claims four billion features.
        let frame = Bytes::from_static(&[0, 0, 1, 0, 0, 0, 0, 1, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        let checked = check(18, &frame, 0, 3, true);
        assert!(matches!(checked, Err(WireError::CountTooLarge { .. })), "{checked:?}");
    }

    #[test]
    fn a_tagged_field_that_is_not_as_long_as_it_says_is_refused() {
        // Tag 1 is an int64; the codec would read on behind it.
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
    fn counts_of_texts_and_within_structures_are_bounded() {
        // SaslHandshake v1: no error, and two billion mechanisms.
        let frame = Bytes::from_static(&[0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0]);
        assert!(matches!(check(17, &frame, 0, 1, false), Err(WireError::CountTooLarge { .. })));
        // SaslAuthenticate v1: 2 GiB of bytes.
        let frame = Bytes::from_static(&[0, 0, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0, 0]);
        assert!(matches!(check(36, &frame, 0, 1, false), Err(WireError::Truncated { .. })));
    }

    #[test]
    fn bytes_behind_the_end_are_an_error() {
        let frame = Bytes::from_static(&[0, 0, 0, 0, 1, 0, 9]);
        assert!(matches!(check(37, &frame, 0, 2, true), Err(WireError::TrailingBytes { .. })));
    }
}
