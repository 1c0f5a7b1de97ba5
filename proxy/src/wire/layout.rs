//! Layouts of the answers that the codec crate decodes, to be checked first: the codec reserves memory by the lengths on
//! the wire, so that a few bytes of a broken broker, or of somebody between, would end the process (docs/adr/0002).
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
    /// An array of elements of so many bytes each.
    Fixeds(usize),
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

/// Checks the body of a response that begins at byte `body` of `frame`. Apis without a layout here pass.
///
/// # Errors
/// [`WireError`] for anything that is no such response.
pub fn check(
    api_key: i16,
    frame: &Bytes,
    body: usize,
    version: i16,
    flexible: bool,
) -> Result<(), WireError> {
    let Some(fields) = responses::layout(api_key) else { return Ok(()) };
    let mut reader = Reader::starting_at(frame.clone(), body);
    walk(&mut reader, fields, version, flexible)?;
    reader.finish()
}

fn walk(reader: &mut Reader, fields: &[Field], version: i16, flexible: bool) -> Result<(), WireError> {
    for field in fields.iter().filter(|field| field.is_in(version)) {
        match field.kind {
            Kind::Fixed(bytes) => {
                let _ = reader.skip("fixed field", bytes)?;
            }
            Kind::Text => drop(reader.nullable_string(flexible)?),
            Kind::Fixeds(bytes) => {
                let count = reader.nullable_count(flexible, bytes)?.unwrap_or(0);
                let _ = reader.skip("array", count * bytes)?;
            }
            Kind::Array(elements) => array(reader, elements, version, flexible)?,
            Kind::TaggedFixed(..) | Kind::TaggedStruct(..) | Kind::TaggedArray(..) => {}
        }
    }
    if flexible { tags(reader, fields, version) } else { Ok(()) }
}

fn array(reader: &mut Reader, elements: &[Field], version: i16, flexible: bool) -> Result<(), WireError> {
    for _ in 0..reader.nullable_count(flexible, least(elements, version, flexible))?.unwrap_or(0) {
        walk(reader, elements, version, flexible)?;
    }
    Ok(())
}

fn tags(reader: &mut Reader, fields: &[Field], version: i16) -> Result<(), WireError> {
    let whole = reader.clone();
    let mut content = Vec::new();
    reader.tags(|tag, range| content.push((tag, range)))?;
    for (tag, range) in content {
        let mut inner = Reader::new(whole.slice(range));
        for field in fields.iter().filter(|field| field.is_in(version)) {
            match field.kind {
                Kind::TaggedFixed(known, bytes) if known == tag => {
                    let _ = inner.skip("tagged field", bytes)?;
                }
                Kind::TaggedStruct(known, fields) if known == tag => walk(&mut inner, fields, version, true)?,
                Kind::TaggedArray(known, fields) if known == tag => array(&mut inner, fields, version, true)?,
                _ => continue,
            }
            // The codec goes by the content and not by its size: a rest would be taken for the next field.
            inner.finish()?;
        }
    }
    Ok(())
}

/// Bytes that an element takes at the least.
fn least(fields: &[Field], version: i16, flexible: bool) -> usize {
    let length = |plain| if flexible { 1 } else { plain };
    let field = |field: &Field| match field.kind {
        Kind::Fixed(bytes) => bytes,
        Kind::Text => length(2),
        Kind::Fixeds(_) | Kind::Array(_) => length(4),
        Kind::TaggedFixed(..) | Kind::TaggedStruct(..) | Kind::TaggedArray(..) => 0,
    };
    fields.iter().filter(|field| field.is_in(version)).map(field).sum::<usize>() + usize::from(flexible)
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
    fn bytes_behind_the_end_are_an_error() {
        let frame = Bytes::from_static(&[0, 0, 0, 0, 1, 0, 9]);
        assert!(matches!(check(37, &frame, 0, 2, true), Err(WireError::TrailingBytes { .. })));
    }
}
