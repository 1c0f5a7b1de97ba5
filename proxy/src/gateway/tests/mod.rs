//! Tests of the whole gateway over loopback, between a client and a broker that each test scripts.

pub(crate) mod admin;
pub(crate) mod brokers;
pub(crate) mod clients;
pub(crate) mod fetch;
pub(crate) mod fixture;
pub(crate) mod forged;
pub(crate) mod hostile;
pub(crate) mod limits;
pub(crate) mod ordering;
pub(crate) mod produce;
pub(crate) mod rewrite;
pub(crate) mod room;
pub(crate) mod sasl;
pub(crate) mod share;
pub(crate) mod tls;
