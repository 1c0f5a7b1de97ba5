//! Where the brokers of the destination are: a seam, so that tests can say it themselves.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::future::BoxFuture;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, RequestHeader};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wire::versions::METADATA;

use super::Endpoint;

/// Why the brokers are not known.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// None of the bootstrap servers answered.
    #[error("no bootstrap server answered: {last}")]
    Unreachable {
        /// What the last one did.
        last: String,
    },
}

/// Tells where the brokers of the destination cluster are.
pub trait BrokerDirectory: Send + Sync + 'static {
    /// All brokers known now, by id.
    fn brokers(&self) -> BoxFuture<'_, Result<Vec<(i32, Endpoint)>, DirectoryError>>;
}

/// Asks the bootstrap servers, one after another, over a connection of its own each time.
#[derive(Debug)]
pub struct BootstrapDirectory {
    servers: Vec<Endpoint>,
}

/// Every broker since 1.0 speaks it, and it names ids, hosts and ports.
const METADATA_VERSION: i16 = 5;
/// An answer without topics is small.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

impl BootstrapDirectory {
    /// Asks these servers.
    #[must_use]
    pub fn new(servers: Vec<Endpoint>) -> Self {
        BootstrapDirectory { servers }
    }

    async fn ask(server: &Endpoint) -> Result<Vec<(i32, Endpoint)>, String> {
        let mut tcp = TcpStream::connect((server.host.as_str(), server.port)).await.map_err(text)?;
        tcp.write_all(&request().map_err(text)?).await.map_err(text)?;
        let size = tcp.read_u32().await.map_err(text)? as usize;
        if size > MAX_ANSWER_BYTES {
            return Err(format!("answer of {size} bytes"));
        }
        let mut answer = BytesMut::zeroed(size);
        let _ = tcp.read_exact(&mut answer).await.map_err(text)?;
        brokers_of(answer.freeze())
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn request() -> Result<Bytes, String> {
    let header = RequestHeader::default()
        .with_request_api_key(METADATA)
        .with_request_api_version(METADATA_VERSION)
        .with_client_id(Some(StrBytes::from_static_str("linkgate-gateway")));
    let mut body = BytesMut::new();
    header.encode(&mut body, 1).map_err(text)?;
    let no_topics = MetadataRequest::default().with_topics(Some(Vec::new()));
    no_topics.encode(&mut body, METADATA_VERSION).map_err(text)?;
    let mut frame = BytesMut::with_capacity(body.len() + 4);
    frame.put_u32(body.len() as u32);
    frame.put_slice(&body);
    Ok(frame.freeze())
}

fn brokers_of(mut answer: Bytes) -> Result<Vec<(i32, Endpoint)>, String> {
    if answer.len() < 4 {
        return Err("answer without a header".to_owned());
    }
    answer.advance(4);
    let answer = MetadataResponse::decode(&mut answer, METADATA_VERSION).map_err(text)?;
    let endpoint = |broker: kafka_protocol::messages::metadata_response::MetadataResponseBroker| {
        let port = u16::try_from(broker.port).ok()?;
        Some((broker.node_id.0, Endpoint::new(broker.host.to_string(), port)))
    };
    Ok(answer.brokers.into_iter().filter_map(endpoint).collect())
}

impl BrokerDirectory for BootstrapDirectory {
    fn brokers(&self) -> BoxFuture<'_, Result<Vec<(i32, Endpoint)>, DirectoryError>> {
        Box::pin(async {
            let mut last = "there are none".to_owned();
            for server in &self.servers {
                match Self::ask(server).await {
                    Ok(brokers) if !brokers.is_empty() => return Ok(brokers),
                    Ok(_) => last = format!("{server}: knows no brokers"),
                    Err(error) => last = format!("{server}: {error}"),
                }
            }
            Err(DirectoryError::Unreachable { last })
        })
    }
}
