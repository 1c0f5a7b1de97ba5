//! TLS by rustls with ring, configured by Kafka's own key names.
//!
//! [`TlsSettings`] holds the checked settings; [`TlsClient`] and [`TlsServer`] are made of them. Both reload
//! changed keys and certificates from their files without a restart ([`Watched`]); open connections keep the
//! old ones. Stores are PEM files. A JKS or PKCS12 store is refused, with the commands that convert it.

pub(crate) mod client;
pub(crate) mod invalid;
pub(crate) mod pem;
pub(crate) mod server;
pub(crate) mod settings;
pub(crate) mod stores;
pub(crate) mod suites;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub(crate) mod verify;
pub(crate) mod watched;

pub(crate) use self::client::{TlsClient, TlsConnectError};
pub(crate) use self::server::TlsServer;
pub(crate) use self::settings::{ClientAuth, TlsSettings};
pub(crate) use self::watched::ReloadCounts;
