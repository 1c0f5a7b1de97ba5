//! State that all sessions of the gateway share.

use crate::gateway::budget::Budgets;
use crate::gateway::clock::GatewayClock;
use crate::gateway::connection::Connections;
use crate::gateway::endpoint_map::Brokers;
use crate::gateway::metrics::Traffic;
use crate::gateway::options::GatewayOptions;
use crate::gateway::response::Rewriter;
use crate::obs::log_limiter::LogLimiter;
use std::sync::Arc;

/// State that all sessions share.
#[derive(Debug)]
pub(crate) struct GatewayShared {
    pub(crate) options: GatewayOptions,
    pub(crate) brokers: Brokers,
    pub(crate) rewriter: Rewriter,
    pub(crate) connections: Connections,
    pub(crate) budgets: Budgets,
    pub(crate) log_limiter: Arc<LogLimiter>,
    pub(crate) traffic: Traffic,
    pub(crate) ticks: GatewayClock,
}
