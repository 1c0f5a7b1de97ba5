//! `linkctl mirror resume`

use crate::api::Action;
use crate::exit::Failure;

use super::act::{self, Which};
use crate::commands::options::Global;

/// `linkctl mirror resume`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  linkctl mirror resume users orders")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    act::run(global, Action::Resume, &args.which, None, None)
}
