//! Broker → client: each response in its turn.

use bytes::Buf as _;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::error::TryRecvError;

use crate::wire::frame::{RESPONSE_PREFIX_BYTES, SIZE_BYTES, frame_size};
use crate::wire::versions::{FETCH, SASL_HANDSHAKE};

use super::connection::Due;
use super::error::{CloseCause, ResponseError, SessionError};
use super::fetch_stream::stream;
use super::framed::FrameReader;
use super::inflight::{Answer, Expected, ExpectedReceiver, Token};
use super::rewrite::Rewriter;
use super::rope::Rope;
use super::sifting::Sifting;
use super::stream::WriteEnd;
use super::through::{PIECE, Through};

/// Bytes in which the error code of a SaslHandshake response ends.
const HANDSHAKE_VERDICT_BYTES: usize = RESPONSE_PREFIX_BYTES + 2;
/// First Fetch version whose answer can carry addresses.
const FETCH_WITH_ENDPOINTS: i16 = 16;

/// The other direction of a session.
pub(super) struct ResponseSide {
    pub(super) broker: FrameReader,
    pub(super) client: WriteEnd,
    pub(super) expected: ExpectedReceiver,
    pub(super) rewriter: Rewriter,
}

impl ResponseSide {
    /// Gives the client its responses until the broker ends its side, or until the request side has ended and all that
    /// was due is delivered.
    pub(super) async fn run(mut self) -> Result<CloseCause, SessionError> {
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

    /// The next response that is due; `None` when none will be. While none is due the broker is watched, so that its
    /// going away is passed on at once.
    async fn next_due(&mut self) -> Result<Option<Expected>, SessionError> {
        loop {
            if self.broker.has_bytes() {
                // A request is announced before it is sent, so an answer to it finds it here.
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

    /// Delivers one response; `false` when the broker ended its side instead.
    async fn respond(&mut self, mut expected: Expected) -> Result<bool, SessionError> {
        if let Answer::Local(frame) = &expected.answer {
            self.client.write_all(frame).await.map_err(SessionError::ClientIo)?;
            self.client.flush().await.map_err(SessionError::ClientIo)?;
            return Ok(true);
        }
        if let Answer::Token(token) = expected.answer {
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
        if let Answer::Handshake(verdict) = expected.answer {
            let accepted = self.is_handshake_accepted(size).await?;
            self.broker.copy(SIZE_BYTES + size, &mut self.client).await.map_err(SessionError::ClientIo)?;
            // Fails where the request side has ended: nobody waits then.
            let _ = verdict.send(accepted);
            return Ok(true);
        }
        let passes = self.passes(&expected);
        let api = (api_key, api_version);
        let through = Through::new(&mut self.broker, &mut self.client, SIZE_BYTES + size, api, PIECE);
        if passes {
            through.finish().await?;
            return Ok(true);
        }
        if api_key == FETCH && size > PIECE && stream(through, &self.rewriter, api_version).await? {
            return Ok(true);
        }
        let frame = self.broker.take_frame(size).await.map_err(SessionError::BrokerIo)?;
        let mut sifting = Sifting::charged(&mut self.broker, size);
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

    /// Whether the SaslHandshake response of `size` bytes that comes now has no error; consumes nothing.
    async fn is_handshake_accepted(&mut self, size: usize) -> Result<bool, SessionError> {
        if size < HANDSHAKE_VERDICT_BYTES {
            return Ok(false);
        }
        let verdict = self.broker.require(SIZE_BYTES + HANDSHAKE_VERDICT_BYTES).await;
        verdict.map_err(SessionError::BrokerIo)?;
        Ok(i16::from_be_bytes(self.broker.peek(SIZE_BYTES + RESPONSE_PREFIX_BYTES)) == 0)
    }

    /// A frame without a header.
    async fn token(&mut self, token: Token, due: &Due) -> Result<bool, SessionError> {
        if !self.broker.fill(SIZE_BYTES).await.map_err(SessionError::BrokerIo)? {
            return Ok(false);
        }
        let size = frame_size(self.broker.peek(0), 0, i32::MAX as usize).map_err(|error| {
            SessionError::Response { api_key: SASL_HANDSHAKE, api_version: 0, source: error.into() }
        })?;
        if token == Token::Last || (token == Token::LastIfEmpty && size == 0) {
            due.connection.authenticated();
        }
        self.broker.copy(SIZE_BYTES + size, &mut self.client).await.map_err(SessionError::ClientIo)?;
        Ok(true)
    }

    /// Whether the response can be streamed through.
    fn passes(&self, expected: &Expected) -> bool {
        match expected.answer {
            Answer::Pass => true,
            // Nothing to hide and no addresses in it.
            Answer::Rewrite if expected.api_key == FETCH => {
                expected.api_version < FETCH_WITH_ENDPOINTS && self.rewriter.guards.is_empty()
            }
            _ => false,
        }
    }
}
