//! Output of a run: a table on standard output, docs/performance.md, pictures, and all values as JSON.

pub mod environment;
pub mod page;
pub mod plot;

use std::path::Path;

use serde::Serialize;

use crate::finding::{Finding, number};
use crate::spread::{median, range};
use environment::Environment;

/// Results of one run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Machine and software versions.
    pub environment: Environment,
    /// Names of the jobs that ran.
    pub jobs: Vec<String>,
    /// All measurements.
    pub findings: Vec<Finding>,
}

/// Headings of the table.
pub const COLUMNS: [&str; 7] = ["job", "goal", "peer", "ours", "ratio", "spread", "met"];

/// Formats one row of the table, for the terminal and for the page.
#[must_use]
pub fn row(finding: &Finding) -> [String; 7] {
    let unit = finding.unit;
    let peer = if finding.peer_values.is_empty() {
        "-".to_owned()
    } else {
        format!("{} {unit} ({})", number(median(&finding.peer_values)), finding.peer)
    };
    let spread = |values: &[f64]| {
        let (low, high) = range(values);
        if values.len() < 2 { "one run".to_owned() } else { format!("{}-{}", number(low), number(high)) }
    };
    let met = match finding.is_met() {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    [
        format!("{}: {}", finding.job, finding.quantity),
        finding.goal(),
        peer,
        format!("{} {unit}", number(median(&finding.our_values))),
        finding.ratio().map_or_else(|| "-".to_owned(), number),
        if finding.peer_values.is_empty() {
            spread(&finding.our_values)
        } else {
            format!("{} / {}", spread(&finding.peer_values), spread(&finding.our_values))
        },
        met.to_owned(),
    ]
}

/// Prints the table.
pub fn print(findings: &[Finding]) {
    let rows: Vec<_> = findings.iter().map(row).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([COLUMNS[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        println!("{}", padded.collect::<Vec<_>>().join("  ").trim_end());
    };
    line(&COLUMNS.map(str::to_owned));
    for row in &rows {
        line(row);
    }
}

impl Report {
    /// Writes `performance/results.json`, and the page with its pictures, into `docs`.
    ///
    /// # Errors
    /// Fails if a file cannot be written, or if the page has no marks.
    pub fn write(&self, docs: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(docs.join("performance"))?;
        let json = serde_json::to_string_pretty(self).map_err(std::io::Error::other)?;
        std::fs::write(docs.join("performance/results.json"), json + "\n")?;
        let pictures = plot::draw(&self.findings, &docs.join("performance"))?;
        page::write(self, &pictures, &docs.join("performance.md"))
    }
}
