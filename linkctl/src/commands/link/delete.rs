//! `linkctl link delete`

use crate::exit::Failure;
use crate::output::{self, Format};
use serde_json::json;

use crate::commands::options::{Confirm, Global};

/// `linkctl link delete`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the link
    name: String,
    /// Delete the link even if it still has mirror topics
    #[arg(long)]
    force: bool,
    /// Only check that the link could be deleted
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    confirm: Confirm,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let api = global.connect()?;
    if !args.dry_run {
        args.confirm.ask(&format!("Delete link '{}'?", args.name))?;
    }
    api.delete_link(&args.name, args.force, args.dry_run)?;
    let done = if args.dry_run { "can be deleted" } else { "deleted" };
    output::note(&format!("link '{}' {done}", args.name));
    if global.output == Format::Json && !args.dry_run {
        output::print(&format!("{:#}", json!({"deleted": args.name})))?;
    }
    Ok(())
}
