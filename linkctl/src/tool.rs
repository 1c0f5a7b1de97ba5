//! What `kafka-cluster-links` and `kafka-mirrors` have in common: reading the command line, finding the API, failing.
//!
//! Exit code 0 when all was done, 1 otherwise, as with Kafka's own tools. `--help` and `--version` print to stdout.

use std::path::Path;
use std::process::ExitCode;

use crate::address::{self, Address};
use crate::api::Api;
use crate::client::ClientError;
use crate::exit;
use crate::link_configs::ConfigsError;
use crate::opts::{self, OptionSpec, Options, UsageError};
use crate::output;
use crate::properties;
use crate::texts;

/// How a command ends that did not do all it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The command line is wrong.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// A request failed.
    #[error("{}", texts::server_message(.0))]
    Client(#[from] ClientError),
    /// A file or an inline config cannot be used.
    #[error(transparent)]
    Configs(#[from] ConfigsError),
    /// Anything else that has one sentence.
    #[error("{0}")]
    Failed(String),
    /// Every failure has been told already, topic by topic.
    #[error("some requests failed")]
    Told,
    /// The output is broken.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

/// One of the two tools.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// What it is for, one sentence.
    pub purpose: &'static str,
    /// What precedes an error.
    pub error_prefix: &'static str,
    /// Its options.
    pub options: &'static [OptionSpec],
}

/// Options of both tools; the first three go with every action.
pub mod common {
    use crate::opts::{OptionSpec, flag, valued};

    /// Where Kafka clients connect.
    pub const BOOTSTRAP_SERVER: OptionSpec = valued(
        "bootstrap-server",
        "host:port",
        "Address of Linkgate. REQUIRED unless --rest-url or LINKGATE_REST_URL is given. The REST API is expected on \
         the same host, port 8090.",
    );
    /// Where the REST API is.
    pub const REST_URL: OptionSpec =
        valued("rest-url", "url", "Address of the REST API, for example http://localhost:8090.");
    /// Read and checked; nothing in it is needed yet.
    pub const COMMAND_CONFIG: OptionSpec =
        valued("command-config", "file", "Properties file with client settings.");
    /// See [`super::run`].
    pub const HELP: OptionSpec = flag("help", "Print this text.");
    /// See [`super::run`].
    pub const VERSION: OptionSpec = flag("version", "Print the version.");
}

/// Refuses options that mean nothing with an action: all but its own and those that go with every action.
///
/// # Errors
/// [`UsageError`] naming the first.
pub fn only_with(options: &Options, action: &str, own: &[&str]) -> Result<(), UsageError> {
    let every = [common::BOOTSTRAP_SERVER, common::REST_URL, common::COMMAND_CONFIG].map(|spec| spec.name);
    let allowed: Vec<&str> = every.iter().chain(own).copied().collect();
    options.only_with(action, &allowed)
}

/// Runs a tool on the command line of this process.
pub fn run(tool: &Tool, execute: impl FnOnce(&Options) -> Result<(), ToolError>) -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let result = match opts::parse(tool.options, words.iter().cloned()) {
        Ok(options) if options.has("help") => output::print(&help(tool)).map_err(ToolError::from),
        Ok(options) if options.has("version") => {
            output::print(&format!("{} {} (Linkgate)", tool.name, env!("CARGO_PKG_VERSION")))
                .map_err(ToolError::from)
        }
        Ok(_) if words.is_empty() => {
            output::note(&help(tool));
            Err(ToolError::Told)
        }
        Ok(options) => execute(&options),
        Err(err) => Err(err.into()),
    };
    match result {
        Ok(()) => return ExitCode::from(exit::OK),
        Err(ToolError::Told) => {}
        Err(ToolError::Usage(err)) => {
            output::note(&format!("{err}\nUse {} --help for its options.", tool.name));
        }
        Err(err) => output::note(&format!("{}{err}", tool.error_prefix)),
    }
    ExitCode::from(exit::FAILED)
}

fn help(tool: &Tool) -> String {
    format!("{}\n{}", tool.purpose, opts::usage(tool.options))
}

/// Where the REST API is.
///
/// # Errors
/// [`ToolError::Usage`] when nothing says so.
pub fn address(options: &Options) -> Result<Address, ToolError> {
    let environment = std::env::var(address::ENVIRONMENT).ok();
    address::resolve(options.get("rest-url"), environment.as_deref(), options.get("bootstrap-server"))
        .map_err(|err| UsageError(err.to_string()).into())
}

/// Finds the REST API and asks it for its cluster. Reads `--command-config` first, so that a wrong one is told early.
///
/// # Errors
/// [`ToolError`].
pub fn connect(options: &Options) -> Result<Api, ToolError> {
    if let Some(file) = options.get("command-config") {
        let _ = properties::read_file(Path::new(file)).map_err(|err| ToolError::Failed(err.to_string()))?;
    }
    Ok(Api::connect(address(options)?)?)
}
