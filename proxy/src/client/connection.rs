//! One multiplexed connection to one broker.
//!
//! A writer task takes requests from a bounded queue, a reader task hands responses to their waiters by correlation id.
//! The first thing that goes wrong (stream, length, unknown correlation id, timeout) ends the connection once for all:
//! everybody under way gets that error and later callers fail at once. Dropping a future never harms others. The tasks
//! end with the last clone and the last response under way.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{Decodable, Request, StrBytes};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{RwLock, mpsc};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::answer;
use super::cluster::metadata_request;
use super::error::{ClientError, ErrorKind, Side};
use super::header::{RequestHead, skip_tagged_fields};
use super::options::ClientOptions;
use super::pin::ClusterPin;
use super::streams::{Peer, read_loop, write_loop};
use super::waiting::Waiting;
use crate::net::tls::TlsConnectError;
use crate::net::{HostPort, dial};
use crate::wire::error_code::ErrorCode;

/// Largest response of a peer that is not authenticated yet, in bytes: versions and the steps of SASL are far smaller.
const MAX_FIRST_RESPONSE: usize = 1 << 20;

/// A connection. Clones share it.
#[derive(Clone)]
pub struct Connection {
    pub(super) link: Arc<Link>,
    versions: Arc<HashMap<i16, (i16, i16)>>,
}

/// What a connection and its responses under way share.
pub(super) struct Link {
    side: Side,
    pub(super) address: HostPort,
    client_id: String,
    request_timeout: Duration,
    queue: mpsc::Sender<Vec<Bytes>>,
    pub(super) waiting: Arc<Waiting>,
    /// Held for writing while the connection authenticates anew: a broker takes no other request then.
    pub(super) turn: RwLock<()>,
    /// Cancelled when the connection has ended.
    pub(super) ended: CancellationToken,
    _tasks: DropGuard,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({} {})", self.link.side, self.link.address)
    }
}

impl Connection {
    /// Connects, negotiates versions and authenticates.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`], [`ErrorKind::Authentication`], or whatever made the negotiation fail.
    pub async fn connect(address: &HostPort, options: &ClientOptions) -> Result<Self, ClientError> {
        let refused = |reason: String| {
            ClientError::new(options.side, ErrorKind::Connect { address: address.clone(), reason })
        };
        let unauthenticated = |reason: String| {
            ClientError::new(options.side, ErrorKind::Authentication { address: address.clone(), reason })
        };
        if let Some(reason) = options.security.why_unusable() {
            return Err(unauthenticated(reason.to_owned()));
        }
        let deadline = Instant::now() + options.connect_timeout;
        let stream = dial(address, options.socket, options.connect_timeout)
            .await
            .map_err(|error| refused(error.to_string()))?;
        let Some(tls) = options.security.tls() else {
            let (reader, writer) = stream.into_split();
            return Self::over(reader, writer, address, options).await;
        };
        let stream = match timeout_at(deadline, tls.connect(stream, &address.host)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(TlsConnectError::Io(error))) => return Err(refused(format!("TLS handshake: {error}"))),
            Ok(Err(error)) => return Err(unauthenticated(error.to_string())),
            Err(_) => return Err(refused(format!("no TLS handshake within {:?}", options.connect_timeout))),
        };
        let (reader, writer) = tokio::io::split(stream);
        Self::over(reader, writer, address, options).await
    }

    async fn over(
        reader: impl AsyncRead + Unpin + Send + 'static,
        writer: impl AsyncWrite + Unpin + Send + 'static,
        address: &HostPort,
        options: &ClientOptions,
    ) -> Result<Self, ClientError> {
        let (queue, requests) = mpsc::channel(options.queue.max(1));
        let waiting = Arc::new(Waiting::new());
        let stop = CancellationToken::new();
        let peer = Peer { side: options.side, address: address.clone(), waiting: Arc::clone(&waiting) };
        let _writer =
            tokio::spawn(write_loop(writer, requests, peer.clone(), options.max_idle, stop.clone()));
        let limit = Arc::new(AtomicUsize::new(options.max_response_bytes.min(MAX_FIRST_RESPONSE)));
        let _reader = tokio::spawn(read_loop(reader, Arc::clone(&limit), peer, stop.clone()));
        let link = Link {
            side: options.side,
            address: address.clone(),
            client_id: options.client_id.clone(),
            request_timeout: options.request_timeout,
            queue,
            waiting,
            turn: RwLock::new(()),
            ended: stop.clone(),
            _tasks: stop.drop_guard(),
        };
        let mut connection = Connection { link: Arc::new(link), versions: Arc::new(HashMap::new()) };
        let versions = timeout(options.connect_timeout, connection.negotiate()).await;
        connection.versions =
            Arc::new(versions.map_err(|_| connection.late("ApiVersions", options.connect_timeout))??);
        if let Some(sasl) = options.security.sasl() {
            connection.log_in(sasl).await?;
        }
        limit.store(options.max_response_bytes, Ordering::Release);
        if let Some(pin) = &options.pin {
            let asked = timeout(options.connect_timeout, connection.check_cluster(pin)).await;
            asked.map_err(|_| connection.late("Metadata", options.connect_timeout))??;
        }
        Ok(connection)
    }

    /// Asks the broker for its cluster, before it is asked for anything that could be taken for another cluster's.
    async fn check_cluster(&self, pin: &ClusterPin) -> Result<(), ClientError> {
        let response = self.call_at_most(metadata_request(Some(&[])), 12).await?;
        self.admitted(pin, response.cluster_id.as_deref().unwrap_or_default())
    }

    /// Holds the cluster id in an answer of this broker against the pinned one.
    ///
    /// # Errors
    /// [`ErrorKind::ForeignCluster`]; the connection has ended then.
    pub(super) fn admitted(&self, pin: &ClusterPin, found: &str) -> Result<(), ClientError> {
        pin.admit(&self.link.address, found).map_err(|expected| {
            let (address, found) = (self.link.address.clone(), found.to_owned());
            let error = self.error(ErrorKind::ForeignCluster { address, expected, found });
            self.link.waiting.poison(error.clone());
            error
        })
    }

    async fn negotiate(&self) -> Result<HashMap<i16, (i16, i16)>, ClientError> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("linkgate"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let mut version = 3;
        let mut body = self.exchange(&request, version).await?;
        if body.starts_with(&ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes()) {
            version = 0;
            body = self.exchange(&ApiVersionsRequest::default(), version).await?;
        }
        let response: ApiVersionsResponse = self.decoded(ApiVersionsRequest::KEY, body, version)?;
        if let Err(code) = ErrorCode(response.error_code).ok() {
            return Err(self.answered("ApiVersions", code, ""));
        }
        Ok(response.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect())
    }

    /// Sends a request at the highest version that the broker and this client know, and waits for the response.
    ///
    /// # Errors
    /// Any [`ErrorKind`] but `Kafka`: error codes inside the response are the caller's to read.
    pub async fn call<R: Request>(&self, request: R) -> Result<R::Response, ClientError> {
        self.call_at_most(request, i16::MAX).await
    }

    /// As [`Connection::call`], at no higher version than `version`.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn call_at_most<R: Request>(
        &self,
        request: R,
        version: i16,
    ) -> Result<R::Response, ClientError> {
        let version = self.version_of::<R>(version)?;
        let body = self.exchange(&request, version).await?;
        self.decoded(R::KEY, body, version)
    }

    /// The version that [`Connection::call_at_most`] takes.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when there is none.
    pub fn version_of<R: Request>(&self, at_most: i16) -> Result<i16, ClientError> {
        let (own_min, own_max) = (R::VERSIONS.min, R::VERSIONS.max.min(at_most));
        let offered = self.broker_versions(R::KEY);
        match offered {
            Some((min, max)) if max.min(own_max) >= min.max(own_min) => Ok(max.min(own_max)),
            _ => Err(self.error(ErrorKind::Unsupported {
                address: self.link.address.clone(),
                api: api_name(R::KEY),
                broker: offered.map_or("none".into(), |(min, max)| format!("versions {min} to {max}")),
                own: format!("versions {own_min} to {own_max}"),
            })),
        }
    }

    /// The lowest and highest version of a request that the broker offers, or `None` when it does not know it.
    #[must_use]
    pub fn broker_versions(&self, api_key: i16) -> Option<(i16, i16)> {
        self.versions.get(&api_key).copied()
    }

    async fn exchange<R: Request>(&self, request: &R, version: i16) -> Result<Bytes, ClientError> {
        let body = self.encoded(request, version)?;
        self.send_segments(R::KEY, version, vec![body]).await?.await
    }

    /// As `exchange`, for whoever has the turn.
    pub(super) async fn exchange_in_turn<R: Request>(
        &self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, ClientError> {
        let body = self.encoded(request, version)?;
        let deadline = Instant::now() + self.link.request_timeout;
        let body = self.queue(R::KEY, version, vec![body], deadline).await?.await?;
        self.decoded(R::KEY, body, version)
    }

    fn encoded<R: Request>(&self, request: &R, version: i16) -> Result<Bytes, ClientError> {
        let mut body = BytesMut::new();
        request
            .encode(&mut body, version)
            .map_err(|error| self.misfit(&api_name(R::KEY), format!("cannot encode v{version}: {error}")))?;
        Ok(body.freeze())
    }

    fn decoded<M: Decodable>(&self, api_key: i16, body: Bytes, version: i16) -> Result<M, ClientError> {
        answer::decoded(api_key, body, version).map_err(|error| {
            self.misfit(&api_name(api_key), format!("cannot decode the v{version} response: {error}"))
        })
    }

    /// Queues a request whose body is given in segments, which are not copied. Requests leave in the order in which
    /// this call returns; the inner future resolves with the response's body, after its header. Both may be dropped.
    ///
    /// Not for requests without a response (Produce with acks 0).
    ///
    /// # Errors
    /// The connection has ended, or its queue stayed full for the request timeout; the inner one: it ended, or there
    /// was no response in time.
    pub async fn send_segments(
        &self,
        api_key: i16,
        version: i16,
        segments: Vec<Bytes>,
    ) -> Result<impl Future<Output = Result<Bytes, ClientError>> + Send + use<>, ClientError> {
        let deadline = Instant::now() + self.link.request_timeout;
        let Ok(_turn) = timeout_at(deadline, self.link.turn.read()).await else {
            let error = self.late(&api_name(api_key), self.link.request_timeout);
            self.link.waiting.poison(error.clone());
            return Err(error);
        };
        self.queue(api_key, version, segments, deadline).await
    }

    async fn queue(
        &self,
        api_key: i16,
        version: i16,
        segments: Vec<Bytes>,
        deadline: Instant,
    ) -> Result<impl Future<Output = Result<Bytes, ClientError>> + Send + use<>, ClientError> {
        let link = &self.link;
        let api = ApiKey::try_from(api_key)
            .map_err(|()| self.misfit(&api_name(api_key), "no request of this client".into()))?;
        if link.waiting.silent_for(link.request_timeout) {
            link.waiting.poison(self.late(&api_name(api_key), link.request_timeout));
        }
        let place = match timeout_at(deadline, link.queue.reserve()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(self.lost()),
            Err(_) => {
                let error = self.late(&api_name(api_key), link.request_timeout);
                link.waiting.poison(error.clone());
                return Err(error);
            }
        };
        let (correlation_id, receiver) = link.waiting.register()?;
        let abandon = Abandon { waiting: Arc::clone(&link.waiting), correlation_id };
        let head = RequestHead { api_key, version, correlation_id, client_id: &link.client_id };
        let Some(frame) = head.framed(api.request_header_version(version) >= 2, segments) else {
            return Err(self.misfit(&api_name(api_key), "the request is larger than a frame".into()));
        };
        place.send(frame);

        let this = self.clone();
        let flexible = api.response_header_version(version) >= 1;
        Ok(async move {
            // Lives until the response is here, whether or not this future is ever polled.
            let _abandon = abandon;
            let mut body = match timeout_at(deadline, receiver).await {
                Ok(Ok(answer)) => answer?,
                Ok(Err(_)) => return Err(this.lost()),
                Err(_) => {
                    let error = this.late(&api_name(api_key), this.link.request_timeout);
                    this.link.waiting.poison(error.clone());
                    return Err(error);
                }
            };
            if flexible && skip_tagged_fields(&mut body).is_none() {
                return Err(this.misfit(&api_name(api_key), "the response header is cut short".into()));
            }
            Ok(body)
        })
    }

    pub(super) fn of(link: Arc<Link>, versions: Arc<HashMap<i16, (i16, i16)>>) -> Self {
        Connection { link, versions }
    }

    pub(super) fn versions(&self) -> Arc<HashMap<i16, (i16, i16)>> {
        Arc::clone(&self.versions)
    }

    /// Whether the connection has ended: every further call fails at once.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.link.queue.is_closed() || self.link.waiting.closed().is_some()
    }

    /// The peer.
    #[must_use]
    pub fn address(&self) -> &HostPort {
        &self.link.address
    }

    /// The error for a response of this peer that carries an error code. `api` names the request and its object.
    #[must_use]
    pub fn answered(&self, api: &str, code: ErrorCode, message: &str) -> ClientError {
        self.error(ErrorKind::Kafka {
            address: self.link.address.clone(),
            api: api.to_owned(),
            code,
            message: message.to_owned(),
        })
    }

    /// The error for a response of this peer that makes no sense.
    #[must_use]
    pub fn misfit(&self, api: &str, reason: String) -> ClientError {
        self.error(ErrorKind::Protocol { address: self.link.address.clone(), api: api.to_owned(), reason })
    }

    fn late(&self, api: &str, within: Duration) -> ClientError {
        self.error(ErrorKind::Timeout { address: self.link.address.clone(), api: api.to_owned(), within })
    }

    /// Why the connection ended.
    pub(crate) fn lost(&self) -> ClientError {
        self.link.waiting.closed().unwrap_or_else(|| {
            self.error(ErrorKind::Lost { address: self.link.address.clone(), reason: "it was closed".into() })
        })
    }

    pub(super) fn error(&self, kind: ErrorKind) -> ClientError {
        ClientError::new(self.link.side, kind)
    }
}

/// Forgets a waiter that is gone.
struct Abandon {
    waiting: Arc<Waiting>,
    correlation_id: i32,
}

impl Drop for Abandon {
    fn drop(&mut self) {
        self.waiting.abandon(self.correlation_id);
    }
}

/// Kafka's name of a request.
pub(crate) fn api_name(api_key: i16) -> String {
    ApiKey::try_from(api_key).map_or_else(|()| format!("api {api_key}"), |api| format!("{api:?}"))
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
