//! `linkgate`: reads the configuration and runs the daemon until it is told to stop.
//!
//! Exit codes: 0 after a requested stop, 1 if the daemon failed, 64 for a wrong command line, 78 for a wrong
//! configuration.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use proxy::app;
use proxy::app::Accepted;
use proxy::command_line::Options;
use proxy::config::Config;
use proxy::descriptors;
use proxy::obs;

mod allocator;

/// Exit code for a wrong command line (sysexits `EX_USAGE`).
const EXIT_USAGE: u8 = 64;
/// Exit code for a wrong configuration (sysexits `EX_CONFIG`).
const EXIT_CONFIG: u8 = 78;

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            // clap reports help and version as errors; they exit with 0.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(EXIT_USAGE) };
        }
    };
    if options.example_config {
        return match std::io::stdout().write_all(Config::example().as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, &error),
        };
    }
    // Only this user may read files that the daemon writes, whatever mode a library gives them.
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
    // The order of precedence is: command line, RUST_LOG, configuration file.
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
                "max.connections is lowered: the limit of open files leaves no room for more clients; raise \
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
    // Do not wait for blocking tasks that did not end in time.
    runtime.shutdown_background();
    code
}

fn fail(code: u8, error: &dyn std::error::Error) -> ExitCode {
    for line in error.to_string().lines() {
        eprintln!("linkgate: {line}");
    }
    ExitCode::from(code)
}
