//! `linkctl mirror list`

use crate::exit::Failure;
use crate::select::Shown;
use crate::watch;

use crate::commands::options::{Global, Watch};
use crate::commands::show;

/// `linkctl mirror list`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only mirror topics of this link
    #[arg(long)]
    link: Vec<String>,
    /// Only topics that are being stopped
    #[arg(long)]
    pending_stopped_only: bool,
    /// Also topics that have stopped
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
