//! Log messages on stderr, as text or one JSON object a line.

use std::io::IsTerminal as _;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How log messages look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
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

/// Logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error("log filter '{0}': {1}")]
    Filter(String, tracing_subscriber::filter::ParseError),
    /// It was set up before.
    #[error(transparent)]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging, once for the process. `level` is a filter as `RUST_LOG` takes it; without one, `RUST_LOG` counts,
/// then `info`.
///
/// # Errors
/// The filter cannot be read, or logging was started before.
pub fn init(format: LogFormat, level: Option<&str>) -> Result<(), LogError> {
    let from_environment = || std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let text = level.map(str::to_owned).or_else(from_environment).unwrap_or_else(|| "info".into());
    let filter = EnvFilter::builder().parse(&text).map_err(|error| LogError::Filter(text, error))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).finish().try_init()?,
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}
