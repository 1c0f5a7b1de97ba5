//! Figures of the demo: one table on the terminal, and one JSON file for programs.

use std::path::Path;

use serde::Serialize;

use crate::screen::grouped;

/// Measurements of the demo.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Number of committed records of the source. The mirror must hold all of them.
    pub(crate) records: i64,
    /// Size of their keys, values and headers, in bytes.
    pub(crate) bytes: i64,
    /// Number of records that are missing or additional, or that differ in offset, timestamp, key, value or
    /// headers.
    pub(crate) differences: i64,
    /// Number of group offsets that differ between the two sides.
    pub(crate) group_offset_differences: i64,
    /// Number of group offsets compared.
    pub(crate) group_offsets: i64,
    /// Median time from a record's timestamp on the source to its arrival at a client of the mirror, under
    /// load.
    pub(crate) lag_p50_ms: f64,
    /// 99th percentile of the same time.
    pub(crate) lag_p99_ms: f64,
    /// Largest lag of a partition, in offsets.
    pub(crate) lag_max_offsets: i64,
    /// Time from the promote command until the topic is writable.
    pub(crate) promote_ms: i64,
    /// Time from the failover command until the first accepted write.
    pub(crate) failover_to_first_write_ms: i64,
    /// Number of records that the consumer group read on both sides together.
    pub(crate) group_records_read: i64,
    /// Number of records that the group should have read.
    pub(crate) group_records_expected: i64,
    /// Number of records written through the gateway after the topics were opened.
    pub(crate) written_after: i64,
    /// Duration of the whole demo.
    pub(crate) seconds: f64,
}

impl Report {
    /// Returns true if nothing is missing, different or repeated.
    pub(crate) fn is_clean(&self) -> bool {
        self.records > 0
            && self.differences == 0
            && self.group_offsets > 0
            && self.group_offset_differences == 0
            && self.group_records_read == self.group_records_expected
    }

    pub(crate) fn write(&self, path: &Path) {
        let text = serde_json::to_string_pretty(self).expect("figures are JSON");
        std::fs::write(path, text + "\n").unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
    }

    pub(crate) fn print(&self) {
        let rows = [
            ("records compared", grouped(self.records)),
            ("bytes of keys, values and headers", grouped(self.bytes)),
            ("differences", grouped(self.differences)),
            ("group offsets compared", grouped(self.group_offsets)),
            ("group offset differences", grouped(self.group_offset_differences)),
            (
                "read by the group, source then mirror",
                format!("{} of {}", grouped(self.group_records_read), grouped(self.group_records_expected)),
            ),
            ("lag seen by a client, median", format!("{:.0} ms", self.lag_p50_ms)),
            ("lag seen by a client, 99 of 100", format!("{:.0} ms", self.lag_p99_ms)),
            ("largest lag of a partition", format!("{} records", grouped(self.lag_max_offsets))),
            ("promote, command to writable", format!("{} ms", grouped(self.promote_ms))),
            (
                "failover, command to first accepted write",
                format!("{} ms", grouped(self.failover_to_first_write_ms)),
            ),
            ("records written after that", grouped(self.written_after)),
            ("the whole demo", format!("{:.0} s", self.seconds)),
        ];
        let left = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let right = rows.iter().map(|(_, value)| value.len()).max().unwrap_or(0);
        let line = format!("+-{}-+-{}-+", "-".repeat(left), "-".repeat(right));
        println!("\n{line}");
        for (name, value) in &rows {
            println!("| {name:left$} | {value:>right$} |");
        }
        println!("{line}");
    }
}
