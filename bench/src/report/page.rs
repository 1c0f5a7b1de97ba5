//! Writes the results into docs/performance.md, between two marks. The handwritten text around them stays.

use std::fmt::Write as _;
use std::path::Path;

use super::{COLUMNS, Report, row};

const BEGIN: &str = "<!-- measured: written by make bench -->";
const END: &str = "<!-- end of measured -->";

/// Replaces the text between the marks of the page at `path` with the tables and pictures of `report`.
///
/// # Errors
/// Fails if the page has no marks, or if it cannot be read or written.
pub fn write(report: &Report, pictures: &[String], path: &Path) -> std::io::Result<()> {
    let page = std::fs::read_to_string(path)?;
    let outside = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = outside.ok_or_else(|| {
        std::io::Error::other(format!("{} has no {BEGIN} and {END} to write between", path.display()))
    })?;
    std::fs::write(path, format!("{before}{BEGIN}\n{}\n{END}{after}", measured(report, pictures)))
}

fn measured(report: &Report, pictures: &[String]) -> String {
    let here = &report.environment;
    let mut text = format!(
        "\n{} ({} cores, {} GiB), Linux {}, Kafka {}, HAProxy {}, {}.{}\n\n",
        here.processor,
        here.cores,
        here.memory_gib,
        here.kernel,
        here.kafka,
        here.haproxy,
        here.java,
        if here.quick { " A quick run: for orientation only." } else { "" }
    );
    let _ = writeln!(text, "| {} |", COLUMNS.join(" | "));
    let _ = writeln!(text, "|{}", "---|".repeat(COLUMNS.len()));
    for finding in &report.findings {
        let _ = writeln!(text, "| {} |", row(finding).join(" | "));
    }
    for picture in pictures {
        let _ = write!(text, "\n![{picture}](performance/{picture})\n");
    }
    text
}
