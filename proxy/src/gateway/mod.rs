//! Proxies Kafka clients to the brokers of the destination.
//!
//! The gateway opens one listener per broker (the bootstrap port, then bootstrap port + 1 + broker id) and
//! one broker connection per client connection. Frames pass byte for byte unless a rule needs them: broker
//! addresses in responses become the gateway's, writes to mirror topics are refused, and filler is hidden
//! from consumers.
//!
//! Invariants:
//!
//! * A client that knows only the gateway never learns the address of a broker.
//! * Responses leave in the order of their requests, including responses that the gateway gives itself.
//! * Memory is bounded, whatever a client sends. Each connection has two buffers of 64 KiB. All connections
//!   share two budgets, for frames that are held whole and for sifting their batches. Each budget may be
//!   exceeded by one frame and by the sifting of one batch.
//! * No task outlives the cancellation of the service by more than the drain deadline.
//!
//! Back-pressure: a client that does not read stops the reading from its broker connection and, once the
//! in-flight queue is full, the reading of its own requests. A broker that does not read stops the reading
//! from the client.
//!
//! The gateway closes a connection that sends no first request in time, sends a request too slowly, is idle
//! for too long, does not take its responses, or is too old ([`Limits`]). It also closes a connection that
//! holds memory for which others wait, or that is quiet while a new connection has no place.
//!
//! A failure closes only the connection concerned and is counted by cause. A response that cannot be
//! rewritten is never passed on unchanged.
pub(crate) mod budget;
pub(crate) mod clock;
pub(crate) mod connection;
pub(crate) mod endpoint_map;
pub(crate) mod error;
pub(crate) mod frame;
pub(crate) mod guards;
pub(crate) mod in_flight;
pub(crate) mod listen;
pub(crate) mod metrics;
pub(crate) mod options;
pub(crate) mod reload;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod service;
pub(crate) mod session;
pub(crate) mod shared;
#[cfg(test)]
mod tests;

pub(crate) use self::connection::{ClientConnection, Connections};
pub(crate) use self::error::GatewayError;
pub(crate) use self::options::{GatewayOptions, Limits};
pub(crate) use self::service::{Gateway, GatewayHandle};
