//! `linkgate`: reads the configuration, runs the daemon until it is told to stop.
//!
//! Exit codes: 0 after a stop that was asked for, 1 when the daemon failed, 64 for a wrong command line, 78 for a wrong
//! configuration.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use proxy::app;
use proxy::config::Config;
use proxy::descriptors;
use proxy::mirror::clearance::Accepted;
use proxy::obs::{self, LogFormat};

mod allocator;

/// Wrong command line (sysexits `EX_USAGE`).
const EXIT_USAGE: u8 = 64;
/// Wrong configuration (sysexits `EX_CONFIG`).
const EXIT_CONFIG: u8 = 78;

/// Mirror topics with identical offsets for any Apache Kafka cluster: a proxy in front of the destination.
#[derive(Debug, Parser)]
#[command(name = "linkgate", version)]
struct Options {
    /// Configuration in Java .properties, with Kafka's own names.
    #[arg(long, value_name = "FILE", required_unless_present = "bootstrap_server")]
    config: Option<PathBuf>,
    /// Brokers of the destination cluster; wins over bootstrap.servers of the file.
    #[arg(long, value_name = "HOST:PORT,…")]
    bootstrap_server: Option<String>,
    /// Checks the configuration and exits.
    #[arg(long)]
    check_config: bool,
    /// Look of log messages: text or json.
    #[arg(long, value_name = "FORMAT", value_parser = clap::builder::ValueParser::new(str::parse::<LogFormat>))]
    log_format: Option<LogFormat>,
    /// Filter of log messages, as RUST_LOG takes it.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Lets the journal of destination cluster OLD go on with cluster NEW; the error that asks for it names both.
    #[arg(long, value_name = "OLD:NEW", value_parser = Accepted::cluster_change)]
    accept_cluster_change: Option<(String, String)>,
    /// Works by an old copy of the journal, as it stands at this record; the error that asks for it names both.
    #[arg(long, value_name = "JOURNAL:SEQUENCE", value_parser = Accepted::old_journal)]
    accept_old_journal: Option<(String, u64)>,
}

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            // Help and version are no errors to clap's caller.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(EXIT_USAGE) };
        }
    };
    // What the daemon writes is for nobody else, whatever mode a library gives its files.
    let _ = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    allocator::keep_free_memory();
    let overrides: Vec<(&str, String)> =
        options.bootstrap_server.iter().map(|servers| ("bootstrap.servers", servers.clone())).collect();
    let mut config = match Config::load(options.config.as_deref(), &overrides) {
        Ok(config) => config,
        Err(error) => return fail(EXIT_CONFIG, &error),
    };
    if let Some(format) = options.log_format {
        config.log_format = format;
    }
    config.accepted =
        Accepted { cluster_change: options.accept_cluster_change, old_journal: options.accept_old_journal };
    // RUST_LOG is for whoever runs the process: it wins over the file, not over the command line.
    let level = options
        .log
        .or_else(|| if std::env::var_os("RUST_LOG").is_some() { None } else { config.log_level.clone() });
    if let Err(error) = obs::init(config.log_format, level.as_deref()) {
        return fail(EXIT_CONFIG, &error);
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let descriptors = descriptors::raised();
    match descriptors::clients(descriptors, config.limits.connections) {
        Err(error) => return fail(EXIT_CONFIG, &error),
        Ok(clients) if clients < config.limits.connections => {
            let wanted = config.limits.connections;
            tracing::warn!(
                clients,
                wanted,
                descriptors,
                "max.connections is lowered to what the limit of open files leaves beside mirroring and the journal; raise \
                 that limit (ulimit -n, LimitNOFILE) or set max.connections"
            );
            config.limits.connections = clients;
        }
        Ok(_) => {}
    }
    if options.check_config {
        eprintln!("linkgate: the configuration is valid");
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &error),
    };
    let code = match runtime.block_on(app::run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    };
    // What did not stop in time must not keep the process.
    runtime.shutdown_background();
    code
}

fn fail(code: u8, error: &dyn std::error::Error) -> ExitCode {
    for line in error.to_string().lines() {
        eprintln!("linkgate: {line}");
    }
    ExitCode::from(code)
}
