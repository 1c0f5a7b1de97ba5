//! Bytes only: frames, bounded primitives, batch headers, records, codecs, filler. No tokio.

pub mod aborted;
pub mod add_partitions_request;
pub mod batch;
pub mod coalesce;
pub mod compression;
pub mod densify;
pub mod error_code;
pub mod fetch_response;
pub mod filler;
pub mod frame;
pub mod header;
pub mod lookup;
pub mod node_endpoints;
pub mod primitive;
pub mod produce_encode;
pub mod produce_request;
pub mod record;
mod record_writer;
pub mod rehead;
pub mod sasl;
pub mod sequence;
pub mod sift;
pub mod topic_ref;
pub mod varint;
pub mod versions;
pub mod walk;
