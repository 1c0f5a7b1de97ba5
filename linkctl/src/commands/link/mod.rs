//! `linkctl link …`: one file per verb.

mod configs;
mod create;
mod delete;
mod describe;
mod list;
mod tasks;

use crate::exit::Failure;
use clap::Subcommand;

use crate::commands::options::Global;

/// Commands for links.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Create a link to a source cluster
    Create(create::Args),
    /// List links
    List(list::Args),
    /// Describe one link with its configs
    Describe(describe::Args),
    /// Delete a link
    Delete(delete::Args),
    /// List or alter the configs of a link
    #[command(subcommand)]
    Configs(configs::Verb),
    /// Show the periodic tasks of a link and their errors
    Tasks(tasks::Args),
}

pub(crate) fn run(global: &Global, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Create(args) => create::run(global, &args),
        Verb::List(args) => list::run(global, &args),
        Verb::Describe(args) => describe::run(global, &args),
        Verb::Delete(args) => delete::run(global, &args),
        Verb::Configs(verb) => configs::run(global, verb),
        Verb::Tasks(args) => tasks::run(global, &args),
    }
}
