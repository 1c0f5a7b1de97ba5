//! Client → broker: what becomes of each request.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use crate::wire::frame::{REQUEST_PREFIX_BYTES, SIZE_BYTES, frame_size};
use crate::wire::header::RequestPrefix;
use crate::wire::primitive::WireError;
use crate::wire::versions::{self, Api, Treatment};

use super::complaints::Complaints;
use super::error::{ResponseError, SessionError};
use super::framed::FrameReader;
use super::inflight::{Answer, Expected, ExpectedSender};
use super::inspect::SaslExchange;
use super::metrics::GatewayMetrics;
use super::mirror_guard::Guards;
use super::observer::Observer;
use super::rope::Rope;
use super::share_gaps::ShareGaps;
use super::stream::WriteEnd;

/// Largest ApiVersions and SaslHandshake request: a client says its name in them.
const MAX_GREETING_BYTES: usize = 64 * 1024;
/// Largest SASL token, as of brokers (`sasl.server.max.receive.size`).
pub(super) const MAX_TOKEN_BYTES: usize = 512 * 1024;

/// One direction of a session.
pub(super) struct RequestSide {
    pub(super) client: FrameReader,
    pub(super) broker: WriteEnd,
    pub(super) expected: ExpectedSender,
    pub(super) guards: Guards,
    pub(super) gaps: ShareGaps,
    pub(super) metrics: GatewayMetrics,
    pub(super) observer: Observer,
    pub(super) complaints: Arc<Complaints>,
    pub(super) max_request_bytes: usize,
    pub(super) sasl: SaslExchange,
}

/// The response side has ended; so does this one.
pub(super) struct Gone;

pub(super) enum Stop {
    Gone,
    Failed(SessionError),
}

impl From<Gone> for Stop {
    fn from(Gone: Gone) -> Self {
        Stop::Gone
    }
}

impl From<SessionError> for Stop {
    fn from(error: SessionError) -> Self {
        Stop::Failed(error)
    }
}

impl RequestSide {
    /// Sends requests on until the client ends its side or `stop` is cancelled; then the broker sees the end too.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), SessionError> {
        loop {
            let more = tokio::select! {
                biased;
                () = stop.cancelled() => false,
                filled = self.client.fill(SIZE_BYTES) => filled.map_err(SessionError::ClientIo)?,
            };
            if !more {
                // Fails where the broker is gone already: nothing is lost by that.
                let _ = self.broker.shutdown().await;
                return Ok(());
            }
            let done = if self.sasl.is_token_due() { self.sasl_token().await } else { self.request().await };
            match done {
                Ok(()) => self.client.end_frame(),
                Err(Stop::Gone) => return Ok(()),
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
    }

    async fn request(&mut self) -> Result<(), Stop> {
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
                self.expect(prefix, Answer::Rewrite).await?;
                self.pass(size).await
            }
            Treatment::Pass => {
                self.expect(prefix, Answer::Pass).await?;
                self.pass(size).await
            }
        }
    }

    /// Announces a response. Waits while too many are due: that is what stops the reading of a client.
    pub(super) async fn expect(&mut self, prefix: RequestPrefix, answer: Answer) -> Result<(), Gone> {
        let RequestPrefix { api_key, api_version, correlation_id } = prefix;
        let due = self.observer.due(&mut self.client, &answer).await;
        let expected = Expected { correlation_id, api_key, api_version, answer, due };
        self.expected.send(expected).await.map_err(|_| Gone)
    }

    /// Streams the request on, without waiting for its end.
    pub(super) async fn pass(&mut self, size: usize) -> Result<(), Stop> {
        // Which of the two ends failed is told by which is still there; the broker's is the likelier to be watched.
        self.client.copy(SIZE_BYTES + size, &mut self.broker).await.map_err(SessionError::BrokerIo)?;
        Ok(())
    }

    /// Takes the whole request, without its size.
    pub(super) async fn take(&mut self, size: usize) -> Result<Bytes, Stop> {
        Ok(self.client.take_frame(size).await.map_err(SessionError::ClientIo)?)
    }

    /// Sends these pieces on as one request.
    pub(super) async fn send(&mut self, pieces: Vec<Bytes>) -> Result<(), Stop> {
        let mut rope = Rope::frame(pieces);
        self.broker.write_all_buf(&mut rope).await.map_err(SessionError::BrokerIo)?;
        self.broker.flush().await.map_err(SessionError::BrokerIo)?;
        Ok(())
    }

    /// Takes the request off the stream unread and asks the broker in version 0 instead.
    async fn api_versions_too_new(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), Stop> {
        self.metrics.request("ApiVersions");
        let _ = self.take(size).await?;
        self.expect(prefix, Answer::ApiVersionsTooNew).await?;
        let mut request = BytesMut::with_capacity(16);
        request.put_slice(&RequestPrefix { api_version: 0, ..prefix }.to_bytes());
        request.put_i16(-1);
        self.send(vec![request.freeze()]).await
    }
}

/// The row of a request that the gateway takes, by its first bytes; `None` for ApiVersions in a version that is too new. Before a
/// client has authenticated, requests are small and few kinds of them are taken, as by brokers.
///
/// # Errors
/// Why the connection has to be closed.
pub(super) fn allowed(
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

/// A request that is not what it says it is.
pub(super) fn request_error(prefix: RequestPrefix, source: WireError) -> SessionError {
    SessionError::Request { api_key: prefix.api_key, source }
}

/// An answer of the gateway's own that cannot be written.
pub(super) fn response_error(prefix: RequestPrefix, source: ResponseError) -> SessionError {
    SessionError::Response { api_key: prefix.api_key, api_version: prefix.api_version, source }
}
