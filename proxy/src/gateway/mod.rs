//! Clients ⇄ destination brokers.
//!
//! One listener per broker (bootstrap port, then bootstrap port + 1 + broker id), one upstream connection per client
//! connection. Frames go through byte for byte unless a rule needs them: broker addresses in answers become the
//! gateway's, writes to mirror topics are refused, filler is hidden from consumers.
//!
//! Promises: a client that knows only the gateway never learns a broker's address; responses leave in the order of their
//! requests, also those that the gateway gives itself; whatever a client sends, memory stays bounded: two buffers of 64 KiB
//! a connection, and for frames that are held whole, with what looking into their batches takes, two budgets that all share, with
//! one frame more of each; no task outlives the cancellation of the service for longer than the drain deadline. Back-pressure: a client that does
//! not read stops the reading of its upstream connection and, once the in-flight queue is full, of its own requests; a
//! broker that does not read stops the reading of the client.
//!
//! A connection ends when it says nothing at first, lets a request trickle in, asks for nothing for long, takes nothing
//! of what is due ([`Limits`]), or is quiet while a new one has no place.
//!
//! Fails by closing the one connection concerned, counted by cause; an answer that cannot be rewritten is never passed
//! on as it is.

mod activity;
mod admission;
mod budget;
mod complaints;
mod connection;
mod directory;
mod endpoint_map;
mod error;
mod eviction;
mod fetch_filter;
mod fetch_stream;
mod framed;
mod handshake;
mod inflight;
mod inspect;
mod listeners;
mod metered;
mod metrics;
mod mirror_guard;
mod observer;
mod options;
mod refusal;
mod reload;
mod reply;
mod requests;
mod responses;
mod rewrite;
mod rope;
mod service;
mod session;
mod share_gaps;
mod sifting;
mod stream;
#[cfg(test)]
mod tests;
mod through;
mod ticks;
mod upstream;

pub use connection::{ClientConnection, Connections, Identity};
pub use directory::BrokerDirectory;
pub use error::GatewayError;
pub use fetch_filter::{Filtered, hide_filler};
pub use metrics::GatewayMetrics;
pub use options::{ConnectionLimits, GatewayOptions, Limits};
pub use rewrite::rewrite_answer;
pub use service::{Gateway, GatewayHandle};
