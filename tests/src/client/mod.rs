//! Blocking client: one connection to one broker, one request at a time. It is simple on purpose and shares
//! no code with the client under test. Below are what is built on it, and clients that break the protocol or are
//! written in Python.

pub mod admin;
pub mod log_ends;
pub mod python;
pub mod raw_frame;

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// Error of a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection failed or broke.
    #[error("connection to {address}: {source}")]
    Io {
        /// Address of the broker.
        address: String,
        /// Error of the system.
        source: std::io::Error,
    },
    /// The answer cannot be decoded.
    #[error("protocol: {0}")]
    Protocol(String),
    /// The broker answered with an error code.
    #[error("{what}: error code {code}")]
    Code {
        /// Name of the request.
        what: String,
        /// Kafka's error code.
        code: i16,
    },
}

impl Error {
    /// Converts Kafka's error code to a result.
    ///
    /// # Errors
    /// [`Error::Code`] unless `code` is 0.
    pub fn check(what: &str, code: i16) -> Result<(), Error> {
        if code == 0 { Ok(()) } else { Err(Error::Code { what: what.to_owned(), code }) }
    }
}

/// A connection to one broker.
#[derive(Debug)]
pub struct Connection {
    address: String,
    stream: TcpStream,
    correlation: i32,
}

impl Connection {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(address: &str) -> Result<Connection, Error> {
        let io = |source| Error::Io { address: address.to_owned(), source };
        let target = address.to_socket_addrs().map_err(io)?.next();
        let target = target.ok_or_else(|| Error::Protocol(format!("{address} has no address")))?;
        let stream = TcpStream::connect_timeout(&target, Duration::from_secs(5)).map_err(io)?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).map_err(io)?;
        stream.set_write_timeout(Some(Duration::from_secs(30))).map_err(io)?;
        stream.set_nodelay(true).map_err(io)?;
        Ok(Connection { address: address.to_owned(), stream, correlation: 0 })
    }

    /// Sends `request` and waits for its answer.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Protocol`].
    pub fn ask<R: Request>(&mut self, version: i16, request: &R) -> Result<R::Response, Error> {
        let protocol = |e: &dyn std::fmt::Display| Error::Protocol(e.to_string());
        self.correlation += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("linkgate-tests")));
        let mut body = BytesMut::new();
        header.encode(&mut body, R::header_version(version)).map_err(|e| protocol(&e))?;
        request.encode(&mut body, version).map_err(|e| protocol(&e))?;
        let mut answer =
            self.exchange(&body).map_err(|source| Error::Io { address: self.address.clone(), source })?;
        let header = ResponseHeader::decode(&mut answer, R::Response::header_version(version));
        let header = header.map_err(|e| protocol(&e))?;
        if header.correlation_id != self.correlation {
            return Err(Error::Protocol(format!(
                "answer to {}, not {}",
                header.correlation_id, self.correlation
            )));
        }
        R::Response::decode(&mut answer, version).map_err(|e| protocol(&e))
    }

    /// Sends `body` as a frame, and returns the body of the answer's frame.
    ///
    /// # Errors
    /// Fails if the connection breaks or times out, or if the answer is larger than 256 MiB.
    pub fn exchange(&mut self, body: &[u8]) -> std::io::Result<Bytes> {
        let length = u32::try_from(body.len()).map_err(std::io::Error::other)?;
        let mut frame = length.to_be_bytes().to_vec();
        frame.extend_from_slice(body);
        self.stream.write_all(&frame)?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > 256 << 20 {
            return Err(std::io::Error::other(format!("an answer of {length} bytes")));
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer)?;
        Ok(Bytes::from(answer))
    }
}

/// Converts a string to the protocol's string type.
#[must_use]
pub fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}
