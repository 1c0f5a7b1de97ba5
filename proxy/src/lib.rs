//! The Linkgate daemon as a library: gateway, mirror engine and admin API.
//!
//! Imports go in one direction (picture: docs/DESIGN.md). `wire` handles bytes only; `net` transports them;
//! `client` is Linkgate's own Kafka client; `gateway` stands between clients and destination brokers;
//! `mirror` copies from source to destination; `admin` serves HTTP. `gateway` and `mirror` never import each
//! other: they share only the snapshots of `state::model`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods))]

mod admin;
pub mod app;
mod backoff;
mod client;
mod clock;
pub mod command_line;
pub mod config;
pub mod descriptors;
mod gateway;
mod mirror;
mod net;
pub mod obs;
mod shutdown;
mod wire;

/// Items that benchmarks, fuzz targets and some test suites use. Not an API: they change with the daemon.
#[doc(hidden)]
pub mod internals {
    pub use crate::client::cluster::Cluster;
    pub use crate::client::error::{ClientError, Side};
    pub use crate::client::options::ClientOptions;
    pub use crate::client::pin::ClusterPin;
    pub use crate::gateway::listen::broker_discovery::BrokerDirectory;
    pub use crate::gateway::options::{GatewayOptions, Limits};
    pub use crate::gateway::response::filler_filter::hide_filler;
    pub use crate::gateway::response::rewrite_answer;
    pub use crate::gateway::service::Gateway;
    pub use crate::mirror::clearance::Accepted;
    pub use crate::mirror::clusters::SourceClusters;
    pub use crate::mirror::command::Commands;
    pub use crate::mirror::command::types::{
        CommandErrorKind, CreateLink, CreateMirror, MirrorAction, Selector,
    };
    pub use crate::mirror::engine::Engine;
    pub use crate::mirror::progress::ProgressTable;
    pub use crate::mirror::replication::shape::output::Piece;
    pub use crate::mirror::replication::shape::{JOINED_BYTES, ShapeTarget, shape};
    pub use crate::mirror::sync::configs::ConfigSync;
    pub use crate::mirror::sync::link_probe::LinkProbe;
    pub use crate::mirror::sync::offsets::OffsetSync;
    pub use crate::mirror::sync::task_status::TaskTable;
    pub use crate::wire::messages::admin_requests::{
        read_added_partitions, read_alter_configs, read_create_partitions, read_delete_records,
        read_txn_markers,
    };
    pub use crate::wire::messages::filtered_array::Kept;
    pub use crate::wire::messages::produce_request::{ProduceRequest, ProduceTopic, peek};
    pub use crate::wire::messages::sasl::read_message;
    pub use crate::wire::messages::share_fetch_request::{Gaps, ShareFetchRequest};
    pub use crate::wire::protocol::header::RequestPrefix;
    pub use crate::wire::protocol::primitive::{WireError, put_string};
    pub use crate::wire::protocol::varint::{put_unsigned_varint, put_varint};
    pub use crate::wire::protocol::versions::{APIS, Api, REFUSED, Treatment, api};
    pub use crate::wire::protocol::{response_schema, versions};
    pub use crate::wire::records::aborted::AbortedTransaction;
    pub use crate::wire::records::batch::{
        BatchHeader, CONTROL, Codec, DELETE_HORIZON, HEADER_LEN, LENGTH_OVERHEAD, LOG_APPEND_TIME, RawBatch,
        TRANSACTIONAL,
    };
    pub use crate::wire::records::compression::{compress, decompress};
    pub use crate::wire::records::fill_holes::{FillHolesOptions, fill_holes};
    pub use crate::wire::records::filler::{
        FILLER_BASE_TIMESTAMP, FillerKind, MIXED_BASE_TIMESTAMP, SENTINEL_KEY, filler, is_sentinel, mark,
    };
    pub use crate::wire::records::join::join_batches;
    pub use crate::wire::records::record::records;
    pub use crate::wire::records::rewrite_header::{WriterIds, rewrite_header};
    pub use crate::wire::records::sequence::sequence_of;
    pub use crate::wire::records::walk::walk;
    pub use state::model::HostPort;
}
