//! Learns about a client from its requests, without holding them up.
//!
//! Only the front of a few requests is read: of the first one, of ApiVersions, and of the SASL exchange. A
//! request that cannot be read here is passed on like any other; the broker judges it.

use crate::gateway::connection::FinalSaslMessage;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::wire::messages::sasl::{SaslMessage, read_message};
use crate::wire::protocol::frame::{REQUEST_PREFIX_BYTES, SIZE_BYTES};
use crate::wire::protocol::header::{RequestPrefix, read_request_header, response_body_at};
use crate::wire::protocol::primitive::{Reader, WireError};
use crate::wire::protocol::versions::{API_VERSIONS, Api, SASL_AUTHENTICATE, SASL_HANDSHAKE, api};

use crate::gateway::connection::OpenConnection;
use crate::gateway::frame::reader::FrameReader;
use crate::gateway::in_flight::DueResponse;
use crate::gateway::in_flight::ResponsePlan;

/// Maximum length of a text that is kept from a client, in bytes.
const MAX_TEXT: usize = 256;
/// Maximum number of bytes read of a frame that tells something.
const FRONT: usize = 4 * 1024;
/// Maximum number of bytes read of a request that may hold a token.
const TOKEN_FRONT: usize = 64 * 1024;
/// First ApiVersions version that names the client's software.
const WITH_SOFTWARE: i16 = 3;

/// Observer of the requests of one connection.
#[derive(Debug)]
pub(crate) struct Observer {
    connection: Arc<OpenConnection>,
    met: bool,
    mechanism: String,
    /// Principal named by the first message of an exchange that is not over.
    named: Option<String>,
    offer: Option<FinalSaslMessage>,
}

impl Observer {
    pub(crate) fn new(connection: &Arc<OpenConnection>) -> Self {
        let connection = Arc::clone(connection);
        Observer { connection, met: false, mechanism: String::new(), named: None, offer: None }
    }

    /// Returns the observed connection.
    pub(crate) fn connection(&self) -> &OpenConnection {
        &self.connection
    }

    /// Reads the front of a request of `size` bytes, whose prefix is buffered. Consumes nothing.
    pub(crate) async fn look_at(
        &mut self,
        client: &mut FrameReader,
        prefix: RequestPrefix,
        api: &Api,
        size: usize,
    ) -> io::Result<()> {
        self.connection.requested(prefix.api_key);
        if !std::mem::replace(&mut self.met, true) {
            let front = front(client, size, REQUEST_PREFIX_BYTES + 2 + MAX_TEXT).await?;
            let client_id = client_id(front).unwrap_or_default();
            self.connection.identify(|identity| identity.client_id = client_id);
        }
        let flexible = api.is_flexible(prefix.api_version);
        // A malformed message tells nothing.
        let _: Option<()> = match prefix.api_key {
            API_VERSIONS if prefix.api_version >= WITH_SOFTWARE => {
                self.software(front(client, size, FRONT).await?).ok()
            }
            SASL_HANDSHAKE => {
                // If the handshake cannot be read, no mechanism is known, and no later token counts as
                // accepted.
                self.mechanism.clear();
                self.handshake(front(client, size, TOKEN_FRONT).await?, flexible).ok()
            }
            SASL_AUTHENTICATE => self.authenticate(front(client, size, TOKEN_FRONT).await?, flexible).ok(),
            _ => None,
        };
        Ok(())
    }

    fn software(&self, front: Bytes) -> Result<(), WireError> {
        let mut reader = Reader::new(front);
        let _ = read_request_header(&mut reader, true)?;
        let (name, version) = (reader.string(true)?, reader.string(true)?);
        self.connection.identify(|identity| {
            identity.software_name = kept(name.as_str());
            identity.software_version = kept(version.as_str());
        });
        Ok(())
    }

    fn handshake(&mut self, front: Bytes, flexible: bool) -> Result<(), WireError> {
        let mut reader = Reader::new(front);
        let _ = read_request_header(&mut reader, flexible)?;
        self.mechanism = kept(reader.string(flexible)?.as_str());
        self.named = None;
        self.connection.identify(|identity| identity.sasl_mechanism.clone_from(&self.mechanism));
        Ok(())
    }

    fn authenticate(&mut self, front: Bytes, flexible: bool) -> Result<(), WireError> {
        // The last message of SCRAM is known by its form. With any other mechanism, each message may be the
        // last, and the broker's response decides.
        if self.mechanism.is_empty() {
            self.offer = None;
            return Ok(());
        }
        let answer_must_be_empty = self.mechanism == "OAUTHBEARER";
        let offer = |principal| Some(FinalSaslMessage { principal, answer_must_be_empty });
        self.offer = if self.mechanism.starts_with("SCRAM-") { None } else { offer(None) };
        let mut reader = Reader::new(front.clone());
        let _ = read_request_header(&mut reader, flexible)?;
        let token = reader.nullable_bytes(flexible)?.unwrap_or_default();
        let Some(message) = read_message(&self.mechanism, &front[token]) else { return Ok(()) };
        let named = match message {
            SaslMessage::Last => {
                self.offer = offer(self.named.take());
                return Ok(());
            }
            SaslMessage::First(name) => {
                let name = kept(&name);
                self.named = Some(name.clone());
                name
            }
            SaslMessage::Only(name) | SaslMessage::OnlyIfAnswerEmpty(name) => {
                let name = kept(&name);
                self.offer = offer(Some(name.clone()));
                name
            }
        };
        self.connection.identify(|identity| {
            // A further exchange changes nothing until it has succeeded.
            if !identity.authenticated {
                identity.principal = named;
            }
        });
        Ok(())
    }

    /// Counts the response to the last request as due. Waits for the budget that the response needs until it
    /// is delivered.
    pub(crate) async fn due(&mut self, client: &mut FrameReader, answer: &ResponsePlan) -> DueResponse {
        let held = match answer.held_bytes() {
            Some(bytes) => Some(client.hand_over(bytes).await),
            None => None,
        };
        DueResponse::new(&self.connection, self.offer.take(), held)
    }
}

impl DueResponse {
    /// Reads the front of the response to an authentication. Consumes nothing.
    pub(crate) async fn look_at(
        &mut self,
        broker: &mut FrameReader,
        size: usize,
        version: i16,
    ) -> io::Result<()> {
        let Some(offer) = self.offer.take() else { return Ok(()) };
        let flexible = api(SASL_AUTHENTICATE).is_some_and(|api| api.has_flexible_response_header(version));
        let front = front(broker, size, FRONT).await?;
        if is_accepted(front, flexible, offer.answer_must_be_empty).unwrap_or(false) {
            self.connection.authenticated();
            if let Some(principal) = offer.principal {
                self.connection.identify(|identity| {
                    identity.principal = principal;
                    identity.authenticated = true;
                });
            }
        }
        Ok(())
    }
}

/// Returns true if a SaslAuthenticate response (error code, error message, bytes) accepts the client.
fn is_accepted(front: Bytes, flexible: bool, must_be_empty: bool) -> Result<bool, WireError> {
    let body_at = response_body_at(&front, flexible)?;
    let mut reader = Reader::starting_at(front, body_at);
    if reader.i16()? != 0 {
        return Ok(false);
    }
    if !must_be_empty {
        return Ok(true);
    }
    let _message = reader.nullable_string(flexible)?;
    Ok(reader.nullable_bytes(flexible)?.is_none_or(|bytes| bytes.is_empty()))
}

/// Returns the first bytes of a frame, without its size field, at most `most`.
async fn front(from: &mut FrameReader, size: usize, most: usize) -> io::Result<Bytes> {
    let end = SIZE_BYTES + size.min(most);
    from.require(end).await?;
    Ok(from.peek_bytes(SIZE_BYTES, end))
}

/// Returns the client id, cut to the length that is kept.
fn client_id(front: Bytes) -> Result<String, WireError> {
    let mut reader = Reader::new(front.clone());
    let _ = reader.skip("request header", REQUEST_PREFIX_BYTES)?;
    let length = usize::try_from(reader.i16()?).unwrap_or(0).min(reader.remaining());
    let range = reader.skip("client id", length)?;
    Ok(kept(&String::from_utf8_lossy(&front[range])))
}

/// Cuts a text to the length that is kept. Replaces control characters, because the text will be shown on
/// terminals.
fn kept(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_TEXT);
    text[..end].chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
