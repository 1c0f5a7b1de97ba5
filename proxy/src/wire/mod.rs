//! Encodes and decodes bytes: frames, bounded primitives, batch headers, records, codecs, filler. Does no I/O
//! and does not use tokio.
pub(crate) mod messages;
pub(crate) mod protocol;
pub(crate) mod records;
