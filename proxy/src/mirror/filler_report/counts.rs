//! Results of a census, and the verdict on the gateway. Pure functions.

use state::model::{MirrorState, MirrorTopic};

use crate::mirror::filler_report::{FillerReport, ReportState};
use crate::wire::records::batch::BatchHeader;
use crate::wire::records::filler::{FillerKind, mark};

/// Filler in one partition of the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionFiller {
    /// Start of the log when it was read.
    pub log_start: i64,
    /// Offset at which the reading ends: the end of the mirror if it was stopped, else the high watermark.
    pub end: i64,
    /// Offset up to which the log was read.
    pub scanned_to: i64,
    /// Number of offsets covered by batches that the gateway must change or drop: filler, mixed batches, and
    /// batches that the log cleaner rewrote and that may hold sentinels.
    pub filler_offsets: i64,
    /// Number of those batches.
    pub filler_batches: i64,
    /// Last offset of the last of those batches. `None` if there is no filler.
    pub last_filler_offset: Option<i64>,
}

impl PartitionFiller {
    /// Creates the tally of a log of which nothing was read. A log that begins beyond `end` needs no reading.
    pub(crate) fn new(log_start: i64, end: i64) -> Self {
        let end = end.max(log_start);
        PartitionFiller {
            log_start,
            end,
            scanned_to: log_start,
            filler_offsets: 0,
            filler_batches: 0,
            last_filler_offset: None,
        }
    }

    pub(crate) fn is_read(&self) -> bool {
        self.scanned_to >= self.end
    }

    /// Counts the next batch of the log. Ignores offsets of the batch below the log start and beyond the end.
    pub(crate) fn count(&mut self, header: &BatchHeader) {
        let first = header.base_offset.max(self.scanned_to);
        let next = header.next_offset().min(self.end);
        if first < next && mark(header) != FillerKind::Real {
            self.filler_offsets += next - first;
            self.filler_batches += 1;
            self.last_filler_offset = Some(next - 1);
        }
        self.scanned_to = self.scanned_to.max(next);
    }

    /// Marks the partition as read: there is nothing more below the end.
    pub(crate) fn finish(&mut self) {
        self.scanned_to = self.end;
    }
}

impl FillerReport {
    /// Returns the number of offsets covered by filler or mixed batches, in all partitions.
    #[must_use]
    pub fn filler_offsets(&self) -> i64 {
        self.partitions.iter().fold(0, |sum: i64, tally| sum.saturating_add(tally.filler_offsets))
    }

    /// Returns how much of the logs was read, in percent. 0 until their bounds are known.
    #[must_use]
    pub fn percent(&self) -> u8 {
        let sum = |offsets: fn(&PartitionFiller) -> i64| -> i128 {
            self.partitions.iter().map(|tally| i128::from(offsets(tally))).sum()
        };
        let total = sum(|tally| tally.end.saturating_sub(tally.log_start));
        let read = sum(|tally| tally.scanned_to.saturating_sub(tally.log_start));
        if self.state == ReportState::Done || (total == 0 && !self.partitions.is_empty()) {
            return 100;
        }
        u8::try_from(read * 100 / total.max(1)).unwrap_or(100)
    }
}

/// Answer to the question whether clients of a topic need the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GatewayNeed {
    /// `None` while it is not known.
    pub gateway_needed: Option<bool>,
    /// The reason, as a sentence without a full stop.
    pub explanation: String,
}

/// Decides from the latest census whether clients need the gateway.
#[must_use]
pub(crate) fn verdict(mirror: &MirrorTopic, census: Option<&FillerReport>) -> GatewayNeed {
    let told = |gateway_needed, explanation: &str| GatewayNeed {
        gateway_needed,
        explanation: explanation.to_owned(),
    };
    if !matches!(mirror.state, MirrorState::Stopped { .. }) {
        let text = "the topic is still a mirror: the gateway keeps clients from writing to it and from seeing filler";
        return told(Some(true), text);
    }
    let Some(census) = census else {
        return told(None, "not known yet: no scan has been requested since the daemon started");
    };
    let last = (0..).zip(&census.partitions).filter_map(|(partition, tally): (i32, _)| {
        tally.last_filler_offset.map(|offset| (partition, offset))
    });
    let last: Vec<(i32, i64)> = last.collect();
    if let [(partition, offset), others @ ..] = last.as_slice() {
        let others = match others.len() {
            0 => String::new(),
            1 => " and in 1 more partition".to_owned(),
            more => format!(" and in {more} more partitions"),
        };
        return GatewayNeed {
            gateway_needed: Some(true),
            explanation: format!(
                "filler up to offset {offset} of partition {partition}{others}; it goes when retention or compaction \
                 has passed it"
            ),
        };
    }
    match &census.state {
        ReportState::Running => told(None, "no filler found so far; the scan is in progress"),
        ReportState::Failed(reason) => told(None, &format!("the scan failed: {reason}")),
        ReportState::Done => {
            told(Some(false), "no filler left: consumers may read from the brokers directly")
        }
    }
}
