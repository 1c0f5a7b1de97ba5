//! Frames as bytes, for clients that break the protocol: invalid or incomplete requests that no library
//! sends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// API key of Produce.
pub const PRODUCE: i16 = 0;
/// API key of Fetch.
pub const FETCH: i16 = 1;
/// API key of Metadata.
pub const METADATA: i16 = 3;
/// API key of SaslHandshake.
pub const SASL_HANDSHAKE: i16 = 17;
/// API key of ApiVersions.
pub const API_VERSIONS: i16 = 18;
/// API key of CreatePartitions.
pub const CREATE_PARTITIONS: i16 = 37;

/// Returns a request with header version 1 (no tagged fields), preceded by its length.
#[must_use]
pub fn frame(api: i16, version: i16, correlation: i32, body: &[u8]) -> Vec<u8> {
    let client = b"raw";
    let mut request = Vec::with_capacity(14 + client.len() + body.len());
    request.extend(api.to_be_bytes());
    request.extend(version.to_be_bytes());
    request.extend(correlation.to_be_bytes());
    put_text(&mut request, "raw");
    request.extend(body);
    let mut frame = u32::try_from(request.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    frame.extend(request);
    frame
}

/// Appends a string with a two-byte length.
pub fn put_text(into: &mut Vec<u8>, text: &str) {
    into.extend(i16::try_from(text.len()).unwrap_or(i16::MAX).to_be_bytes());
    into.extend(text.as_bytes());
}

/// Returns the body of a Produce v3 request with acks=-1: one batch for one partition.
#[must_use]
pub fn produce(topic: &str, partition: i32, batch: &[u8]) -> Vec<u8> {
    let mut body = produce_head(1);
    put_text(&mut body, topic);
    body.extend(1i32.to_be_bytes());
    body.extend(partition.to_be_bytes());
    body.extend(i32::try_from(batch.len()).unwrap_or(i32::MAX).to_be_bytes());
    body.extend(batch);
    body
}

/// Returns the body of a Produce v3 request that names each topic `count` times, without partitions.
#[must_use]
pub fn produce_of_nothing(topics: &[(&str, usize)]) -> Vec<u8> {
    let mut body = produce_head(topics.iter().map(|(_, count)| count).sum());
    for (topic, count) in topics {
        for _ in 0..*count {
            put_text(&mut body, topic);
            body.extend(0i32.to_be_bytes());
        }
    }
    body
}

/// Returns the body up to the topics: no transactional id, acks=-1, timeout 30 s.
fn produce_head(topics: usize) -> Vec<u8> {
    let mut body = (-1i16).to_be_bytes().to_vec();
    body.extend((-1i16).to_be_bytes());
    body.extend(30_000i32.to_be_bytes());
    body.extend(i32::try_from(topics).unwrap_or(i32::MAX).to_be_bytes());
    body
}

/// Returns the body of a CreatePartitions v0 request that asks for five partitions of one topic, `count`
/// times.
#[must_use]
pub fn create_partitions(topic: &str, count: usize) -> Vec<u8> {
    let mut body = i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes().to_vec();
    for _ in 0..count {
        put_text(&mut body, topic);
        body.extend(5i32.to_be_bytes());
        // No manual assignments.
        body.extend((-1i32).to_be_bytes());
    }
    body.extend(30_000i32.to_be_bytes());
    body.push(0);
    body
}

/// A client that sends raw bytes.
#[derive(Debug)]
pub struct RawClient(pub TcpStream);

impl RawClient {
    /// Connects to `host:port`. Reads and writes have the timeout `patience`.
    ///
    /// # Errors
    /// Fails if the connection cannot be made.
    pub fn open(address: &str, patience: Duration) -> std::io::Result<RawClient> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        Ok(RawClient(stream))
    }

    /// Sends bytes unchanged.
    ///
    /// # Errors
    /// Fails if the connection breaks or times out.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes)
    }

    /// Returns the next frame without its length. The error is `UnexpectedEof` if the other side has closed
    /// the connection.
    ///
    /// # Errors
    /// Fails if the connection breaks or times out, or if the answer is larger than 64 MiB.
    pub fn receive(&mut self) -> std::io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > 64 << 20 {
            return Err(std::io::Error::other(format!("an answer of {length} bytes")));
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer)?;
        Ok(answer)
    }

    /// Sends a request and returns the answer's frame.
    ///
    /// # Errors
    /// Fails like [`RawClient::send`] and [`RawClient::receive`].
    pub fn ask(&mut self, frame: &[u8]) -> std::io::Result<Vec<u8>> {
        self.send(frame)?;
        self.receive()
    }
}
