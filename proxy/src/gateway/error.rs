//! Reasons why a connection ends, and why the gateway does not start.

use std::io;

use strum::IntoStaticStr;

use crate::net::HostPort;
use crate::wire::protocol::frame::FrameError;
use crate::wire::protocol::primitive::WireError;

/// Reason why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The bootstrap listener cannot be opened.
    #[error("cannot listen on {endpoint}: {source}")]
    Listen {
        /// Address to listen on.
        endpoint: HostPort,
        /// Error of the system.
        source: io::Error,
    },
}

/// Cause of the end of a connection. Its label is a label of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum CloseCause {
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
    /// The service stopped, and the connection did not end in time by itself.
    Stopped,
}

impl CloseCause {
    pub(crate) fn label(self) -> &'static str {
        self.into()
    }
}

/// Reason why a response cannot be passed on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResponseError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("cannot decode or encode it: {0}")]
    Codec(String),
    #[error("the answer to request {expected} has correlation id {got}")]
    OutOfStep { expected: i32, got: i32 },
    #[error("the broker sent a response without a request")]
    Unsolicited,
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Reason why a session failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("no first request arrived in time")]
    FirstRequestTimeout,
    #[error("a request did not arrive completely in time")]
    SlowRequest,
    #[error("the client does not read its responses")]
    SlowReader,
    #[error("the connection was idle for too long")]
    Idle,
    #[error("the connection was idle and had to make room for a new one")]
    GaveWay,
    #[error("the connection held memory for too long while others waited for it")]
    MemoryReclaimed,
    #[error("the broker does not read the requests sent to it")]
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
        "a request in progress names a topic that may not be written: it has become a mirror, or it is \
         Linkgate's own"
    )]
    MirrorMeanwhile,
    #[error("a batch in a Produce request has a producer id reserved for mirroring (2^62 or above)")]
    ReservedProducerId,
    #[error(
        "filler of topic {topic} in a streamed response cannot be hidden in the space it occupied; the \
         client's retry will succeed"
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
    pub(crate) fn cause(&self) -> CloseCause {
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
