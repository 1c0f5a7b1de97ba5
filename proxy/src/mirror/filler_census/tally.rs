//! What a census has found, and what follows from it. Pure.

use state::model::{MirrorState, MirrorTopic};

use super::{Census, CensusState};
use crate::wire::batch::BatchHeader;
use crate::wire::filler::{Mark, mark};

/// What one partition of the destination holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionTally {
    /// Where its log began when it was read.
    pub log_start: i64,
    /// Where the reading ends: at the end of the mirror when it was stopped, else at the high watermark.
    pub end: i64,
    /// Everything below has been read.
    pub scanned_to: i64,
    /// Offsets covered by batches that the gateway must change or drop: filler, mixed ones, and those that the log
    /// cleaner rewrote and that may hold sentinels.
    pub filler_offsets: i64,
    /// Those batches.
    pub filler_batches: i64,
    /// Last offset of the last of them; `None` for no filler.
    pub last_filler_offset: Option<i64>,
}

impl PartitionTally {
    /// Nothing read yet. A log that begins behind `end` needs no reading.
    pub(super) fn new(log_start: i64, end: i64) -> Self {
        let end = end.max(log_start);
        PartitionTally {
            log_start,
            end,
            scanned_to: log_start,
            filler_offsets: 0,
            filler_batches: 0,
            last_filler_offset: None,
        }
    }

    pub(super) fn is_read(&self) -> bool {
        self.scanned_to >= self.end
    }

    /// Counts the next batch of the log. What it has below the log's start or behind the end does not count.
    pub(super) fn count(&mut self, header: &BatchHeader) {
        let first = header.base_offset.max(self.scanned_to);
        let next = header.next_offset().min(self.end);
        if first < next && mark(header) != Mark::Real {
            self.filler_offsets += next - first;
            self.filler_batches += 1;
            self.last_filler_offset = Some(next - 1);
        }
        self.scanned_to = self.scanned_to.max(next);
    }

    /// Nothing more stands below the end.
    pub(super) fn finish(&mut self) {
        self.scanned_to = self.end;
    }
}

impl Census {
    /// Offsets covered by batches of or with filler, in all partitions.
    #[must_use]
    pub fn filler_offsets(&self) -> i64 {
        self.partitions.iter().fold(0, |sum: i64, tally| sum.saturating_add(tally.filler_offsets))
    }

    /// How much of the logs has been read, in percent; 0 until their bounds are known.
    #[must_use]
    pub fn percent(&self) -> u8 {
        let sum = |offsets: fn(&PartitionTally) -> i64| -> i128 {
            self.partitions.iter().map(|tally| i128::from(offsets(tally))).sum()
        };
        let total = sum(|tally| tally.end.saturating_sub(tally.log_start));
        let read = sum(|tally| tally.scanned_to.saturating_sub(tally.log_start));
        if self.state == CensusState::Done || (total == 0 && !self.partitions.is_empty()) {
            return 100;
        }
        u8::try_from(read * 100 / total.max(1)).unwrap_or(100)
    }
}

/// Whether clients of a topic need the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// `None` while that is not known.
    pub gateway_needed: Option<bool>,
    /// Why, as a sentence without a full stop.
    pub explanation: String,
}

/// What the latest census says of the gateway.
#[must_use]
pub fn verdict(mirror: &MirrorTopic, census: Option<&Census>) -> Verdict {
    let told =
        |gateway_needed, explanation: &str| Verdict { gateway_needed, explanation: explanation.to_owned() };
    if !matches!(mirror.state, MirrorState::Stopped { .. }) {
        let text = "the topic is still a mirror: the gateway keeps clients from writing to it and from seeing filler";
        return told(Some(true), text);
    }
    let Some(census) = census else {
        return told(None, "not known yet: nobody has asked for a scan since the daemon started");
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
        return Verdict {
            gateway_needed: Some(true),
            explanation: format!(
                "filler up to offset {offset} of partition {partition}{others}; it goes when retention or compaction \
                 has passed it"
            ),
        };
    }
    match &census.state {
        CensusState::Running => told(None, "no filler found so far; the scan is under way"),
        CensusState::Failed(reason) => told(None, &format!("the scan failed: {reason}")),
        CensusState::Done => {
            told(Some(false), "no filler left: consumers may read from the brokers directly")
        }
    }
}
