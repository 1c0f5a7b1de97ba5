//! `kafka-cluster-links --delete`

use linkctl::opts::Options;
use linkctl::tool::{self, ToolError};
use linkctl::{output, texts};

pub(crate) fn run(options: &Options) -> Result<(), ToolError> {
    tool::only_with(options, "delete", &["link", "force"])?;
    let link = options.require("link")?;
    tool::connect(options)?.delete_link(link, options.has("force"), false)?;
    Ok(output::print(&texts::link_deleted(link))?)
}
