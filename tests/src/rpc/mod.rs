//! Every message of the Kafka protocol as JSON, by Kafka's own schemas, which every kafka-clients jar
//! contains.
//!
//! An independent implementation for tests: it shares no code with the gateway or the codec crate.

mod decode;
mod encode;
mod generate;
mod schema;

use bytes::{Bytes, BytesMut};

pub use decode::decode;
pub use encode::encode;
pub use generate::{Rules, generate};
pub use schema::{Field, Kind, Schema, Schemas};

/// Returns a whole request frame without its size.
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

/// Returns a whole response frame without its size.
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

/// Returns the correlation id and the body of a response frame.
///
/// # Errors
/// Fails if the frame is no such response; the text names the place.
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

/// Returns false for ApiVersions in all versions: a client that reads this answer does not know the broker's
/// versions yet (KIP-511).
fn has_tags_in_response_header(schema: &Schema, version: i16) -> bool {
    schema.api_key != 18 && schema.is_flexible(version)
}
