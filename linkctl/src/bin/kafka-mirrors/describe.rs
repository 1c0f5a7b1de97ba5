//! `kafka-mirrors --describe`

use linkctl::opts::Options;
use linkctl::tool::ToolError;
use linkctl::{layout, output, texts};

pub(crate) fn run(options: &Options) -> Result<(), ToolError> {
    let mirrors = crate::list::chosen(options, "describe")?;
    if mirrors.is_empty() {
        return Ok(output::print(texts::NO_MIRRORS)?);
    }
    let zone = jiff::tz::TimeZone::system();
    let blocks: Vec<String> =
        mirrors.iter().map(|mirror| layout::mirror_description(mirror, &zone)).collect();
    Ok(output::print(&blocks.join("\n"))?)
}
