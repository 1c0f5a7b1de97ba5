//! The commands of `linkctl`: one file per noun, or one per verb of a noun.
//!
//! Data goes to stdout, everything else to stderr. The exit codes are those of [`crate::exit`].

mod clients;
mod completion;
mod journal;
mod link;
mod mirror;
mod options;
mod show;
mod status;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use options::Global;

use crate::exit::{self, Failure};
use crate::output;

const AFTER_HELP: &str = "\
Exit codes:
  0  everything asked for was done or accepted
  1  refused by Linkgate, or failed for at least one topic
  2  wrong command line; nothing was sent
  3  no usable answer from the REST API
  4  --wait gave up; the request remains in effect
  5  not confirmed; nothing was sent

Examples:
  linkctl link create dr --config bootstrap.servers=source:9092 --wait
  linkctl mirror create users orders --link dr
  linkctl mirror list --link dr --watch 2
  linkctl mirror promote users --wait
  linkctl mirror failover --all --link dr --yes --output json";

/// Manage the cluster links and mirror topics of Linkgate.
#[derive(Debug, Parser)]
#[command(name = "linkctl", version, after_help = AFTER_HELP, infer_subcommands = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Manage cluster links: the connections to source clusters.
    #[command(subcommand)]
    Link(link::Verb),
    /// Manage mirror topics: read-only copies of topics of a source cluster.
    #[command(subcommand)]
    Mirror(mirror::Verb),
    /// Show links and mirror topics together.
    Status(status::Args),
    Clients(clients::Args),
    Journal(journal::Args),
    Completion(completion::Args),
}

/// Returns the definition of the command line, for man pages and shell completions.
#[must_use]
pub fn definition() -> clap::Command {
    Cli::command()
}

/// Runs `linkctl` with the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.noun {
        Noun::Link(verb) => link::run(&cli.global, verb),
        Noun::Mirror(verb) => mirror::run(&cli.global, verb),
        Noun::Status(args) => status::run(&cli.global, &args),
        Noun::Clients(args) => clients::run(&cli.global, &args),
        Noun::Journal(args) => journal::run(&cli.global, args),
        Noun::Completion(args) => completion::run(&args, definition()),
    };
    match result {
        Ok(()) => ExitCode::from(exit::OK),
        Err(err) => {
            output::note(&format!("error: {err}"));
            hint(&err);
            ExitCode::from(err.code())
        }
    }
}

fn hint(err: &Failure) {
    if let Failure::Usage(_) = err {
        output::note("Use --help with the command for its options and examples.");
    }
}
