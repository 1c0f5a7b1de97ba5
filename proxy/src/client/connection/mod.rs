//! One multiplexed connection to one broker.
//!
//! A writer task takes requests from a bounded queue. A reader task passes responses to the waiting callers
//! by correlation id. The first failure (stream, length, unknown correlation id, timeout) ends the
//! connection: all waiting callers get that error, and later callers fail immediately. Dropping a future does
//! not affect other requests. The tasks end after the last clone is dropped and the last outstanding response
//! has arrived.
pub(crate) mod authenticate;
pub(crate) mod correlation;
pub(crate) mod header;
pub(crate) mod io_tasks;
pub(crate) mod pinned;
pub(crate) mod response_body;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{Decodable, Request, StrBytes};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{RwLock, mpsc};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::client::connection::correlation::{Abandon, OutstandingRequests};
use crate::client::connection::header::{RequestHead, api_name, skip_tagged_fields};
use crate::client::connection::io_tasks::{IoContext, read_loop, write_loop};
use crate::client::error::{ClientError, ErrorKind, Side};
use crate::client::options::ClientOptions;
use crate::net::tls::TlsConnectError;
use crate::net::{DialError, HostPort, dial};
use crate::wire::protocol::error_code::ErrorCode;

/// Maximum size of a response before authentication, in bytes. Responses to ApiVersions and SASL requests are
/// far smaller.
const MAX_FIRST_RESPONSE: usize = 1 << 20;

/// A connection to one broker. Clones share it.
#[derive(Clone)]
pub struct Connection {
    pub(crate) link: Arc<ConnectionInner>,
    versions: Arc<HashMap<i16, (i16, i16)>>,
}

/// State that a connection shares with its outstanding responses.
pub(crate) struct ConnectionInner {
    side: Side,
    pub(crate) address: HostPort,
    client_id: String,
    request_timeout: Duration,
    queue: mpsc::Sender<Vec<Bytes>>,
    pub(crate) waiting: Arc<OutstandingRequests>,
    /// Write-locked during re-authentication, when a broker accepts no other request.
    pub(crate) turn: RwLock<()>,
    /// Cancelled when the connection has ended.
    pub(crate) ended: CancellationToken,
    /// Time that the first exchange took.
    round_trip: OnceLock<Duration>,
    _tasks: DropGuard,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({} {})", self.link.side, self.link.address)
    }
}

impl Connection {
    /// Connects, negotiates API versions and authenticates.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Connect`], [`ErrorKind::Unresolvable`], [`ErrorKind::Authentication`], or the error of the negotiation.
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
        let stream = dial(address, options.socket, options.connect_timeout).await.map_err(|error| {
            let (address, reason) = (address.clone(), error.to_string());
            let kind = match error {
                DialError::Unresolvable(_) => ErrorKind::Unresolvable { address, reason },
                DialError::Connect(_) => ErrorKind::Connect { address, reason },
            };
            ClientError::new(options.side, kind)
        })?;
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
        let waiting = Arc::new(OutstandingRequests::new());
        let stop = CancellationToken::new();
        let peer = IoContext { side: options.side, address: address.clone(), waiting: Arc::clone(&waiting) };
        let _writer =
            tokio::spawn(write_loop(writer, requests, peer.clone(), options.max_idle, stop.clone()));
        let limit = Arc::new(AtomicUsize::new(options.max_response_bytes.min(MAX_FIRST_RESPONSE)));
        let _reader = tokio::spawn(read_loop(reader, Arc::clone(&limit), peer, stop.clone()));
        let link = ConnectionInner {
            side: options.side,
            address: address.clone(),
            client_id: options.client_id.clone(),
            request_timeout: options.request_timeout,
            queue,
            waiting,
            turn: RwLock::new(()),
            ended: stop.clone(),
            round_trip: OnceLock::new(),
            _tasks: stop.drop_guard(),
        };
        let mut connection = Connection { link: Arc::new(link), versions: Arc::new(HashMap::new()) };
        let begun = Instant::now();
        let versions = timeout(options.connect_timeout, connection.negotiate()).await;
        let _ = connection.link.round_trip.set(begun.elapsed());
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

    /// Returns the time that the first exchange took when the connection was opened.
    #[must_use]
    pub fn round_trip(&self) -> Duration {
        self.link.round_trip.get().copied().unwrap_or_default()
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

    /// Sends a request at the highest version that broker and client have in common, and waits for the
    /// response.
    ///
    /// # Errors
    /// Returns any [`ErrorKind`] except `Kafka`: the caller must check error codes inside the response.
    pub async fn call<R: Request>(&self, request: R) -> Result<R::Response, ClientError> {
        self.call_at_most(request, i16::MAX).await
    }

    /// Sends a request like [`Connection::call`], at `version` or lower.
    ///
    /// # Errors
    /// Returns the errors of [`Connection::call`].
    pub async fn call_at_most<R: Request>(
        &self,
        request: R,
        version: i16,
    ) -> Result<R::Response, ClientError> {
        let version = self.version_of::<R>(version)?;
        let body = self.exchange(&request, version).await?;
        self.decoded(R::KEY, body, version)
    }

    /// Returns the version that [`Connection::call_at_most`] uses.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Unsupported`] if there is no common version.
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

    /// Returns the lowest and highest version of a request that the broker supports; `None` if the broker
    /// does not know it.
    #[must_use]
    pub fn broker_versions(&self, api_key: i16) -> Option<(i16, i16)> {
        self.versions.get(&api_key).copied()
    }

    async fn exchange<R: Request>(&self, request: &R, version: i16) -> Result<Bytes, ClientError> {
        let body = self.encoded(request, version)?;
        self.send_segments(R::KEY, version, vec![body]).await?.await
    }

    /// Does an `exchange` while the caller holds the turn, or before other requests are possible.
    pub(crate) async fn exchange_in_turn<R: Request>(
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
        response_body::decoded(api_key, body, version).map_err(|error| {
            self.misfit(&api_name(api_key), format!("cannot decode the v{version} response: {error}"))
        })
    }

    /// Queues a request whose body is given in segments, without copying them. Requests are sent in the order
    /// in which these calls return. The inner future resolves to the response body, without its header. Both
    /// futures may be dropped.
    ///
    /// Not for requests without a response (Produce with acks 0).
    ///
    /// # Errors
    /// Fails if the connection has ended, or if its queue stayed full for the request timeout. The inner
    /// future fails if the connection ends, or if no response arrives in time.
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
            .map_err(|()| self.misfit(&api_name(api_key), "unknown api key".into()))?;
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
            return Err(self.misfit(&api_name(api_key), "the request is too large for one frame".into()));
        };
        place.send(frame);

        let this = self.clone();
        let flexible = api.response_header_version(version) >= 1;
        Ok(async move {
            // Lives until the response has arrived or the future is dropped, polled or not.
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
            if flexible && skip_tagged_fields(&mut body).is_err() {
                return Err(this.misfit(&api_name(api_key), "the response header is truncated".into()));
            }
            Ok(body)
        })
    }

    pub(crate) fn of(link: Arc<ConnectionInner>, versions: Arc<HashMap<i16, (i16, i16)>>) -> Self {
        Connection { link, versions }
    }

    pub(crate) fn versions(&self) -> Arc<HashMap<i16, (i16, i16)>> {
        Arc::clone(&self.versions)
    }

    /// Returns true if the connection has ended. Every further call fails immediately.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.link.queue.is_closed() || self.link.waiting.closed().is_some()
    }

    /// Returns the address of the broker.
    #[must_use]
    pub fn address(&self) -> &HostPort {
        &self.link.address
    }

    /// Makes the error for a response with an error code. `api` names the request and its object.
    #[must_use]
    pub fn answered(&self, api: &str, code: ErrorCode, message: &str) -> ClientError {
        self.error(ErrorKind::Kafka {
            address: self.link.address.clone(),
            api: api.to_owned(),
            code,
            message: message.to_owned(),
        })
    }

    /// Makes the error for a response that violates the protocol.
    #[must_use]
    pub fn misfit(&self, api: &str, reason: String) -> ClientError {
        self.error(ErrorKind::Protocol { address: self.link.address.clone(), api: api.to_owned(), reason })
    }

    fn late(&self, api: &str, within: Duration) -> ClientError {
        self.error(ErrorKind::Timeout { address: self.link.address.clone(), api: api.to_owned(), within })
    }

    /// Returns the error that ended the connection.
    pub(crate) fn lost(&self) -> ClientError {
        self.link.waiting.closed().unwrap_or_else(|| {
            self.error(ErrorKind::Lost { address: self.link.address.clone(), reason: "it was closed".into() })
        })
    }

    pub(crate) fn error(&self, kind: ErrorKind) -> ClientError {
        ClientError::new(self.link.side, kind)
    }
}

#[cfg(test)]
mod tests;
