//! Rewrites ShareFetch and ShareAcknowledge responses: replaces broker addresses, and hides filler from share
//! consumers.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use bytes::Bytes;

use crate::wire::messages::share_fetch_request::Gaps;
use crate::wire::messages::share_response::{
    Acquired, Replacement, ShareAcknowledgeResponse, ShareFetchResponse, SharedPartition,
};
use crate::wire::protocol::header::response_body_at;
use crate::wire::protocol::topic_ref::TopicRef;
use crate::wire::protocol::versions::Api;

use crate::gateway::error::ResponseError;
use crate::gateway::frame::strip_budget::StripBudget;
use crate::gateway::response::Rewriter;
use crate::gateway::response::filler_filter::hide_in;

impl Rewriter {
    pub(crate) async fn share_fetch(
        &self,
        frame: Bytes,
        api: &Api,
        version: i16,
        sifting: &mut StripBudget<'_>,
    ) -> Result<Vec<Bytes>, ResponseError> {
        let body_at = response_body_at(&frame, api.has_flexible_response_header(version))?;
        let response = ShareFetchResponse::read(frame.clone(), body_at, version)?;
        let (mut replaced, mut gaps) = (Vec::new(), Gaps::new());
        // No batch may be left out: a consumer takes offsets that it acquired and does not receive for gaps.
        sifting.look_into_all();
        if !self.guards.is_empty() {
            for (at, partition) in response.partitions.iter().enumerate() {
                let hidden = self.hidden(&response, at, partition, sifting).await;
                let Some((replacement, unseen)) = hidden else { continue };
                replaced.push(replacement);
                if !unseen.is_empty() {
                    let _ = gaps.insert((partition.topic, partition.index), unseen);
                }
            }
        }
        if replaced.is_empty() && response.node_endpoints.is_empty() {
            return Ok(vec![frame]);
        }
        let lock = Duration::from_millis(u64::try_from(response.lock_ms).unwrap_or(0));
        self.gaps.note(gaps, lock);
        Ok(response.splice(replaced, &self.readdressed(&response.node_endpoints)))
    }

    pub(crate) fn share_acknowledge(
        &self,
        frame: Bytes,
        api: &Api,
        version: i16,
    ) -> Result<Vec<Bytes>, ResponseError> {
        let body_at = response_body_at(&frame, api.has_flexible_response_header(version))?;
        let response = ShareAcknowledgeResponse::read(frame, body_at, version)?;
        Ok(response.splice(&self.readdressed(&response.node_endpoints)))
    }

    /// Returns the records of a partition without its filler, and the offsets that the consumer acquired
    /// without seeing them. Returns `None` if nothing changes.
    async fn hidden(
        &self,
        response: &ShareFetchResponse,
        at: usize,
        partition: &SharedPartition,
        sifting: &mut StripBudget<'_>,
    ) -> Option<(Replacement, Vec<RangeInclusive<i64>>)> {
        let guard = self.guards.of(&TopicRef::Id(partition.topic))?;
        let records = response.records(partition);
        let mut filtered = hide_in(&guard, partition.index, &records, sifting).await?;
        self.metrics.hidden(&guard.topic, filtered.hidden);
        if filtered.ends_with_control {
            // Nothing of the run stays acquired, so no control batch must stand for it.
            let _ = filtered.pieces.pop();
        }
        let (acquired, unseen) = split(&partition.acquired, &filtered.runs);
        Some((Replacement { at, records: filtered.pieces, acquired }, unseen))
    }
}

/// Splits acquired offsets into those outside and those inside of the runs. Both lists must be ascending.
fn split(acquired: &[Acquired], runs: &[Range<i64>]) -> (Vec<Acquired>, Vec<RangeInclusive<i64>>) {
    let (mut outside, mut inside) = (Vec::with_capacity(acquired.len()), Vec::new());
    for range in acquired {
        let mut from = range.first;
        for run in runs.iter().filter(|run| run.start <= range.last && run.end > range.first) {
            let (first, last) = (run.start.max(range.first), (run.end - 1).min(range.last));
            if from < first {
                outside.push(Acquired { first: from, last: first - 1, ..*range });
            }
            inside.push(first..=last);
            from = last.saturating_add(1);
        }
        if from <= range.last {
            outside.push(Acquired { first: from, ..*range });
        }
    }
    (outside, inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acquired(first: i64, last: i64) -> Acquired {
        Acquired { first, last, delivery_count: 1 }
    }

    #[test]
    fn acquired_offsets_are_split_at_the_runs() {
        let all = [acquired(0, 99), acquired(200, 299)];
        assert_eq!(split(&all, &[]), (all.to_vec(), vec![]));
        let (outside, inside) = split(&all, &[-5..10, 50..60, 90..210, 300..400]);
        assert_eq!(outside, [acquired(10, 49), acquired(60, 89), acquired(210, 299)]);
        assert_eq!(inside, [0..=9, 50..=59, 90..=99, 200..=209]);
        assert_eq!(split(&all, &[0..150, 150..300]), (vec![], vec![0..=99, 200..=299]));
    }
}
