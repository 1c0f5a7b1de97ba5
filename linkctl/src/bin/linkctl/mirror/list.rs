//! `linkctl mirror list`

use linkctl::exit::Failure;
use linkctl::select::Shown;
use linkctl::watch;

use crate::options::{Global, Watch};
use crate::show;

/// `linkctl mirror list`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only mirror topics of this link
    #[arg(long)]
    link: Vec<String>,
    /// Only those that are being stopped
    #[arg(long)]
    pending_stopped_only: bool,
    /// Those that have stopped, too
    #[arg(long)]
    include_stopped: bool,
    #[command(flatten)]
    watch: Watch,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let shown = Shown {
        topics: &[],
        pending_stopped_only: args.pending_stopped_only,
        include_stopped: args.include_stopped,
    };
    watch::show(args.watch.interval(), || {
        let mut mirrors = global.connect()?.mirrors_of(&args.link)?;
        mirrors.retain(|mirror| shown.contains(mirror));
        show::render(global.output, &mirrors, "No mirror topics.", || show::mirrors(&mirrors))
    })
}
