//! One connection to a broker or a gateway.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use linkgate_tests::rpc::{self, Schemas};
use serde_json::Value;

/// A connection.
pub(crate) struct Peer {
    stream: TcpStream,
    correlation_id: i32,
}

impl Peer {
    pub(crate) fn open(address: &str) -> Peer {
        let stream = TcpStream::connect(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        Peer { stream, correlation_id: 0 }
    }

    /// Sends a request and returns the body of the answer.
    ///
    /// # Errors
    /// Fails if the connection is closed ("closed") or no answer comes ("silence"): brokers drop some
    /// requests that make no sense.
    pub(crate) fn ask(
        &mut self,
        schemas: &Schemas,
        key: i16,
        version: i16,
        body: &Value,
    ) -> Result<Value, String> {
        self.correlation_id += 1;
        let frame = rpc::request(&schemas.requests[&key], version, self.correlation_id, Some("peer"), body);
        let answer = self.exchange(&frame).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => "silence".to_owned(),
            _ => "closed".to_owned(),
        })?;
        let (correlation_id, body) = rpc::read_response(&schemas.responses[&key], version, &answer)
            .unwrap_or_else(|e| panic!("api {key} v{version}: {e}"));
        assert_eq!(correlation_id, self.correlation_id);
        Ok(body)
    }

    fn exchange(&mut self, frame: &[u8]) -> std::io::Result<Bytes> {
        self.stream.write_all(&[&(frame.len() as u32).to_be_bytes()[..], frame].concat())?;
        let mut size = [0; 4];
        self.stream.read_exact(&mut size)?;
        let mut answer = vec![0; u32::from_be_bytes(size) as usize];
        self.stream.read_exact(&mut answer)?;
        Ok(answer.into())
    }

    /// Returns the API versions on offer: lowest and highest version by API key.
    pub(crate) fn offered(&mut self) -> BTreeMap<i16, (i16, i16)> {
        // ApiVersions v0 with correlation id 7 and no client id. The answer has rows of three numbers.
        let answer = self.exchange(b"\0\x12\0\0\0\0\0\x07\xff\xff").expect("ApiVersions is answered");
        assert_eq!(answer[..6], [0, 0, 0, 7, 0, 0]);
        let number = |row: &[u8], at: usize| i16::from_be_bytes([row[at], row[at + 1]]);
        answer[10..].chunks(6).map(|row| (number(row, 0), (number(row, 2), number(row, 4)))).collect()
    }
}
