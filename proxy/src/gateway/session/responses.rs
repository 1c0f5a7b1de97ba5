//! Handles the direction broker → client: delivers each response in its turn.

use bytes::Buf as _;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::error::TryRecvError;

use crate::wire::protocol::frame::{RESPONSE_PREFIX_BYTES, SIZE_BYTES, frame_size};
use crate::wire::protocol::versions::{FETCH, SASL_HANDSHAKE};

use crate::gateway::error::{CloseCause, ResponseError, SessionError};
use crate::gateway::frame::reader::{CopyError, FrameReader};
use crate::gateway::frame::rope::Rope;
use crate::gateway::frame::stream::WriteEnd;
use crate::gateway::frame::streaming::{PIECE, StreamingFrame};
use crate::gateway::frame::strip_budget::StripBudget;
use crate::gateway::in_flight::DueResponse;
use crate::gateway::in_flight::{ExpectedReceiver, InFlightRequest, ResponsePlan, SaslTokenResponse};
use crate::gateway::response::Rewriter;
use crate::gateway::response::fetch_stream::stream;

/// Size of a SaslHandshake response up to the end of its error code, in bytes.
const HANDSHAKE_VERDICT_BYTES: usize = RESPONSE_PREFIX_BYTES + 2;
/// First Fetch version whose response can hold addresses.
const FETCH_WITH_ENDPOINTS: i16 = 16;

/// Response direction of a session.
pub(crate) struct ResponseSide {
    pub(crate) broker: FrameReader,
    pub(crate) client: WriteEnd,
    pub(crate) expected: ExpectedReceiver,
    pub(crate) rewriter: Rewriter,
}

impl ResponseSide {
    /// Delivers responses until the broker ends its side, or until the request side has ended and all
    /// responses that were due are delivered.
    pub(crate) async fn run(mut self) -> Result<CloseCause, SessionError> {
        loop {
            let Some(expected) = self.next_due().await? else {
                let _ = self.client.shutdown().await;
                return Ok(CloseCause::ClientClosed);
            };
            if !self.respond(expected).await? {
                let _ = self.client.shutdown().await;
                return Ok(CloseCause::BrokerClosed);
            }
        }
    }

    /// Returns the next response that is due, or `None` if none will be. While none is due, reads from the
    /// broker, so that the end of its stream is passed on at once.
    async fn next_due(&mut self) -> Result<Option<InFlightRequest>, SessionError> {
        loop {
            if self.broker.has_bytes() {
                // A request is queued before it is sent, so the entry of its response is here already.
                return match self.expected.try_recv() {
                    Ok(expected) => Ok(Some(expected)),
                    Err(TryRecvError::Disconnected) => Ok(None),
                    Err(TryRecvError::Empty) => Err(SessionError::Response {
                        api_key: -1,
                        api_version: -1,
                        source: ResponseError::Unsolicited,
                    }),
                };
            }
            tokio::select! {
                biased;
                expected = self.expected.recv() => return Ok(expected),
                arrived = self.broker.read_some() => {
                    if !arrived.map_err(SessionError::BrokerIo)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Delivers one response. Returns `false` if the broker ended its side instead.
    async fn respond(&mut self, mut expected: InFlightRequest) -> Result<bool, SessionError> {
        if let ResponsePlan::Local(frame) = &expected.answer {
            self.client.write_all(frame).await.map_err(SessionError::ClientIo)?;
            self.client.flush().await.map_err(SessionError::ClientIo)?;
            return Ok(true);
        }
        if let ResponsePlan::SaslToken(token) = expected.answer {
            return self.token(token, &expected.due).await;
        }
        if !self.broker.fill(SIZE_BYTES + RESPONSE_PREFIX_BYTES).await.map_err(SessionError::BrokerIo)? {
            return Ok(false);
        }
        let (api_key, api_version) = (expected.api_key, expected.api_version);
        let failed = |source| SessionError::Response { api_key, api_version, source };
        let size = frame_size(self.broker.peek(0), RESPONSE_PREFIX_BYTES, i32::MAX as usize)
            .map_err(|error| failed(error.into()))?;
        let correlation_id = i32::from_be_bytes(self.broker.peek(SIZE_BYTES));
        if correlation_id != expected.correlation_id {
            let (expected, got) = (expected.correlation_id, correlation_id);
            return Err(failed(ResponseError::OutOfStep { expected, got }));
        }
        let looked = expected.due.look_at(&mut self.broker, size, expected.api_version).await;
        looked.map_err(SessionError::BrokerIo)?;
        if let ResponsePlan::Handshake(verdict) = expected.answer {
            let accepted = self.is_handshake_accepted(size).await?;
            self.copy(size).await?;
            // Fails if the request side has ended. It does not wait for the verdict then.
            let _ = verdict.send(accepted);
            return Ok(true);
        }
        let passes = self.passes(&expected);
        let api = (api_key, api_version);
        let through = StreamingFrame::new(&mut self.broker, &mut self.client, SIZE_BYTES + size, api, PIECE);
        if passes {
            through.finish().await?;
            return Ok(true);
        }
        if api_key == FETCH && size > PIECE && stream(through, &self.rewriter, api_version).await? {
            return Ok(true);
        }
        let frame = self.broker.take_frame(size).await.map_err(SessionError::BrokerIo)?;
        let mut sifting = StripBudget::charged(&mut self.broker, size);
        let pieces = self
            .rewriter
            .rewrite(frame, expected.api_key, expected.api_version, &expected.answer, &mut sifting)
            .await
            .map_err(failed)?;
        let mut rope = Rope::frame(pieces);
        self.broker.charge(rope.remaining()).await;
        self.client.write_all_buf(&mut rope).await.map_err(SessionError::ClientIo)?;
        self.client.flush().await.map_err(SessionError::ClientIo)?;
        drop(rope);
        self.broker.end_frame();
        Ok(true)
    }

    /// Returns true if the SaslHandshake response of `size` bytes that comes now has no error. Consumes
    /// nothing.
    async fn is_handshake_accepted(&mut self, size: usize) -> Result<bool, SessionError> {
        if size < HANDSHAKE_VERDICT_BYTES {
            return Ok(false);
        }
        let verdict = self.broker.require(SIZE_BYTES + HANDSHAKE_VERDICT_BYTES).await;
        verdict.map_err(SessionError::BrokerIo)?;
        Ok(i16::from_be_bytes(self.broker.peek(SIZE_BYTES + RESPONSE_PREFIX_BYTES)) == 0)
    }

    /// Passes on the broker's SASL token, a frame without a header. Returns `false` if the broker ended its
    /// side instead.
    async fn token(&mut self, token: SaslTokenResponse, due: &DueResponse) -> Result<bool, SessionError> {
        if !self.broker.fill(SIZE_BYTES).await.map_err(SessionError::BrokerIo)? {
            return Ok(false);
        }
        let size = frame_size(self.broker.peek(0), 0, i32::MAX as usize).map_err(|error| {
            SessionError::Response { api_key: SASL_HANDSHAKE, api_version: 0, source: error.into() }
        })?;
        if token == SaslTokenResponse::Last || (token == SaslTokenResponse::LastIfEmpty && size == 0) {
            due.connection.authenticated();
        }
        self.copy(size).await?;
        Ok(true)
    }

    /// Copies a response of `size` bytes to the client.
    async fn copy(&mut self, size: usize) -> Result<(), SessionError> {
        self.broker.copy(SIZE_BYTES + size, &mut self.client).await.map_err(|error| match error {
            CopyError::Read(error) => SessionError::BrokerIo(error),
            CopyError::Write(error) => SessionError::ClientIo(error),
        })
    }

    /// Returns true if the response can be passed on unread.
    fn passes(&self, expected: &InFlightRequest) -> bool {
        match expected.answer {
            ResponsePlan::Pass => true,
            // There is no filler to hide, and this version has no addresses.
            ResponsePlan::Rewrite if expected.api_key == FETCH => {
                expected.api_version < FETCH_WITH_ENDPOINTS && self.rewriter.guards.is_empty()
            }
            _ => false,
        }
    }
}
