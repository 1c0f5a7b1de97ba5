//! SASL authentication of a connection: at its start, and again before the session expires (KIP-368).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::{Request, StrBytes};

use crate::client::connection::Connection;
use crate::client::error::{ClientError, ErrorKind};
use crate::client::sasl::{Sasl, SaslError, Step};
use crate::wire::protocol::error_code::ErrorCode;

/// Maximum number of client messages in one exchange. All mechanisms need fewer.
const MAX_STEPS: usize = 5;

/// Maximum size of a broker's challenge, in bytes.
const MAX_CHALLENGE: usize = 64 << 10;

impl Connection {
    /// Authenticates, and keeps re-authenticating while the connection is open and the broker limits the
    /// session.
    pub(crate) async fn log_in(&self, sasl: &Arc<Sasl>) -> Result<(), ClientError> {
        if let Some(lifetime) = self.authenticate(sasl).await? {
            self.keep_authenticated(Arc::clone(sasl), lifetime);
        }
        Ok(())
    }

    /// Authenticates once. Returns the session lifetime; `None` if the session does not expire.
    async fn authenticate(&self, sasl: &Sasl) -> Result<Option<Duration>, ClientError> {
        let mechanism = sasl.mechanism();
        let hello = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
        // After version 0 of the handshake, SASL messages have no Kafka frames, which this client does not
        // support.
        let known = self.broker_versions(SaslHandshakeRequest::KEY);
        if known.is_none_or(|(_, max)| max < 1) {
            return Err(self.refused(
                "the broker does not support version 1 of SaslHandshake, which Linkgate needs".into(),
            ));
        }
        let answer = self.exchange_in_turn(&hello, 1).await?;
        match ErrorCode(answer.error_code) {
            code if code.is_none() => {}
            ErrorCode::ILLEGAL_SASL_STATE => {
                return Err(self.refused(
                    "the broker does not accept SASL at this port: it may be that of a PLAINTEXT or SSL \
                     listener"
                        .into(),
                ));
            }
            code => {
                let offered: Vec<&str> = answer.mechanisms.iter().map(StrBytes::as_str).collect();
                let offered = offered.join(", ");
                return Err(self.refused(format!(
                    "the broker does not accept the mechanism {mechanism} ({code}); it offers: {offered}"
                )));
            }
        }
        let version = self.version_of::<SaslAuthenticateRequest>(2)?;
        let local = |error: SaslError| self.refused(format!("{mechanism}: {error}"));
        let (mut exchange, mut message) = sasl.begin().await.map_err(local)?;
        for _ in 0..MAX_STEPS {
            let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(message));
            let answer = self.exchange_in_turn(&request, version).await?;
            let code = ErrorCode(answer.error_code);
            if !code.is_none() {
                let words = answer.error_message.as_ref().map_or("", StrBytes::as_str);
                let between = if words.is_empty() { "" } else { ": " };
                return Err(self.refused(format!("{mechanism}: {code}{between}{words}")));
            }
            if answer.auth_bytes.len() > MAX_CHALLENGE {
                return Err(self.refused(format!("{mechanism}: the challenge is too large")));
            }
            match exchange.on(answer.auth_bytes.to_vec()).await.map_err(local)? {
                Step::Done => {
                    let lifetime = u64::try_from(answer.session_lifetime_ms).unwrap_or(0);
                    return Ok((lifetime > 0).then(|| Duration::from_millis(lifetime)));
                }
                Step::Send(next) => message = next,
            }
        }
        Err(self.refused(format!("{mechanism}: too many messages")))
    }

    fn refused(&self, reason: String) -> ClientError {
        self.error(ErrorKind::Authentication { address: self.link.address.clone(), reason })
    }

    /// Re-authenticates before each session expires. The task does not keep the connection open.
    fn keep_authenticated(&self, sasl: Arc<Sasl>, mut lifetime: Duration) {
        let (link, ended) = (Arc::downgrade(&self.link), self.link.ended.clone());
        let versions = self.versions();
        drop(tokio::spawn(async move {
            // This leaves time for a slow broker. Java's client re-authenticates after 85 to 95 % of the
            // lifetime.
            while ended.run_until_cancelled(tokio::time::sleep(lifetime * 4 / 5)).await.is_some() {
                let Some(link) = link.upgrade() else { return };
                let connection = Connection::of(link, Arc::clone(&versions));
                // Responses still arrive meanwhile; new requests wait.
                let _turn = connection.link.turn.write().await;
                match connection.authenticate(&sasl).await {
                    Ok(Some(next)) => {
                        tracing::debug!(?connection, lifetime = ?next, "re-authenticated");
                        lifetime = next;
                    }
                    Ok(None) => return,
                    Err(error) => {
                        tracing::warn!(%error, "the connection is closed: re-authentication failed");
                        return connection.link.waiting.poison(error);
                    }
                }
            }
        }));
    }
}
