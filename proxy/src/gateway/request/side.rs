//! Handles the direction client → broker: decides what becomes of each request.

use crate::gateway::request::end::Gone;
use crate::gateway::request::end::RequestEnd;
use crate::gateway::request::sasl_exchange::MAX_TOKEN_BYTES;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use crate::wire::protocol::frame::{REQUEST_PREFIX_BYTES, SIZE_BYTES, frame_size};
use crate::wire::protocol::header::RequestPrefix;
use crate::wire::protocol::primitive::WireError;
use crate::wire::protocol::versions::{self, Api, Treatment};

use crate::gateway::error::{ResponseError, SessionError};
use crate::gateway::frame::reader::{CopyError, FrameReader};
use crate::gateway::frame::rope::Rope;
use crate::gateway::frame::stream::WriteEnd;
use crate::gateway::guards::Guards;
use crate::gateway::in_flight::{ExpectedSender, InFlightRequest, ResponsePlan};
use crate::gateway::metrics::GatewayMetrics;
use crate::gateway::request::client_identity::Observer;
use crate::gateway::request::sasl_exchange::SaslExchange;
use crate::gateway::response::share_gaps::ShareGaps;
use crate::obs::log_limiter::LogLimiter;

/// Maximum size of an ApiVersions or SaslHandshake request, in bytes. They hold little more than names.
const MAX_GREETING_BYTES: usize = 64 * 1024;
/// Request direction of a session.
pub(crate) struct RequestSide {
    pub(crate) client: FrameReader,
    pub(crate) broker: WriteEnd,
    pub(crate) expected: ExpectedSender,
    pub(crate) guards: Guards,
    pub(crate) gaps: ShareGaps,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) observer: Observer,
    pub(crate) log_limiter: Arc<LogLimiter>,
    pub(crate) max_request_bytes: usize,
    pub(crate) sasl: SaslExchange,
}

impl RequestSide {
    /// Sends requests on until the client ends its side or `stop` is cancelled. Then ends the stream to the
    /// broker.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), SessionError> {
        loop {
            let more = tokio::select! {
                biased;
                () = stop.cancelled() => false,
                filled = self.client.fill(SIZE_BYTES) => filled.map_err(SessionError::ClientIo)?,
            };
            if !more {
                // Fails if the broker is gone already. Nothing is lost then.
                let _ = self.broker.shutdown().await;
                return Ok(());
            }
            let done = if self.sasl.is_token_due() { self.sasl_token().await } else { self.request().await };
            match done {
                Ok(()) => self.client.end_frame(),
                Err(RequestEnd::Gone) => return Ok(()),
                Err(RequestEnd::Failed(error)) => return Err(error),
            }
        }
    }

    async fn request(&mut self) -> Result<(), RequestEnd> {
        let size = frame_size(self.client.peek(0), REQUEST_PREFIX_BYTES, self.max_request_bytes)
            .map_err(SessionError::Frame)?;
        self.client.require(SIZE_BYTES + REQUEST_PREFIX_BYTES).await.map_err(SessionError::ClientIo)?;
        let prefix = RequestPrefix::parse(self.client.peek(SIZE_BYTES));
        let Some(api) = allowed(prefix, size, self.observer.connection().is_authenticated())? else {
            return self.api_versions_too_new(prefix, size).await;
        };
        self.metrics.request(api.name);
        let seen = self.observer.look_at(&mut self.client, prefix, api, size).await;
        seen.map_err(SessionError::ClientIo)?;
        match api.treatment {
            Treatment::Inspect => self.inspect(prefix, size).await,
            Treatment::Rewrite => {
                self.expect(prefix, ResponsePlan::Rewrite).await?;
                self.pass(size).await
            }
            Treatment::Pass => {
                self.expect(prefix, ResponsePlan::Pass).await?;
                self.pass(size).await
            }
        }
    }

    /// Queues a response as expected. Waits while the queue is full, which stops the reading from the client.
    pub(crate) async fn expect(&mut self, prefix: RequestPrefix, answer: ResponsePlan) -> Result<(), Gone> {
        let RequestPrefix { api_key, api_version, correlation_id } = prefix;
        let due = self.observer.due(&mut self.client, &answer).await;
        let expected = InFlightRequest { correlation_id, api_key, api_version, answer, due };
        self.expected.send(expected).await.map_err(|_| Gone)
    }

    /// Streams the request on, without waiting for its end.
    pub(crate) async fn pass(&mut self, size: usize) -> Result<(), RequestEnd> {
        Ok(self.client.copy(SIZE_BYTES + size, &mut self.broker).await.map_err(request_copy_error)?)
    }

    /// Takes the whole request off the stream, without its size field.
    pub(crate) async fn take(&mut self, size: usize) -> Result<Bytes, RequestEnd> {
        Ok(self.client.take_frame(size).await.map_err(SessionError::ClientIo)?)
    }

    /// Sends these pieces to the broker as one request.
    pub(crate) async fn send(&mut self, pieces: Vec<Bytes>) -> Result<(), RequestEnd> {
        let mut rope = Rope::frame(pieces);
        self.broker.write_all_buf(&mut rope).await.map_err(SessionError::BrokerIo)?;
        self.broker.flush().await.map_err(SessionError::BrokerIo)?;
        Ok(())
    }

    /// Answers an ApiVersions request whose version is too new: takes it off the stream unread and asks the
    /// broker in version 0 instead.
    async fn api_versions_too_new(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), RequestEnd> {
        self.metrics.request("ApiVersions");
        let _ = self.take(size).await?;
        self.expect(prefix, ResponsePlan::ApiVersionsTooNew).await?;
        let mut request = BytesMut::with_capacity(16);
        request.put_slice(&RequestPrefix { api_version: 0, ..prefix }.to_bytes());
        request.put_i16(-1);
        self.send(vec![request.freeze()]).await
    }
}

/// Returns the row of the api table for a request, by its first bytes. Returns `None` for ApiVersions in a
/// version that is too new. Before a client has authenticated, only few kinds of requests are allowed, and
/// only small ones, as in brokers.
///
/// # Errors
/// The reason to close the connection.
pub(crate) fn allowed(
    prefix: RequestPrefix,
    size: usize,
    is_authenticated: bool,
) -> Result<Option<&'static Api>, SessionError> {
    let RequestPrefix { api_key, api_version, .. } = prefix;
    let limit = match api_key {
        versions::API_VERSIONS | versions::SASL_HANDSHAKE => MAX_GREETING_BYTES,
        versions::SASL_AUTHENTICATE => MAX_TOKEN_BYTES,
        _ if is_authenticated => usize::MAX,
        _ => return Err(SessionError::Unauthenticated { api_key }),
    };
    if size > limit {
        return Err(SessionError::Request { api_key, source: WireError::TooMany { what: "bytes", limit } });
    }
    match versions::supported(api_key, api_version) {
        Some(api) => Ok(Some(api)),
        None if api_key == versions::API_VERSIONS && api_version > 0 => Ok(None),
        None => Err(SessionError::UnsupportedApi { api_key, api_version }),
    }
}

/// Returns the error of a request that was copied from the client to the broker.
pub(crate) fn request_copy_error(error: CopyError) -> SessionError {
    match error {
        CopyError::Read(error) => SessionError::ClientIo(error),
        CopyError::Write(error) => SessionError::BrokerIo(error),
    }
}

/// Returns the error for a malformed request.
pub(crate) fn request_error(prefix: RequestPrefix, source: WireError) -> SessionError {
    SessionError::Request { api_key: prefix.api_key, source }
}

/// Returns the error for a response of the gateway that cannot be encoded.
pub(crate) fn response_error(prefix: RequestPrefix, source: ResponseError) -> SessionError {
    SessionError::Response { api_key: prefix.api_key, api_version: prefix.api_version, source }
}
