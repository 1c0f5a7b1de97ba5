//! `linkctl link list`

use crate::exit::Failure;
use crate::watch;

use crate::commands::options::{Global, Watch};
use crate::commands::show;

/// `linkctl link list`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    watch: Watch,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    watch::show(args.watch.interval(), || {
        let links = global.connect()?.links()?;
        show::render(global.output, &links, "No cluster links.", || show::links(&links))
    })
}
