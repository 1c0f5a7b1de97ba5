//! The server side of TLS, towards clients.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::net::tls::invalid::InvalidSetting;
use crate::net::tls::settings::{ClientAuth, TlsSettings};
use crate::net::tls::watched::Watched;
use crate::net::tls::{stores, suites};

/// The server side of TLS, for a listener. Clones share the loaded certificates.
#[derive(Debug, Clone)]
pub struct TlsServer(Arc<Watched<ServerConfig>>);

impl TlsServer {
    /// Loads a server with these settings. Reads files.
    ///
    /// # Errors
    /// Fails if the settings or the files are not valid, or if there is no key.
    pub fn load(settings: TlsSettings) -> Result<Self, InvalidSetting> {
        let watched = Watched::new("listener", settings.files(), move || server_config(&settings));
        let _ = watched.load()?;
        Ok(TlsServer(Arc::new(watched)))
    }

    /// Returns the watched keys and certificates.
    #[must_use]
    pub fn watched(&self) -> &Arc<Watched<ServerConfig>> {
        &self.0
    }

    /// Does the handshake with a client. Has no timeout of its own.
    ///
    /// # Errors
    /// Returns the error of the client or the connection. It contains rustls's own error.
    pub async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = self.0.current().ok_or_else(|| io::Error::other("no certificate is loaded"))?;
        TlsAcceptor::from(config).accept(stream).await
    }
}

fn server_config(settings: &TlsSettings) -> Result<ServerConfig, InvalidSetting> {
    let provider = suites::provider(&settings.suites, settings.versions)?;
    let wrong = |key, error: &dyn std::fmt::Display| InvalidSetting::new(key, error.to_string());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&settings.versions.list())
        .map_err(|error| wrong("ssl.enabled.protocols", &error))?;
    let builder = match settings.client_auth {
        ClientAuth::None => builder.with_no_client_auth(),
        asked => {
            // The roots of the operating system would admit everyone who has a certificate for a web site.
            let roots = stores::trusted(settings)?.ok_or_else(|| {
                let reason = "it must be set if ssl.client.auth asks clients for certificates";
                InvalidSetting::new("ssl.truststore.location", reason)
            })?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier =
                if asked == ClientAuth::Requested { verifier.allow_unauthenticated() } else { verifier };
            builder.with_client_cert_verifier(
                verifier.build().map_err(|error| wrong("ssl.truststore.location", &error))?,
            )
        }
    };
    let (chain, key) = stores::identity(settings)?.ok_or_else(|| {
        let reason = "a TLS listener needs a key and a certificate: a PEM file with both";
        InvalidSetting::new("ssl.keystore.location", reason)
    })?;
    builder.with_single_cert(chain, key).map_err(|error| wrong("ssl.keystore.location", &error))
}
