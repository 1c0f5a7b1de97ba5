//! `kafka-cluster-links`: creates, lists, describes and deletes cluster links, like Confluent's tool.

mod create;
mod delete;
mod describe;
mod list;

use std::process::ExitCode;

use linkctl::opts::Options;
use linkctl::tool::{self, ToolError};
use linkctl::tools::CLUSTER_LINKS;

const ACTIONS: [&str; 4] = ["create", "list", "describe", "delete"];

fn main() -> ExitCode {
    tool::run(&CLUSTER_LINKS, execute)
}

fn execute(options: &Options) -> Result<(), ToolError> {
    match options.one_of(&ACTIONS)? {
        "create" => create::run(options),
        "list" => list::run(options),
        "describe" => describe::run(options),
        _ => delete::run(options),
    }
}
