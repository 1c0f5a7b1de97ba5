//! Log messages and metrics of the daemon, set up once at start.
pub(crate) mod log;
pub(crate) mod log_limiter;
pub(crate) mod metrics;

pub use self::log::{DEFAULT_LEVEL, LogError, LogFormat, init};
pub use self::metrics::{CONTENT_TYPE, Metrics};
