//! Where the logs of a new mirror topic begin: looked up on the source before anything is made.

use state::model::link_config::StartOffset;

use crate::client::admin::{Isolation, OffsetSpec};
use crate::client::{ClientError, Cluster};

/// What the source holds of one partition, and from where on it is mirrored. Offsets of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceRange {
    /// Where the source's log begins.
    pub log_start: i64,
    /// Where the mirror's log begins. Everything below is filled and then trimmed.
    pub start: i64,
    /// High watermark of the source.
    pub end: i64,
}

impl SourceRange {
    /// Offsets to be filled before the first record is copied.
    #[must_use]
    pub fn to_fill(&self) -> u64 {
        u64::try_from(self.start).unwrap_or(0)
    }

    /// Offsets to be copied, as of now.
    #[must_use]
    pub fn to_copy(&self) -> u64 {
        u64::try_from(self.end.saturating_sub(self.start)).unwrap_or(0)
    }
}

/// The range of each partition of a source topic, in partition order.
///
/// `latest` is the high watermark: what a leader has and its followers have not yet may still be lost there.
///
/// # Errors
/// The first partition that the source does not tell about.
pub(super) async fn ranges(
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

/// `start` is -1 where no record has the timestamp asked for or a later one.
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
    // Keys are in order: one topic, and its partitions by number.
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
    fn what_is_below_the_start_is_filled_and_the_rest_is_copied() {
        let from_70 = range(40, 70, 90);
        assert_eq!((from_70.to_fill(), from_70.to_copy()), (70, 20));
        // Records that came between two questions.
        let grown = range(40, 95, 90);
        assert_eq!((grown.to_fill(), grown.to_copy()), (95, 0));
        assert_eq!(range(0, 0, 0).to_fill(), 0);
    }
}
