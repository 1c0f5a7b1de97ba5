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

use clap::Subcommand;
use linkctl::exit::Failure;

use crate::options::Global;

/// What to do with mirror topics.
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
    /// Go on mirroring
    Resume(resume::Args),
    /// Stop mirroring once everything is copied, and open the topics for writes
    Promote(promote::Args),
    /// Stop mirroring now, and open the topics for writes; the source may be gone
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
