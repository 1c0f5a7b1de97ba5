//! Log messages on stderr, as text or as one JSON object per line.

use std::io::IsTerminal as _;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Filter of log messages if none is configured.
pub const DEFAULT_LEVEL: &str = "info";

/// Format of log messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Plain text.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("expected text or json"),
        }
    }
}

/// Error while logging is set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter text is not valid.
    #[error("log filter '{0}': {1}")]
    Filter(String, tracing_subscriber::filter::ParseError),
    /// Logging was already set up.
    #[error(transparent)]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging; works once per process. `level` is a filter in the syntax of `RUST_LOG`. If it is absent,
/// the variable `RUST_LOG` is used, and without that `info`.
///
/// # Errors
/// Fails if the filter is not valid, or if logging was already started.
pub fn init(format: LogFormat, level: Option<&str>) -> Result<(), LogError> {
    let from_environment = || std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let text = level.map(str::to_owned).or_else(from_environment).unwrap_or_else(|| DEFAULT_LEVEL.into());
    let filter = EnvFilter::builder().parse(&text).map_err(|error| LogError::Filter(text, error))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).finish().try_init()?,
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}
