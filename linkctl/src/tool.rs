//! Common parts of `kafka-cluster-links` and `kafka-mirrors`: the command line, finding the API, reporting
//! errors.
//!
//! The exit code is 0 if everything was done and 1 otherwise, like Kafka's own tools. `--help` and
//! `--version` print to stdout.

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

/// Error of a command that did not do everything it was asked.
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
    /// Any other failure, as one sentence.
    #[error("{0}")]
    Failed(String),
    /// All failures are already printed, topic by topic. Nothing more is printed.
    #[error("some requests failed")]
    Told,
    /// Writing the output failed.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

/// Definition of one of the two tools.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Name of the tool.
    pub name: &'static str,
    /// Purpose of the tool in one sentence, for the usage text.
    pub purpose: &'static str,
    /// Prefix of error messages.
    pub error_prefix: &'static str,
    /// Options of the tool.
    pub options: &'static [OptionSpec],
}

/// Options of both tools. The first three are allowed with every action.
pub mod common {
    use crate::opts::{OptionSpec, flag, valued};

    /// Address for Kafka clients.
    pub const BOOTSTRAP_SERVER: OptionSpec = valued(
        "bootstrap-server",
        "host:port",
        "Address of Linkgate. REQUIRED unless --rest-url or LINKGATE_REST_URL is given. The REST API is expected on \
         the same host, port 8090.",
    );
    /// Address of the REST API.
    pub const REST_URL: OptionSpec =
        valued("rest-url", "url", "Address of the REST API, for example http://localhost:8090.");
    /// Properties file with client settings. Its syntax is checked; no setting in it is used.
    pub const COMMAND_CONFIG: OptionSpec =
        valued("command-config", "file", "Properties file with client settings.");
    /// Prints the usage text; see [`super::run`].
    pub const HELP: OptionSpec = flag("help", "Print this text.");
    /// Prints the version; see [`super::run`].
    pub const VERSION: OptionSpec = flag("version", "Print the version.");
}

/// Refuses options that have no meaning with an action. Allowed are `own` and the options of every action.
///
/// # Errors
/// [`UsageError`] that names the first refused option.
pub fn only_with(options: &Options, action: &str, own: &[&str]) -> Result<(), UsageError> {
    let every = [common::BOOTSTRAP_SERVER, common::REST_URL, common::COMMAND_CONFIG].map(|spec| spec.name);
    let allowed: Vec<&str> = every.iter().chain(own).copied().collect();
    options.only_with(action, &allowed)
}

/// Runs a tool with the command line of this process.
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

/// Returns the address of the REST API.
///
/// # Errors
/// [`ToolError::Usage`] if no usable address is given.
pub fn address(options: &Options) -> Result<Address, ToolError> {
    let environment = std::env::var(address::ENVIRONMENT).ok();
    address::resolve(options.get("rest-url"), environment.as_deref(), options.get("bootstrap-server"))
        .map_err(|err| UsageError(err.to_string()).into())
}

/// Finds the REST API and asks for its cluster id. Reads `--command-config` first, to report a bad file
/// early.
///
/// # Errors
/// [`ToolError`].
pub fn connect(options: &Options) -> Result<Api, ToolError> {
    if let Some(file) = options.get("command-config") {
        let _ = properties::read_file(Path::new(file)).map_err(|err| ToolError::Failed(err.to_string()))?;
    }
    Ok(Api::connect(address(options)?)?)
}
