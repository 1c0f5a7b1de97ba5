//! Looks up the start offsets of a new mirror topic on the source, before anything is created.

use state::model::link_config::StartOffset;

use crate::client::admin::Isolation;
use crate::client::types::OffsetSpec;
use crate::client::{ClientError, Cluster};

/// Range of one partition on the source, and the start offset of its mirror. All offsets are source offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceRange {
    /// Log start offset of the source.
    pub log_start: i64,
    /// Start offset of the mirror. Everything below it is filled and then trimmed.
    pub start: i64,
    /// High watermark of the source.
    pub end: i64,
}

impl SourceRange {
    /// Returns the number of offsets to fill before the first record is copied.
    #[must_use]
    pub fn to_fill(self) -> u64 {
        u64::try_from(self.start).unwrap_or(0)
    }

    /// Returns the number of offsets to copy, as of now.
    #[must_use]
    pub fn to_copy(self) -> u64 {
        u64::try_from(self.end.saturating_sub(self.start)).unwrap_or(0)
    }
}

/// Returns the range of each partition of a source topic, in partition order.
///
/// `latest` means the high watermark: records that only the leader has may still be lost.
///
/// # Errors
/// Fails with the error of the first partition whose offsets the source does not return.
pub(crate) async fn ranges(
    source: &Cluster,
    topic: &str,
    partitions: u32,
    start: StartOffset,
) -> Result<Vec<SourceRange>, ClientError> {
    let log_starts = offsets(source, topic, partitions, OffsetSpec::Earliest);
    let ends = offsets(source, topic, partitions, OffsetSpec::Latest);
    let (log_starts, ends) = futures::future::try_join(log_starts, ends).await?;
    let starts = match start {
        StartOffset::Earliest => log_starts.clone(),
        StartOffset::Latest => ends.clone(),
        StartOffset::Timestamp(ms) => offsets(source, topic, partitions, OffsetSpec::Timestamp(ms)).await?,
    };
    let ranges = log_starts.into_iter().zip(starts).zip(ends);
    Ok(ranges.map(|((log_start, start), end)| range(log_start, start, end)).collect())
}

/// Builds a range. `start` is -1 if no record has the requested timestamp or a later one.
fn range(log_start: i64, start: i64, end: i64) -> SourceRange {
    let start = if start < 0 { end } else { start };
    SourceRange { log_start, start, end: end.max(start) }
}

async fn offsets(
    source: &Cluster,
    topic: &str,
    partitions: u32,
    spec: OffsetSpec,
) -> Result<Vec<i64>, ClientError> {
    let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
    let wanted = (0..partitions).map(|partition| (topic.to_owned(), partition, spec)).collect();
    let answers = source.list_offsets(wanted, Isolation::ReadUncommitted).await;
    // The keys are sorted: one topic, and its partitions by number.
    answers.into_values().map(|answer| answer.map(|listed| listed.offset)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_after_the_last_record_means_the_end() {
        assert_eq!(range(40, -1, 90), SourceRange { log_start: 40, start: 90, end: 90 });
        assert_eq!(range(40, 41, 90).start, 41);
    }

    #[test]
    fn offsets_below_the_start_are_filled_and_the_rest_is_copied() {
        let from_70 = range(40, 70, 90);
        assert_eq!((from_70.to_fill(), from_70.to_copy()), (70, 20));
        // Records arrived between the two requests.
        let grown = range(40, 95, 90);
        assert_eq!((grown.to_fill(), grown.to_copy()), (95, 0));
        assert_eq!(range(0, 0, 0).to_fill(), 0);
    }
}
