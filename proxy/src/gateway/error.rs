//! Why a connection ends, and why the gateway does not start.

use std::io;

use crate::net::HostPort;
use crate::wire::frame::FrameError;
use crate::wire::primitive::WireError;

/// The gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The bootstrap listener cannot be opened.
    #[error("cannot listen on {endpoint}: {source}")]
    Listen {
        /// The address.
        endpoint: HostPort,
        /// Why not.
        source: io::Error,
    },
}

/// What ended a connection; the label of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum CloseCause {
    ClientClosed,
    BrokerClosed,
    TlsHandshake,
    TlsHandshakeTimeout,
    FirstRequestTimeout,
    ConnectionLimit,
    AddressLimit,
    SlowRequest,
    SlowReader,
    Idle,
    GaveWay,
    MaxAge,
    MemoryReclaimed,
    BrokerStalled,
    NoBroker,
    BadFrame,
    BadRequest,
    UnsupportedApi,
    Unauthenticated,
    MirrorMeanwhile,
    ReservedProducerId,
    FillerInTheWay,
    BadResponse,
    ClientIo,
    BrokerIo,
    /// The service stopped and it was not done in time.
    Stopped,
}

impl CloseCause {
    pub(super) fn label(self) -> &'static str {
        match self {
            CloseCause::ClientClosed => "client_closed",
            CloseCause::BrokerClosed => "broker_closed",
            CloseCause::TlsHandshake => "tls_handshake",
            CloseCause::TlsHandshakeTimeout => "tls_handshake_timeout",
            CloseCause::FirstRequestTimeout => "first_request_timeout",
            CloseCause::ConnectionLimit => "connection_limit",
            CloseCause::AddressLimit => "address_limit",
            CloseCause::SlowRequest => "slow_request",
            CloseCause::SlowReader => "slow_reader",
            CloseCause::Idle => "idle",
            CloseCause::GaveWay => "gave_way",
            CloseCause::MaxAge => "max_age",
            CloseCause::MemoryReclaimed => "memory_reclaimed",
            CloseCause::BrokerStalled => "broker_stalled",
            CloseCause::NoBroker => "no_broker",
            CloseCause::BadFrame => "bad_frame",
            CloseCause::BadRequest => "bad_request",
            CloseCause::UnsupportedApi => "unsupported_api",
            CloseCause::Unauthenticated => "unauthenticated",
            CloseCause::MirrorMeanwhile => "mirror_meanwhile",
            CloseCause::ReservedProducerId => "reserved_producer_id",
            CloseCause::FillerInTheWay => "filler_in_the_way",
            CloseCause::BadResponse => "bad_response",
            CloseCause::ClientIo => "client_io",
            CloseCause::BrokerIo => "broker_io",
            CloseCause::Stopped => "stopped",
        }
    }
}

/// An answer of a broker that cannot be passed on.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResponseError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("codec: {0}")]
    Codec(String),
    #[error("the answer to request {expected} has correlation id {got}")]
    OutOfStep { expected: i32, got: i32 },
    #[error("the broker sent a response that nobody asked for")]
    Unsolicited,
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Why a session failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("no request within the time allowed")]
    FirstRequestTimeout,
    #[error("a request did not arrive in the time allowed")]
    SlowRequest,
    #[error("the client takes nothing of what it asked for")]
    SlowReader,
    #[error("nothing was asked for too long")]
    Idle,
    #[error("it was quiet, and a new connection found no place")]
    GaveWay,
    #[error("it held memory for too long while others waited for it")]
    MemoryReclaimed,
    #[error("the broker takes nothing of what it is sent")]
    BrokerStalled,
    #[error("no broker can be reached: {last}")]
    NoBroker { last: String },
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("request of api key {api_key}: {source}")]
    Request { api_key: i16, source: WireError },
    #[error("api key {api_key} version {api_version} is not supported")]
    UnsupportedApi { api_key: i16, api_version: i16 },
    #[error("request of api key {api_key} before authentication: the listener has SASL")]
    Unauthenticated { api_key: i16 },
    #[error(
        "a request under way names a topic that may not be written: it became a mirror meanwhile, or is Linkgate's own"
    )]
    MirrorMeanwhile,
    #[error("a batch to be written bears a producer id that is reserved to mirroring (2^62 or above)")]
    ReservedProducerId,
    #[error(
        "the first filler of topic {topic} met in an answer cannot be hidden in the room that it took: asked again, it can"
    )]
    FillerInTheWay { topic: String },
    #[error("response of api key {api_key} version {api_version}: {source}")]
    Response { api_key: i16, api_version: i16, source: ResponseError },
    #[error("client connection: {0}")]
    ClientIo(io::Error),
    #[error("broker connection: {0}")]
    BrokerIo(io::Error),
}

impl SessionError {
    pub(super) fn cause(&self) -> CloseCause {
        match self {
            SessionError::FirstRequestTimeout => CloseCause::FirstRequestTimeout,
            SessionError::SlowRequest => CloseCause::SlowRequest,
            SessionError::SlowReader => CloseCause::SlowReader,
            SessionError::Idle => CloseCause::Idle,
            SessionError::GaveWay => CloseCause::GaveWay,
            SessionError::MemoryReclaimed => CloseCause::MemoryReclaimed,
            SessionError::BrokerStalled => CloseCause::BrokerStalled,
            SessionError::NoBroker { .. } => CloseCause::NoBroker,
            SessionError::Frame(_) => CloseCause::BadFrame,
            SessionError::Request { .. } => CloseCause::BadRequest,
            SessionError::UnsupportedApi { .. } => CloseCause::UnsupportedApi,
            SessionError::Unauthenticated { .. } => CloseCause::Unauthenticated,
            SessionError::MirrorMeanwhile => CloseCause::MirrorMeanwhile,
            SessionError::ReservedProducerId => CloseCause::ReservedProducerId,
            SessionError::FillerInTheWay { .. } => CloseCause::FillerInTheWay,
            SessionError::Response { .. } => CloseCause::BadResponse,
            SessionError::ClientIo(_) => CloseCause::ClientIo,
            SessionError::BrokerIo(_) => CloseCause::BrokerIo,
        }
    }
}
