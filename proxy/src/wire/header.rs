//! Request and response headers.
//!
//! Every request begins with api key, version and correlation id, whatever its header version; that is all the gateway
//! needs to know of most frames. The rest (client id, tagged fields) is read only where the body is.

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::REQUEST_PREFIX_BYTES;
use super::primitive::{Reader, Text, WireError};

/// The fixed part of every request header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestPrefix {
    /// Which api.
    pub api_key: i16,
    /// Which version of it.
    pub api_version: i16,
    /// What the response begins with.
    pub correlation_id: i32,
}

impl RequestPrefix {
    /// Reads the first bytes of a request frame (its size not among them).
    #[must_use]
    pub fn parse(bytes: [u8; REQUEST_PREFIX_BYTES]) -> Self {
        let [k0, k1, v0, v1, c0, c1, c2, c3] = bytes;
        RequestPrefix {
            api_key: i16::from_be_bytes([k0, k1]),
            api_version: i16::from_be_bytes([v0, v1]),
            correlation_id: i32::from_be_bytes([c0, c1, c2, c3]),
        }
    }

    /// The bytes again.
    #[must_use]
    pub fn to_bytes(self) -> [u8; REQUEST_PREFIX_BYTES] {
        let ([k0, k1], [v0, v1]) = (self.api_key.to_be_bytes(), self.api_version.to_be_bytes());
        let [c0, c1, c2, c3] = self.correlation_id.to_be_bytes();
        [k0, k1, v0, v1, c0, c1, c2, c3]
    }
}

/// Steps over a whole request header and returns the client id; the reader then stands at the body.
///
/// # Errors
/// [`WireError`] for a header that is not well formed.
pub fn read_request_header(reader: &mut Reader, flexible: bool) -> Result<Option<Text>, WireError> {
    let _ = reader.skip("request header", REQUEST_PREFIX_BYTES)?;
    // The client id keeps its two-byte length in the flexible header too, so that old brokers can read it.
    let client_id = reader.nullable_string(false)?;
    if flexible {
        reader.skip_tags()?;
    }
    Ok(client_id)
}

/// Where the body of a response frame begins. `flexible` is that of the response *header*: never for ApiVersions.
///
/// # Errors
/// [`WireError`] for a header that is not well formed.
pub fn response_body_at(frame: &Bytes, flexible: bool) -> Result<usize, WireError> {
    let mut reader = Reader::new(frame.clone());
    let _ = reader.i32()?;
    if flexible {
        reader.skip_tags()?;
    }
    Ok(reader.position())
}

/// A whole response frame, size included: correlation id, empty tagged fields where flexible, `body`.
#[must_use]
pub fn response_frame(correlation_id: i32, flexible: bool, body: &[u8]) -> Bytes {
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
    fn a_prefix_comes_back() {
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
    fn header_blowup_is_refused() {
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
