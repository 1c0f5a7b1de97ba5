//! What the daemon tells about itself: log messages and metrics, set up once.

mod log;
mod metrics;

pub use self::log::{LogError, LogFormat, init};
pub use self::metrics::{CONTENT_TYPE, Metrics};
