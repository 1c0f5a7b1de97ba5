//! `linkctl mirror …`: one file per verb.

mod act;
mod create;
mod describe;
mod failover;
mod filler;
mod list;
mod pause;
mod promote;
mod resume;

use crate::exit::Failure;
use clap::Subcommand;

use crate::commands::options::Global;

/// Commands for mirror topics.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Create mirror topics
    Create(create::Args),
    /// List mirror topics
    List(list::Args),
    /// Describe a mirror topic and its partitions
    Describe(describe::Args),
    /// Pause mirroring
    Pause(pause::Args),
    /// Resume mirroring
    Resume(resume::Args),
    /// Stop mirroring after everything is copied, and open the topics for writes
    Promote(promote::Args),
    /// Stop mirroring now, and open the topics for writes; the source may be unreachable
    Failover(failover::Args),
    Filler(filler::Args),
}

pub(crate) fn run(global: &Global, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Create(args) => create::run(global, &args),
        Verb::List(args) => list::run(global, &args),
        Verb::Describe(args) => describe::run(global, &args),
        Verb::Pause(args) => pause::run(global, &args),
        Verb::Resume(args) => resume::run(global, &args),
        Verb::Promote(args) => promote::run(global, &args),
        Verb::Failover(args) => failover::run(global, &args),
        Verb::Filler(args) => filler::run(global, &args),
    }
}
