//! Reads and writes request and response headers.
//!
//! Every request begins with api key, version and correlation id, whatever its header version. The gateway
//! needs no more than that of most frames. It reads the rest of the header (client id, tagged fields) only if
//! it also reads the body.

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::protocol::frame::REQUEST_PREFIX_BYTES;
use crate::wire::protocol::primitive::{Reader, Text, WireError};

/// Fixed part of every request header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestPrefix {
    /// Api key.
    pub api_key: i16,
    /// Version of the api.
    pub api_version: i16,
    /// Correlation id; the response begins with the same one.
    pub correlation_id: i32,
}

impl RequestPrefix {
    /// Reads the prefix from the first bytes of a request frame (without its size field).
    #[must_use]
    pub fn parse(bytes: [u8; REQUEST_PREFIX_BYTES]) -> Self {
        let [k0, k1, v0, v1, c0, c1, c2, c3] = bytes;
        RequestPrefix {
            api_key: i16::from_be_bytes([k0, k1]),
            api_version: i16::from_be_bytes([v0, v1]),
            correlation_id: i32::from_be_bytes([c0, c1, c2, c3]),
        }
    }

    /// Returns the prefix in wire format.
    #[must_use]
    pub fn to_bytes(self) -> [u8; REQUEST_PREFIX_BYTES] {
        let ([k0, k1], [v0, v1]) = (self.api_key.to_be_bytes(), self.api_version.to_be_bytes());
        let [c0, c1, c2, c3] = self.correlation_id.to_be_bytes();
        [k0, k1, v0, v1, c0, c1, c2, c3]
    }
}

/// Skips a whole request header and returns the client id. The reader is then at the body.
///
/// # Errors
/// Fails if the header is malformed.
pub(crate) fn read_request_header(reader: &mut Reader, flexible: bool) -> Result<Option<Text>, WireError> {
    let _ = reader.skip("request header", REQUEST_PREFIX_BYTES)?;
    // In a flexible header too, the client id has a length of two bytes, so that old brokers can read it.
    let client_id = reader.nullable_string(false)?;
    if flexible {
        reader.skip_tags()?;
    }
    Ok(client_id)
}

/// Returns the position of the body in a response frame. `flexible` refers to the response *header*: it is
/// never set for ApiVersions.
///
/// # Errors
/// Fails if the header is malformed.
pub(crate) fn response_body_at(frame: &Bytes, flexible: bool) -> Result<usize, WireError> {
    let mut reader = Reader::new(frame.clone());
    let _ = reader.i32()?;
    if flexible {
        reader.skip_tags()?;
    }
    Ok(reader.position())
}

/// Builds a whole response frame with its size field: correlation id, empty tagged fields if flexible,
/// `body`.
#[must_use]
pub(crate) fn response_frame(correlation_id: i32, flexible: bool, body: &[u8]) -> Bytes {
    let header = 4 + usize::from(flexible);
    let mut out = BytesMut::with_capacity(4 + header + body.len());
    out.put_u32((header + body.len()) as u32);
    out.put_i32(correlation_id);
    if flexible {
        out.put_u8(0);
    }
    out.put_slice(body);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_prefix_round_trips() {
        let prefix = RequestPrefix { api_key: 18, api_version: -3, correlation_id: 0x0102_0304 };
        assert_eq!(RequestPrefix::parse(prefix.to_bytes()), prefix);
    }

    #[test]
    fn the_body_begins_after_client_id_and_tags() {
        let mut frame = BytesMut::new();
        frame.put_slice(&RequestPrefix { api_key: 0, api_version: 9, correlation_id: 1 }.to_bytes());
        frame.put_slice(b"\0\x02me\x01\x07\x02zzbody");
        let mut reader = Reader::new(frame.freeze());
        let client = read_request_header(&mut reader, true).unwrap();
        assert_eq!(client.unwrap().as_str(), "me");
        assert_eq!(reader.remaining(), 4);
    }

    #[test]
    fn oversized_lengths_in_a_header_are_refused() {
        let mut frame = BytesMut::from(&[0u8; 8][..]);
        frame.put_slice(&[0x7f, 0xff]);
        assert!(read_request_header(&mut Reader::new(frame.clone().freeze()), false).is_err());
        frame.truncate(8);
        frame.put_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert!(read_request_header(&mut Reader::new(frame.freeze()), true).is_err());
        assert!(response_body_at(&Bytes::from_static(&[0, 0, 0, 1, 0xff, 0xff, 0x03]), true).is_err());
        assert_eq!(response_body_at(&Bytes::from_static(&[0, 0, 0, 1, 0, 9]), true), Ok(5));
    }
}
