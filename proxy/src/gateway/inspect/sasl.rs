//! SaslHandshake in version 0, which old clients use: the tokens that follow it are frames without headers
//! (`SaslServerAuthenticator` of Apache Kafka). How many there are follows from the mechanism.
//!
//! Such frames go on unread, so they must be tokens to the broker, too. They are only where the listener has SASL, where this is the
//! first exchange of the connection, and where the broker has answered the handshake without an error, for which the reading of the
//! client stops. Otherwise the broker would take them for requests: it answers ILLEGAL_SASL_STATE to a handshake that is out of
//! place, and goes on serving the connection.

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::oneshot;

use crate::wire::error_code::ErrorCode;
use crate::wire::frame::frame_size;
use crate::wire::header::{RequestPrefix, read_request_header, response_frame};
use crate::wire::primitive::{Reader, put_count, put_string};

use super::super::error::SessionError;
use super::super::inflight::{Answer, Token};
use super::super::requests::{MAX_TOKEN_BYTES, RequestSide, Stop, request_error};

/// Mechanisms whose exchange has a known length, and what the client's tokens are.
const MECHANISMS: [(&str, &[Token]); 4] = [
    ("PLAIN", &[Token::Last]),
    ("SCRAM-SHA-256", &[Token::Step, Token::Last]),
    ("SCRAM-SHA-512", &[Token::Step, Token::Last]),
    ("OAUTHBEARER", &[Token::LastIfEmpty]),
];

/// Where the exchanges of a connection stand.
#[derive(Debug, Default)]
pub(in super::super) struct SaslExchange {
    begun: bool,
    /// Tokens that are still to come where requests would be.
    tokens: &'static [Token],
}

impl SaslExchange {
    /// The next frame is a token.
    pub(in super::super) fn is_token_due(&self) -> bool {
        !self.tokens.is_empty()
    }
}

impl RequestSide {
    pub(super) async fn sasl_handshake(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), Stop> {
        let is_first = !std::mem::replace(&mut self.sasl.begun, true);
        if prefix.api_version > 0 {
            self.expect(prefix, Answer::Pass).await?;
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
        self.expect(prefix, Answer::Handshake(verdict)).await?;
        self.send(vec![frame]).await?;
        match told.await {
            Ok(true) => self.sasl.tokens = tokens,
            Ok(false) => {}
            Err(_) => return Err(Stop::Gone),
        }
        Ok(())
    }

    async fn answer_handshake(
        &mut self,
        prefix: RequestPrefix,
        error_code: ErrorCode,
        mechanisms: &[&str],
    ) -> Result<(), Stop> {
        let mut body = BytesMut::new();
        body.put_i16(error_code.0);
        put_count(&mut body, false, mechanisms.len());
        for name in mechanisms {
            put_string(&mut body, false, name);
        }
        let reply: Bytes = response_frame(prefix.correlation_id, false, &body);
        Ok(self.expect(prefix, Answer::Local(reply)).await?)
    }

    /// A token goes on as it is, and so does the one that answers it.
    pub(in super::super) async fn sasl_token(&mut self) -> Result<(), Stop> {
        let size = frame_size(self.client.peek(0), 0, MAX_TOKEN_BYTES).map_err(SessionError::Frame)?;
        let Some((token, rest)) = self.sasl.tokens.split_first() else { return Ok(()) };
        self.sasl.tokens = rest;
        let nothing = RequestPrefix { api_key: -1, api_version: 0, correlation_id: 0 };
        self.expect(nothing, Answer::Token(*token)).await?;
        self.pass(size).await
    }
}
