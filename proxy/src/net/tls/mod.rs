//! TLS by rustls with ring, configured by Kafka's own key names.
//!
//! [`TlsSettings`] is what stands in a configuration, checked; [`TlsClient`] and [`TlsServer`] are what it makes. Both take
//! new keys and certificates from their files without a restart ([`Watched`]); connections that exist keep theirs.
//! Stores are PEM. A JKS or PKCS12 store is refused with the commands that convert it.

mod client;
mod pem;
mod server;
mod settings;
mod stores;
mod suites;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod verify;
mod watched;

pub use client::{TlsClient, TlsConnectError};
pub use server::TlsServer;
pub use settings::{ClientAuth, InvalidSetting, TlsSettings};
pub use watched::{Refresh, ReloadCounts, Watched};
