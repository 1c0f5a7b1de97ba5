//! What the requests of a connection tell about its client, read on the way without holding them up.
//!
//! Only the front of a few requests is looked at: of the first one, of ApiVersions, and of the SASL exchange. What cannot be
//! read is the broker's to judge, and is passed on like everything else.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::wire::frame::{REQUEST_PREFIX_BYTES, SIZE_BYTES};
use crate::wire::header::{RequestPrefix, read_request_header, response_body_at};
use crate::wire::primitive::{Reader, WireError};
use crate::wire::sasl::{SaslMessage, read_message};
use crate::wire::versions::{API_VERSIONS, Api, SASL_AUTHENTICATE, SASL_HANDSHAKE, api};

use super::connection::{Connection, Due};
use super::framed::FrameReader;
use super::inflight::Answer;

/// Longest text kept of what a client says, in bytes.
const MAX_TEXT: usize = 256;
/// Bytes looked at of a request that tells something.
const FRONT: usize = 4 * 1024;
/// The same where a token may be in it.
const TOKEN_FRONT: usize = 64 * 1024;
/// First version of ApiVersions that names the client's software.
const WITH_SOFTWARE: i16 = 3;

/// A SaslAuthenticate request that ends its exchange, if the broker accepts it.
#[derive(Debug)]
pub(super) struct Offer {
    /// Whom it names, where that can be read.
    principal: Option<String>,
    /// It is accepted only if the answer carries nothing.
    answer_must_be_empty: bool,
}

/// Looks at the requests of one connection.
#[derive(Debug)]
pub(super) struct Observer {
    connection: Arc<Connection>,
    met: bool,
    mechanism: String,
    /// Named by the first message of an exchange that is not over.
    named: Option<String>,
    offer: Option<Offer>,
}

impl Observer {
    pub(super) fn new(connection: &Arc<Connection>) -> Self {
        let connection = Arc::clone(connection);
        Observer { connection, met: false, mechanism: String::new(), named: None, offer: None }
    }

    /// The connection looked at.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Looks at a request of `size` bytes, whose prefix is buffered; consumes nothing.
    pub(super) async fn look_at(
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
        // A message that is not what it should be tells nothing.
        let _: Option<()> = match prefix.api_key {
            API_VERSIONS if prefix.api_version >= WITH_SOFTWARE => {
                self.software(front(client, size, FRONT).await?).ok()
            }
            SASL_HANDSHAKE => {
                // Of one that cannot be read no mechanism is known, and nothing that follows it counts as accepted.
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
        // The last message of SCRAM is known by its form; of what cannot be read, the broker's answer tells.
        if self.mechanism.is_empty() {
            self.offer = None;
            return Ok(());
        }
        let answer_must_be_empty = self.mechanism == "OAUTHBEARER";
        let offer = |principal| Some(Offer { principal, answer_must_be_empty });
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
            // An exchange anew says nothing until it has succeeded.
            if !identity.authenticated {
                identity.principal = named;
            }
        });
        Ok(())
    }

    /// A response to the request looked at last is due. Waits for the memory that the answer takes until it is given.
    pub(super) async fn due(&mut self, client: &mut FrameReader, answer: &Answer) -> Due {
        let held = match answer.held_bytes() {
            Some(bytes) => Some(client.hand_over(bytes).await),
            None => None,
        };
        Due::new(&self.connection, self.offer.take(), held)
    }
}

impl Due {
    /// Looks at the answer to what was offered; consumes nothing.
    pub(super) async fn look_at(
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

/// A SaslAuthenticate response: error code, error message, bytes.
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

/// The first bytes of a frame, without its size, `most` at the most.
async fn front(from: &mut FrameReader, size: usize, most: usize) -> io::Result<Bytes> {
    let end = SIZE_BYTES + size.min(most);
    from.require(end).await?;
    Ok(from.peek_bytes(SIZE_BYTES, end))
}

/// The client id, cut where it is longer than what is kept.
fn client_id(front: Bytes) -> Result<String, WireError> {
    let mut reader = Reader::new(front.clone());
    let _ = reader.skip("request header", REQUEST_PREFIX_BYTES)?;
    let length = usize::try_from(reader.i16()?).unwrap_or(0).min(reader.remaining());
    let range = reader.skip("client id", length)?;
    Ok(kept(&String::from_utf8_lossy(&front[range])))
}

/// As much of a text as is kept. It will stand on terminals, so it may have no control characters.
fn kept(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_TEXT);
    text[..end].chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
