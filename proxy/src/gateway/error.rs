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
    FirstRequestTimeout,
    ConnectionLimit,
    NoBroker,
    BadFrame,
    BadRequest,
    UnsupportedApi,
    BadResponse,
    ClientIo,
    BrokerIo,
}

impl CloseCause {
    pub(super) fn label(self) -> &'static str {
        match self {
            CloseCause::ClientClosed => "client_closed",
            CloseCause::BrokerClosed => "broker_closed",
            CloseCause::FirstRequestTimeout => "first_request_timeout",
            CloseCause::ConnectionLimit => "connection_limit",
            CloseCause::NoBroker => "no_broker",
            CloseCause::BadFrame => "bad_frame",
            CloseCause::BadRequest => "bad_request",
            CloseCause::UnsupportedApi => "unsupported_api",
            CloseCause::BadResponse => "bad_response",
            CloseCause::ClientIo => "client_io",
            CloseCause::BrokerIo => "broker_io",
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
    #[error("no broker can be reached: {last}")]
    NoBroker { last: String },
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("request of api key {api_key}: {source}")]
    Request { api_key: i16, source: WireError },
    #[error("api key {api_key} version {api_version} is not supported")]
    UnsupportedApi { api_key: i16, api_version: i16 },
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
            SessionError::NoBroker { .. } => CloseCause::NoBroker,
            SessionError::Frame(_) => CloseCause::BadFrame,
            SessionError::Request { .. } => CloseCause::BadRequest,
            SessionError::UnsupportedApi { .. } => CloseCause::UnsupportedApi,
            SessionError::Response { .. } => CloseCause::BadResponse,
            SessionError::ClientIo(_) => CloseCause::ClientIo,
            SessionError::BrokerIo(_) => CloseCause::BrokerIo,
        }
    }
}
