//! The whole gateway over loopback, between a client and a broker that say what each test tells them.

mod admin;
mod fetch;
mod fixture;
mod hostile;
mod ordering;
mod produce;
mod rewrite;
mod sasl;
mod share;
