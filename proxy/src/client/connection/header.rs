//! Headers of requests that Linkgate sends and of the responses to them.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;

use crate::wire::protocol::primitive::{Reader, WireError};

/// Request header of version 1, or of version 2 if flexible.
pub(crate) struct RequestHead<'a> {
    pub(crate) api_key: i16,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: &'a str,
}

impl RequestHead<'_> {
    /// Returns the frame (length, header and body) as segments; `None` if its length does not fit into an
    /// i32.
    pub(crate) fn framed(&self, flexible: bool, body: Vec<Bytes>) -> Option<Vec<Bytes>> {
        let client_id = self.client_id.as_bytes();
        let head = 10 + client_id.len() + usize::from(flexible);
        let length = head + body.iter().map(Bytes::len).sum::<usize>();
        let mut first = BytesMut::with_capacity(4 + head);
        first.put_i32(i32::try_from(length).ok()?);
        first.put_i16(self.api_key);
        first.put_i16(self.version);
        first.put_i32(self.correlation_id);
        first.put_i16(i16::try_from(client_id.len()).ok()?);
        first.put_slice(client_id);
        if flexible {
            first.put_u8(0);
        }
        let mut frame = Vec::with_capacity(body.len() + 1);
        frame.push(first.freeze());
        frame.extend(body);
        Some(frame)
    }
}

/// Skips the tagged fields of a flexible response header.
pub(crate) fn skip_tagged_fields(body: &mut Bytes) -> Result<(), WireError> {
    let mut reader = Reader::new(body.clone());
    reader.skip_tags()?;
    body.advance(reader.position());
    Ok(())
}

/// Returns Kafka's name of a request.
pub(crate) fn api_name(api_key: i16) -> String {
    ApiKey::try_from(api_key).map_or_else(|()| format!("api {api_key}"), |api| format!("{api:?}"))
}
