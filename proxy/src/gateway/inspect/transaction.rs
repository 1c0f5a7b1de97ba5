//! Transactions that would leave something in a read-only mirror topic are refused as a whole, as a broker does where one
//! topic may not be written: otherwise their end would write a marker there, even with every record refused.

use crate::wire::admin_requests::{Marker, TopicPartitions, read_added_partitions, read_txn_markers};
use crate::wire::header::RequestPrefix;
use crate::wire::versions;

use super::super::inflight::Answer;
use super::super::reply;
use super::super::requests::{RequestSide, Stop, request_error, response_error};

impl RequestSide {
    pub(super) async fn add_partitions(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), Stop> {
        let frame = self.take(size).await?;
        let topics = read_added_partitions(&frame, prefix.api_version)
            .map_err(|source| request_error(prefix, source))?;
        if !topics.iter().any(|topic| self.is_read_only(topic)) {
            self.expect(prefix, Answer::Pass).await?;
            return self.send(vec![frame]).await;
        }
        for topic in topics.iter().filter(|topic| self.is_read_only(topic)) {
            self.metrics.refused(topic.name.as_str(), topic.partitions.len());
        }
        let reply = reply::add_partitions_refused(prefix, topics.iter(), |topic| self.is_read_only(topic))
            .map_err(|source| response_error(prefix, source))?;
        Ok(self.expect(prefix, Answer::Local(reply)).await?)
    }

    /// Administrators end hanging transactions with markers of their own (KIP-664).
    pub(super) async fn write_markers(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), Stop> {
        let frame = self.take(size).await?;
        let markers =
            read_txn_markers(&frame, prefix.api_version).map_err(|source| request_error(prefix, source))?;
        let refused = |marker: &Marker| marker.topics.iter().any(|topic| self.is_read_only(topic));
        if !markers.iter().any(refused) {
            self.expect(prefix, Answer::Pass).await?;
            return self.send(vec![frame]).await;
        }
        let api = versions::api(prefix.api_key).map_or("", |api| api.name);
        for topic in markers.iter().flat_map(|marker| &marker.topics).filter(|t| self.is_read_only(t)) {
            self.metrics.refused_request(api, topic.name.as_str());
        }
        let reply = reply::markers_refused(prefix, &markers, |topic| self.is_read_only(topic));
        Ok(self.expect(prefix, Answer::Local(reply)).await?)
    }

    fn is_read_only(&self, topic: &TopicPartitions) -> bool {
        self.guards.read_only_name(&topic.name).is_some()
    }
}
