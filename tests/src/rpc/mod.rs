//! Every message of the Kafka protocol as JSON, by Kafka's own schemas, which every kafka-clients jar carries.
//!
//! An independent referee: it shares no code with the gateway nor with the codec crate.

mod decode;
mod encode;
mod generate;
mod schema;

use bytes::{Bytes, BytesMut};

pub use decode::decode;
pub use encode::encode;
pub use generate::{Rules, generate};
pub use schema::{Field, Kind, Schema, Schemas};

/// A whole request frame without its size.
#[must_use]
pub fn request(
    schema: &Schema,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    body: &serde_json::Value,
) -> Bytes {
    let mut out = BytesMut::new();
    encode::put_i16(&mut out, schema.api_key);
    encode::put_i16(&mut out, version);
    encode::put_i32(&mut out, correlation_id);
    encode::put_nullable_string(&mut out, client_id);
    if schema.is_flexible(version) {
        out.extend_from_slice(&[0]);
    }
    encode(&mut out, &schema.fields, version, schema.is_flexible(version), body);
    out.freeze()
}

/// A whole response frame without its size.
#[must_use]
pub fn response(schema: &Schema, version: i16, correlation_id: i32, body: &serde_json::Value) -> Bytes {
    let mut out = BytesMut::new();
    encode::put_i32(&mut out, correlation_id);
    if has_tags_in_response_header(schema, version) {
        out.extend_from_slice(&[0]);
    }
    encode(&mut out, &schema.fields, version, schema.is_flexible(version), body);
    out.freeze()
}

/// Correlation id and body of a response frame.
///
/// # Errors
/// The frame is no such response; says where.
pub fn read_response(
    schema: &Schema,
    version: i16,
    frame: &Bytes,
) -> Result<(i32, serde_json::Value), String> {
    let mut at = decode::Cursor::new(frame);
    let correlation_id = at.i32()?;
    if has_tags_in_response_header(schema, version) {
        at.skip_tags()?;
    }
    let body = decode(&mut at, &schema.fields, version, schema.is_flexible(version))?;
    at.finish()?;
    Ok((correlation_id, body))
}

/// A client cannot know yet what the broker speaks when it reads the answer to ApiVersions.
fn has_tags_in_response_header(schema: &Schema, version: i16) -> bool {
    schema.api_key != 18 && schema.is_flexible(version)
}
