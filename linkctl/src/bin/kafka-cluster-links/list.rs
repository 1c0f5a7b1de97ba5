//! `kafka-cluster-links --list`

use linkctl::api::Api;
use linkctl::opts::Options;
use linkctl::rest::LinkData;
use linkctl::tool::{self, ToolError};
use linkctl::{layout, output, texts};

pub(crate) fn run(options: &Options) -> Result<(), ToolError> {
    tool::only_with(options, "list", &["link", "include-topics", "cluster-id"])?;
    let api = tool::connect(options)?;
    let links = chosen(&api, options)?;
    if links.is_empty() {
        return Ok(output::print(texts::NO_LINKS)?);
    }
    let include_topics = options.has("include-topics");
    let lines: Vec<String> =
        links.iter().map(|link| layout::link_line(link, api.cluster_id(), include_topics)).collect();
    Ok(output::print(&lines.join("\n"))?)
}

/// Returns the link of `--link`, or all links. `--cluster-id` keeps only the links of that source cluster.
pub(crate) fn chosen(api: &Api, options: &Options) -> Result<Vec<LinkData>, ToolError> {
    let mut links = match options.get("link") {
        Some(link) => vec![api.link(link, false)?],
        None => api.links()?,
    };
    if let Some(id) = options.get("cluster-id") {
        links.retain(|link| link.source_cluster_id.as_deref() == Some(id));
    }
    Ok(links)
}
