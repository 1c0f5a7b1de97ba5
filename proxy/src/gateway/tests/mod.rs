//! The whole gateway over loopback, between a client and a broker that say what each test tells them.

mod admin;
mod brokers;
mod clients;
pub(super) mod fetch;
pub(super) mod fixture;
mod forged;
mod hostile;
mod limits;
mod ordering;
mod produce;
mod rewrite;
mod room;
mod sasl;
mod share;
mod tls;
