//! Bytes only: frames, bounded primitives, batch headers, filler. No tokio.

pub mod aborted;
pub mod add_partitions_request;
pub mod batch;
pub mod error_code;
pub mod fetch_response;
pub mod filler;
pub mod frame;
pub mod header;
pub mod node_endpoints;
pub mod primitive;
pub mod produce_encode;
pub mod produce_request;
pub mod rehead;
pub mod sequence;
pub mod topic_ref;
pub mod versions;
pub mod walk;
