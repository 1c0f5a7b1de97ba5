//! `kafka-mirrors --list`: prints only names, so that other tools can read them.

use linkctl::opts::Options;
use linkctl::rest::MirrorData;
use linkctl::select::Shown;
use linkctl::tool::{self, ToolError};
use linkctl::{output, texts};

const OWN: &[&str] = &["link", "links", "topics", "pending-stopped-only", "include-stopped"];

pub(crate) fn run(options: &Options) -> Result<(), ToolError> {
    let mirrors = chosen(options, "list")?;
    if mirrors.is_empty() {
        output::note(texts::NO_MIRRORS);
        return Ok(());
    }
    let names: Vec<&str> = mirrors.iter().map(|mirror| mirror.mirror_topic_name.as_str()).collect();
    Ok(output::print(&names.join("\n"))?)
}

/// Returns the mirror topics that a listing's options select.
pub(crate) fn chosen(options: &Options, action: &str) -> Result<Vec<MirrorData>, ToolError> {
    tool::only_with(options, action, OWN)?;
    let (links, topics) = (crate::links(options)?, options.names("topics")?);
    let shown = Shown {
        topics: &topics,
        pending_stopped_only: options.has("pending-stopped-only"),
        include_stopped: options.has("include-stopped"),
    };
    let mut mirrors = tool::connect(options)?.mirrors_named(&links, &topics)?;
    mirrors.retain(|mirror| shown.contains(mirror));
    Ok(mirrors)
}
