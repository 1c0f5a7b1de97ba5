//! Frames of the Kafka protocol on their way through the gateway: read, streamed, held, written, and what memory they may
//! take.
pub(crate) mod activity_io;
pub(crate) mod reader;
pub(crate) mod rope;
pub(crate) mod stream;
pub(crate) mod streaming;
pub(crate) mod strip_budget;
