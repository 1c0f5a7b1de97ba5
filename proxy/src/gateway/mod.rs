//! Clients ⇄ destination brokers.
