//! Decodes response bodies, after checking them against their layout.

use std::fmt;

use bytes::Bytes;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::Decodable;

use crate::wire::protocol::primitive::WireError;
use crate::wire::protocol::response_schema;

/// Error of a response body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// The body does not have the layout of a response of that version.
    Layout(WireError),
    /// The codec refuses the body.
    Codec(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Layout(error) => error.fmt(f),
            Unreadable::Codec(error) => f.write_str(error),
        }
    }
}

/// Decodes the body of a response, which begins after its header.
///
/// # Errors
/// Returns [`Unreadable`]. Sizes that the body claims have not been allocated by then (docs/adr/0013).
pub(crate) fn decoded<M: Decodable>(api_key: i16, mut body: Bytes, version: i16) -> Result<M, Unreadable> {
    let flexible = ApiKey::try_from(api_key).is_ok_and(|api| api.request_header_version(version) >= 2);
    response_schema::check(api_key, &body, 0, version, flexible).map_err(Unreadable::Layout)?;
    M::decode(&mut body, version).map_err(|error| Unreadable::Codec(error.to_string()))
}

#[cfg(test)]
mod tests {
    use bytes::{Buf, BufMut, BytesMut};
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use crate::client::{ClientError, ClientOptions, Connection, ErrorKind, Side};
    use crate::net::HostPort;
    use crate::net::frame::read_frame;

    /// Returns the client's error for a broker that answers the first request with these bytes.
    async fn told(answer: &[u8]) -> ClientError {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = HostPort::new("127.0.0.1", listener.local_addr().unwrap().port());
        let liar = async {
            let mut stream = listener.accept().await.unwrap().0;
            let mut asked = read_frame(&mut stream, 1 << 20).await.unwrap();
            asked.advance(4);
            let mut frame = BytesMut::new();
            frame.put_i32(4 + answer.len() as i32);
            frame.put_i32(asked.get_i32());
            frame.put_slice(answer);
            stream.write_all(&frame).await.unwrap();
            stream
        };
        let options = ClientOptions::new(Side::Source);
        let (connection, _stream) = tokio::join!(Connection::connect(&address, &options), liar);
        connection.unwrap_err()
    }

    #[tokio::test]
    async fn a_count_of_billions_is_an_error_and_does_not_end_the_process() {
        // ApiVersions v3: no error, and a count of four billion APIs in five bytes.
        let error = told(&[0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]).await;
        assert!(matches!(error.kind(), ErrorKind::Protocol { .. }), "{error}");
        assert!(error.to_string().contains("ApiVersions"), "{error}");
    }

    #[tokio::test]
    async fn too_many_unknown_tags_are_an_error() {
        // No error, no APIs, no throttling, and 200,000 empty tags that would cost an allocation each.
        let mut answer = vec![0, 0, 1, 0, 0, 0, 0, 0xc0, 0x9a, 0x0c];
        answer.extend((0..200_000).flat_map(|_| [9, 0]));
        let error = told(&answer).await;
        assert!(error.to_string().contains("more than 1000 unknown tags"), "{error}");
    }

    #[tokio::test]
    async fn large_responses_before_authentication_are_refused() {
        let error = told(&vec![0; (1 << 20) + 1]).await;
        assert!(error.to_string().contains("limit 1048576"), "{error}");
    }
}
