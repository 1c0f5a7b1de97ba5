//! `linkctl mirror failover`

use crate::api::Action;
use crate::exit::Failure;

use super::act::{self, Which};
use crate::commands::options::{Confirm, Global, Wait};

/// `linkctl mirror failover`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  linkctl mirror failover users --wait\n  linkctl mirror failover --all --link dr --yes --output json"
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
    act::run(global, Action::Failover, &args.which, Some(&args.confirm), args.wait.timeout())
}
