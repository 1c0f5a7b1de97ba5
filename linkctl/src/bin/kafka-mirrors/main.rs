//! `kafka-mirrors`: creates, lists, describes, pauses, resumes, promotes and fails over mirror topics, like
//! Confluent's tool.

mod act;
mod create;
mod describe;
mod failover;
mod list;
mod pause;
mod promote;
mod resume;

use std::process::ExitCode;

use linkctl::opts::{Options, UsageError};
use linkctl::texts;
use linkctl::tool::{self, ToolError};
use linkctl::tools::MIRRORS;

const ACTIONS: [&str; 11] = [
    "create",
    "list",
    "describe",
    "pause",
    "resume",
    "unpause",
    "promote",
    "failover",
    "reverse-and-start",
    "reverse-and-pause",
    "truncate-and-restore",
];
/// Actions that exist because scripts use them. They are refused.
const UNSUPPORTED: [&str; 3] = ["reverse-and-start", "reverse-and-pause", "truncate-and-restore"];

fn main() -> ExitCode {
    tool::run(&MIRRORS, execute)
}

fn execute(options: &Options) -> Result<(), ToolError> {
    let action = options.one_of(&ACTIONS)?;
    if UNSUPPORTED.contains(&action) {
        return Err(ToolError::Failed(texts::unsupported(action)));
    }
    match action {
        "create" => create::run(options),
        "list" => list::run(options),
        "describe" => describe::run(options),
        "pause" => pause::run(options),
        "promote" => promote::run(options),
        "failover" => failover::run(options),
        word => resume::run(options, word),
    }
}

/// Returns the links of `--link` and `--links` together.
fn links(options: &Options) -> Result<Vec<String>, UsageError> {
    let mut links = options.names("links")?;
    if let Some(link) = options.get("link").filter(|link| !links.iter().any(|known| known == link)) {
        links.push(link.to_owned());
    }
    Ok(links)
}
