//! The command line of the daemon.

use std::path::PathBuf;

use clap::Parser;

use crate::app::Accepted;
use crate::obs::LogFormat;

/// Mirror topics with identical offsets for any Apache Kafka cluster: a proxy in front of the destination.
#[derive(Debug, Parser)]
#[command(name = "linkgate", version)]
pub struct Options {
    /// Configuration file in Java .properties format, with Kafka's own names.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["bootstrap_server", "example_config"])]
    pub config: Option<PathBuf>,
    /// Brokers of the destination cluster; overrides bootstrap.servers of the file.
    #[arg(long, value_name = "HOST:PORT,…")]
    pub bootstrap_server: Option<String>,
    /// Checks the configuration and exits.
    #[arg(long)]
    pub check_config: bool,
    /// Prints a configuration file that explains every config, and exits.
    #[arg(long, exclusive = true)]
    pub example_config: bool,
    /// Format of log messages: text or json.
    #[arg(long, value_name = "FORMAT", value_parser = clap::builder::ValueParser::new(str::parse::<LogFormat>))]
    pub log_format: Option<LogFormat>,
    /// Filter of log messages, in the syntax of RUST_LOG.
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// Lets the journal of destination cluster OLD continue with cluster NEW; the error that asks for this
    /// option names both.
    #[arg(long, value_name = "OLD:NEW", value_parser = Accepted::cluster_change)]
    pub accept_cluster_change: Option<(String, String)>,
    /// Accepts an old copy of the journal that ends at this record; the error that asks for this option names
    /// both.
    #[arg(long, value_name = "JOURNAL:SEQUENCE", value_parser = Accepted::old_journal)]
    pub accept_old_journal: Option<(String, u64)>,
}
