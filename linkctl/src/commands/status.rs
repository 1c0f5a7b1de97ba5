//! `linkctl status`

use crate::exit::Failure;
use crate::output::Format;
use crate::watch;
use serde_json::json;

use crate::commands::options::{Global, Watch};
use crate::commands::show;

/// `linkctl status`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    watch: Watch,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    watch::show(args.watch.interval(), || {
        let api = global.connect()?;
        let (links, mirrors) = (api.links()?, api.mirrors(None)?);
        let (link_rows, mirror_rows) = (show::links(&links), show::mirrors(&mirrors));
        Ok(match global.output {
            Format::Json => {
                format!("{:#}", json!({"cluster_id": api.cluster_id(), "links": links, "mirrors": mirrors}))
            }
            Format::Plain => [link_rows.plain(), mirror_rows.plain()].join("\n"),
            Format::Table => {
                let or = |rows: crate::table::Rows, empty: &str| {
                    if rows.is_empty() { empty.to_owned() } else { rows.table() }
                };
                format!(
                    "Linkgate at {}, destination cluster {}\n\n{}\n\n{}",
                    api.address().url,
                    api.cluster_id(),
                    or(link_rows, "No cluster links."),
                    or(mirror_rows, "No mirror topics.")
                )
            }
        })
    })
}
