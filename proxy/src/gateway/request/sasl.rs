//! Handles SaslHandshake in version 0, which old clients use. The tokens that follow it are frames without
//! headers (`SaslServerAuthenticator` of Apache Kafka). Their number follows from the mechanism.
//!
//! Such frames are sent on unread, so the broker must take them for tokens too. It does so only if the
//! listener has SASL, if this is the first exchange of the connection, and if the broker has answered the
//! handshake without an error. The gateway reads nothing more from the client until it has that answer. If
//! any of this does not hold, the broker takes the frames for requests: it answers ILLEGAL_SASL_STATE to a
//! misplaced handshake and goes on serving the connection.

use crate::gateway::request::sasl_exchange::MAX_TOKEN_BYTES;
use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::oneshot;

use crate::wire::protocol::error_code::ErrorCode;
use crate::wire::protocol::frame::frame_size;
use crate::wire::protocol::header::{RequestPrefix, read_request_header, response_frame};
use crate::wire::protocol::primitive::{Reader, put_count, put_string};

use crate::gateway::error::SessionError;
use crate::gateway::in_flight::{ResponsePlan, SaslTokenResponse};
use crate::gateway::request::end::RequestEnd;
use crate::gateway::request::side::{RequestSide, request_error};

/// Mechanisms whose exchange has a known length, with the meaning of each of the client's tokens.
const MECHANISMS: [(&str, &[SaslTokenResponse]); 4] = [
    ("PLAIN", &[SaslTokenResponse::Last]),
    ("SCRAM-SHA-256", &[SaslTokenResponse::Step, SaslTokenResponse::Last]),
    ("SCRAM-SHA-512", &[SaslTokenResponse::Step, SaslTokenResponse::Last]),
    ("OAUTHBEARER", &[SaslTokenResponse::LastIfEmpty]),
];

impl RequestSide {
    pub(crate) async fn sasl_handshake(
        &mut self,
        prefix: RequestPrefix,
        size: usize,
    ) -> Result<(), RequestEnd> {
        let is_first = !std::mem::replace(&mut self.sasl.begun, true);
        if prefix.api_version > 0 {
            self.expect(prefix, ResponsePlan::Pass).await?;
            return self.pass(size).await;
        }
        let frame = self.take(size).await?;
        let mut reader = Reader::new(frame.clone());
        let mechanism = read_request_header(&mut reader, false)
            .and_then(|_| reader.string(false))
            .map_err(|source| request_error(prefix, source))?;
        if !is_first || self.observer.connection().is_authenticated() {
            return self.answer_handshake(prefix, ErrorCode::ILLEGAL_SASL_STATE, &[]).await;
        }
        let Some((_, tokens)) = MECHANISMS.iter().find(|(name, _)| *name == mechanism.as_str()) else {
            let names = MECHANISMS.map(|(name, _)| name);
            return self.answer_handshake(prefix, ErrorCode::UNSUPPORTED_SASL_MECHANISM, &names).await;
        };
        let (verdict, told) = oneshot::channel();
        self.expect(prefix, ResponsePlan::Handshake(verdict)).await?;
        self.send(vec![frame]).await?;
        match told.await {
            Ok(true) => self.sasl.tokens = tokens,
            Ok(false) => {}
            Err(_) => return Err(RequestEnd::Gone),
        }
        Ok(())
    }

    async fn answer_handshake(
        &mut self,
        prefix: RequestPrefix,
        error_code: ErrorCode,
        mechanisms: &[&str],
    ) -> Result<(), RequestEnd> {
        let mut body = BytesMut::new();
        body.put_i16(error_code.0);
        put_count(&mut body, false, mechanisms.len());
        for name in mechanisms {
            put_string(&mut body, false, name);
        }
        let reply: Bytes = response_frame(prefix.correlation_id, false, &body);
        Ok(self.expect(prefix, ResponsePlan::Local(reply)).await?)
    }

    /// Sends a token on as it is, and expects a token as its response.
    pub(crate) async fn sasl_token(&mut self) -> Result<(), RequestEnd> {
        let size = frame_size(self.client.peek(0), 0, MAX_TOKEN_BYTES).map_err(SessionError::Frame)?;
        let Some((token, rest)) = self.sasl.tokens.split_first() else { return Ok(()) };
        self.sasl.tokens = rest;
        let nothing = RequestPrefix { api_key: -1, api_version: 0, correlation_id: 0 };
        self.expect(nothing, ResponsePlan::SaslToken(*token)).await?;
        self.pass(size).await
    }
}
