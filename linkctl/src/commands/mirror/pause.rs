//! `linkctl mirror pause`

use crate::api::Action;
use crate::exit::Failure;

use super::act::{self, Which};
use crate::commands::options::Global;

/// `linkctl mirror pause`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  linkctl mirror pause users orders")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    act::run(global, Action::Pause, &args.which, None, None)
}
