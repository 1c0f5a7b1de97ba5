//! `linkctl mirror promote`

use crate::api::Action;
use crate::exit::Failure;

use super::act::{self, Which};
use crate::commands::options::{Confirm, Global, Wait};

/// `linkctl mirror promote`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  linkctl mirror promote users --wait\n  linkctl mirror promote --all --link dr --yes --output json"
)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    wait: Wait,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    act::run(global, Action::Promote, &args.which, Some(&args.confirm), args.wait.timeout())
}
