//! Frames as bytes, for clients that follow no rule: what a library would never send, or not whole.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Produce.
pub const PRODUCE: i16 = 0;
/// Fetch.
pub const FETCH: i16 = 1;
/// Metadata.
pub const METADATA: i16 = 3;
/// SaslHandshake.
pub const SASL_HANDSHAKE: i16 = 17;
/// ApiVersions.
pub const API_VERSIONS: i16 = 18;
/// CreatePartitions.
pub const CREATE_PARTITIONS: i16 = 37;

/// A request with header version 1 (no tagged fields) and its length before it.
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

/// A string with a length of two bytes.
pub fn put_text(into: &mut Vec<u8>, text: &str) {
    into.extend(i16::try_from(text.len()).unwrap_or(i16::MAX).to_be_bytes());
    into.extend(text.as_bytes());
}

/// Body of Produce v3 with acks=-1: one batch to one partition.
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

/// Body of Produce v3 that names topics, `count` times each, and no partition of any.
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

/// Up to the topics: no transactional id, acks=-1, 30 s.
fn produce_head(topics: usize) -> Vec<u8> {
    let mut body = (-1i16).to_be_bytes().to_vec();
    body.extend((-1i16).to_be_bytes());
    body.extend(30_000i32.to_be_bytes());
    body.extend(i32::try_from(topics).unwrap_or(i32::MAX).to_be_bytes());
    body
}

/// Body of CreatePartitions v0 that asks for five partitions of one topic, `count` times.
#[must_use]
pub fn create_partitions(topic: &str, count: usize) -> Vec<u8> {
    let mut body = i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes().to_vec();
    for _ in 0..count {
        put_text(&mut body, topic);
        body.extend(5i32.to_be_bytes());
        // No assignments of one's own.
        body.extend((-1i32).to_be_bytes());
    }
    body.extend(30_000i32.to_be_bytes());
    body.push(0);
    body
}

/// A client that sends bytes.
#[derive(Debug)]
pub struct RawClient(pub TcpStream);

impl RawClient {
    /// Connects to `host:port`; reads and writes wait for at most `patience`.
    ///
    /// # Errors
    /// The system's.
    pub fn open(address: &str, patience: Duration) -> std::io::Result<RawClient> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        Ok(RawClient(stream))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The system's.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes)
    }

    /// The next frame without its length; `UnexpectedEof` once the other side has closed.
    ///
    /// # Errors
    /// The system's, or an answer of more than 64 MiB.
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

    /// Sends a request and reads the frame that answers it.
    ///
    /// # Errors
    /// The system's.
    pub fn ask(&mut self, frame: &[u8]) -> std::io::Result<Vec<u8>> {
        self.send(frame)?;
        self.receive()
    }
}
