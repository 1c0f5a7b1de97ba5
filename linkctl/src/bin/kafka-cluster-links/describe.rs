//! `kafka-cluster-links --describe`

use linkctl::opts::Options;
use linkctl::tool::{self, ToolError};
use linkctl::{layout, output, texts};

pub(crate) fn run(options: &Options) -> Result<(), ToolError> {
    tool::only_with(options, "describe", &["link", "include-topics", "cluster-id"])?;
    let api = tool::connect(options)?;
    let links = crate::list::chosen(&api, options)?;
    if links.is_empty() {
        return Ok(output::print(texts::NO_LINKS)?);
    }
    let mut blocks = Vec::new();
    for link in &links {
        let configs = api.link_configs(&link.link_name)?;
        blocks.push(layout::link_description(link, &configs, api.cluster_id(), api.address().host()));
    }
    Ok(output::print(&blocks.join("\n"))?)
}
