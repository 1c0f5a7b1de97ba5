//! The client side of TLS, towards brokers.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::net::tls::invalid::InvalidSetting;
use crate::net::tls::settings::TlsSettings;
use crate::net::tls::verify::ChainOnly;
use crate::net::tls::watched::Watched;
use crate::net::tls::{stores, suites};

/// Error of a TLS handshake with a broker.
#[derive(Debug, thiserror::Error)]
pub enum TlsConnectError {
    /// A key or certificate of this side is not valid.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// The host is neither a DNS name nor an IP address, so no certificate can match it.
    #[error("'{0}' is neither a host name nor an address")]
    Name(String),
    /// The peer does not speak TLS, the two sides have no version or suite in common, or one does not trust
    /// the other.
    #[error("{0}")]
    Tls(String),
    /// The connection failed during the handshake.
    #[error("TLS handshake: {0}")]
    Io(io::Error),
}

/// The client side of TLS, for connections to one cluster. Clones share the loaded certificates.
#[derive(Debug, Clone)]
pub struct TlsClient(Arc<Watched<ClientConfig>>);

impl TlsClient {
    /// Makes a client with these settings. Reads no file yet. `what` names the client in the log.
    #[must_use]
    pub fn new(what: &'static str, settings: TlsSettings) -> Self {
        TlsClient(Arc::new(Watched::new(what, settings.files(), move || client_config(&settings))))
    }

    /// Loads keys and certificates if that was not done yet, or if the files changed. Reads files.
    ///
    /// # Errors
    /// Fails if no valid ones are loaded and the files are not valid.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        self.0.load().map(drop)
    }

    /// Returns the watched keys and certificates.
    #[must_use]
    pub fn watched(&self) -> &Watched<ClientConfig> {
        &self.0
    }

    /// Does the handshake over a connection to `host`. Has no timeout of its own.
    ///
    /// # Errors
    /// Returns [`TlsConnectError`].
    pub async fn connect<S>(&self, stream: S, host: &str) -> Result<TlsStream<S>, TlsConnectError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let config = match self.0.fresh() {
            Some(config) => config,
            None => {
                let watched = Arc::clone(&self.0);
                tokio::task::spawn_blocking(move || watched.load())
                    .await
                    .map_err(|error| TlsConnectError::Io(io::Error::other(error)))??
            }
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name =
            ServerName::try_from(bare.to_owned()).map_err(|_| TlsConnectError::Name(host.to_owned()))?;
        TlsConnector::from(config).connect(name, stream).await.map_err(failure)
    }
}

/// Converts an error of the stream. rustls puts its own errors inside of it.
fn failure(error: io::Error) -> TlsConnectError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidMessage(_)) => TlsConnectError::Tls(
            "the peer does not speak TLS: its port may be that of a PLAINTEXT or SASL_PLAINTEXT listener"
                .into(),
        ),
        Some(tls @ rustls::Error::InvalidCertificate(_)) => {
            TlsConnectError::Tls(format!("the broker's certificate is not accepted: {tls}"))
        }
        Some(tls @ rustls::Error::AlertReceived(_)) => {
            TlsConnectError::Tls(format!("the broker refused: {tls}"))
        }
        Some(tls) => TlsConnectError::Tls(tls.to_string()),
        None => TlsConnectError::Io(error),
    }
}

fn client_config(settings: &TlsSettings) -> Result<ClientConfig, InvalidSetting> {
    let provider = suites::provider(&settings.suites, settings.versions)?;
    let wrong = |key, error: &dyn std::fmt::Display| InvalidSetting::new(key, error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&settings.versions.list())
        .map_err(|error| wrong("ssl.enabled.protocols", &error))?;
    let roots = Arc::new(match stores::trusted(settings)? {
        Some(roots) => roots,
        None => stores::system_roots()?,
    });
    let builder = if settings.verify_name {
        builder.with_root_certificates(roots)
    } else {
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|error| wrong("ssl.truststore.location", &error))?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(ChainOnly(verifier)))
    };
    match stores::identity(settings)? {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => {
            builder.with_client_auth_cert(chain, key).map_err(|error| wrong("ssl.keystore.location", &error))
        }
    }
}
