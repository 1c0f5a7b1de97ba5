//! SaslHandshake in version 0, which old clients use: the tokens that follow it are frames without headers
//! (`SaslServerAuthenticator` of Apache Kafka). How many there are follows from the mechanism.

use bytes::{BufMut, BytesMut};

use crate::wire::error_code::ErrorCode;
use crate::wire::frame::frame_size;
use crate::wire::header::{RequestPrefix, read_request_header, response_frame};
use crate::wire::primitive::{Reader, WireError, put_count, put_string};

use super::super::error::SessionError;
use super::super::inflight::Answer;
use super::super::requests::{RequestSide, Stop, request_error};

/// Largest handshake request and largest token: `sasl.server.max.receive.size` of brokers.
const MAX_TOKEN_BYTES: usize = 512 * 1024;

/// Mechanisms whose exchange has a known length, and how many tokens the client sends.
const MECHANISMS: [(&str, u8); 4] =
    [("PLAIN", 1), ("SCRAM-SHA-256", 2), ("SCRAM-SHA-512", 2), ("OAUTHBEARER", 1)];

/// Tokens that are still to come where requests would be.
#[derive(Debug, Default)]
pub(in super::super) struct SaslTokens(u8);

impl SaslTokens {
    /// The next frame is a token.
    pub(in super::super) fn are_due(&self) -> bool {
        self.0 > 0
    }
}

impl RequestSide {
    pub(super) async fn sasl_handshake(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), Stop> {
        if prefix.api_version > 0 {
            self.expect(prefix, Answer::Pass).await?;
            return self.pass(size).await;
        }
        if size > MAX_TOKEN_BYTES {
            let limit = MAX_TOKEN_BYTES;
            let source = WireError::TooMany { what: "bytes in a SaslHandshake request", limit };
            return Err(request_error(prefix, source).into());
        }
        let frame = self.take(size).await?;
        let mut reader = Reader::new(frame.clone());
        let mechanism = read_request_header(&mut reader, false)
            .and_then(|_| reader.string(false))
            .map_err(|source| request_error(prefix, source))?;
        let Some((_, tokens)) = MECHANISMS.iter().find(|(name, _)| *name == mechanism.as_str()) else {
            return Ok(self.expect(prefix, Answer::Local(unsupported(prefix.correlation_id))).await?);
        };
        self.sasl_tokens = SaslTokens(*tokens);
        self.expect(prefix, Answer::Pass).await?;
        self.send(vec![frame]).await
    }

    /// A token goes on as it is, and so does the one that answers it.
    pub(in super::super) async fn sasl_token(&mut self) -> Result<(), Stop> {
        let size = frame_size(self.client.peek(0), 0, MAX_TOKEN_BYTES).map_err(SessionError::Frame)?;
        self.sasl_tokens.0 = self.sasl_tokens.0.saturating_sub(1);
        let nothing = RequestPrefix { api_key: -1, api_version: 0, correlation_id: 0 };
        self.expect(nothing, Answer::Token).await?;
        self.pass(size).await
    }
}

/// UNSUPPORTED_SASL_MECHANISM with those that would do.
fn unsupported(correlation_id: i32) -> bytes::Bytes {
    let mut body = BytesMut::new();
    body.put_i16(ErrorCode::UNSUPPORTED_SASL_MECHANISM.0);
    put_count(&mut body, false, MECHANISMS.len());
    for (name, _) in MECHANISMS {
        put_string(&mut body, false, name);
    }
    response_frame(correlation_id, false, &body)
}
