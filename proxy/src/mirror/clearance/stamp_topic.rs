//! The topic on the destination that holds the stamps: one partition, compacted, one key for each journal.

use std::collections::BTreeMap;

use kafka_protocol::messages::ProduceResponse;
use state::model::KafkaUuid;
use tracing::{info, warn};

use crate::client::connection::response_body;
use crate::client::types::OffsetSpec;
use crate::client::{ClientError, Cluster, ErrorCode};
use crate::mirror::clearance::stamp::{Stamp, StampRead, Stamps};
use crate::mirror::sync::configs::topics;
use crate::wire::messages::produce_encode::{
    EncodedTopic, PRODUCE_KEY, PRODUCE_VERSION, ProducePartition, produce,
};
use crate::wire::records::keyed_record::{keyed_batch, keyed_records};
use crate::wire::records::walk::walk;

/// Name of the topic. Clients can neither write to it nor delete it through the gateway.
pub(crate) const STAMP_TOPIC: &str = state::model::STAMP_TOPIC;

/// Number of replicas of the topic, if there are enough brokers.
const REPLICAS: usize = 3;
/// Maximum size of one read, in bytes. Stamps have some hundred bytes, and the cleaner keeps one for each
/// journal.
const MOST_BYTES: usize = 32 << 20;
/// Maximum size of one decompressed batch, in bytes.
const MOST_BATCH_BYTES: usize = 1 << 20;
/// Produce timeout: maximum time that the leader waits for its replicas, in ms.
const REPLICATED_WITHIN_MS: i32 = 5_000;

/// Reasons why stamps could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StampError {
    /// The destination does not authorise Linkgate, or its policy forbids it.
    #[error("the destination does not allow it: {0}")]
    Denied(ClientError),
    /// The request failed. A retry may succeed.
    #[error("{0}")]
    Client(ClientError),
    /// The content of the topic cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

impl From<ClientError> for StampError {
    fn from(error: ClientError) -> Self {
        match error.code() {
            Some(
                ErrorCode::TOPIC_AUTHORIZATION_FAILED
                | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
                // The policy of the cluster forbids the creation.
                | ErrorCode::POLICY_VIOLATION,
            ) => StampError::Denied(error),
            _ => StampError::Client(error),
        }
    }
}

/// The topic, and the position up to which it was read.
#[derive(Debug)]
pub(crate) struct StampTopic {
    cluster: Cluster,
    journal: KafkaUuid,
    /// The next offset to read. `None` before the first read.
    next: Option<i64>,
    pub(crate) stamps: Stamps,
}

impl StampTopic {
    pub(crate) fn new(cluster: Cluster, journal: KafkaUuid) -> Self {
        StampTopic { cluster, journal, next: None, stamps: Stamps::for_journal(journal) }
    }

    /// Ensures that the topic exists. Returns its id, or zero if the broker does not tell it.
    pub(crate) async fn make(&self) -> Result<KafkaUuid, StampError> {
        if let Some(found) = topics::describe(&self.cluster, STAMP_TOPIC).await? {
            return Ok(found.id);
        }
        let brokers = self.cluster.cached().map_or(1, |cached| cached.brokers.len());
        let configs = BTreeMap::from(
            [
                ("cleanup.policy", "compact"),
                ("compression.type", "producer"),
                // The broker's clock applies, so the clocks of the Linkgates need not agree.
                ("message.timestamp.type", "LogAppendTime"),
                // 6 hours: the cleaner does not clean the newest segment.
                ("segment.ms", "21600000"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let replicas = i16::try_from(brokers.clamp(1, REPLICAS)).unwrap_or(1);
        match self.cluster.create_topic(STAMP_TOPIC, 1, Some(replicas), &configs, false).await {
            Ok(made) => {
                info!(topic = STAMP_TOPIC, replicas, "created the topic for the journal's stamp");
                Ok(made.id)
            }
            // Another Linkgate was faster.
            Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {
                let found = topics::describe(&self.cluster, STAMP_TOPIC).await?;
                Ok(found.map_or(KafkaUuid::ZERO, |found| found.id))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what was written since the last read, up to the high watermark. Returns the stamps in it.
    pub(crate) async fn read(&mut self) -> Result<Vec<StampRead>, StampError> {
        let list = |spec| self.cluster.list_offset(STAMP_TOPIC, 0, spec);
        let start = list(OffsetSpec::Earliest).await?.offset;
        let end = list(OffsetSpec::Latest).await?.offset;
        // If the log ends before the position that was read, it is a new log.
        let mut next = self.next.filter(|next| *next <= end).unwrap_or(start).max(start);
        let (mut news, mut bytes, garbage) = (Vec::new(), 0, self.stamps.garbage);
        while next < end {
            let records = self.cluster.records_at(STAMP_TOPIC, 0, next).await?.unwrap_or_default();
            bytes += records.len();
            let before = next;
            for batch in walk(&records) {
                let Ok(batch) = batch else { break };
                if batch.header.next_offset() <= next {
                    continue;
                }
                next = batch.header.next_offset();
                match keyed_records(&batch, MOST_BATCH_BYTES) {
                    Ok(records) => news.extend(records.iter().filter_map(|record| self.stamps.take(record))),
                    Err(_) => self.stamps.garbage += 1,
                }
            }
            if next == before {
                return Err(StampError::Unreadable(format!(
                    "topic '{STAMP_TOPIC}' has no readable record at offset {next}, but ends at {end}"
                )));
            }
            if bytes > MOST_BYTES {
                // The next read continues here.
                self.next = Some(next);
                return Err(StampError::Unreadable(format!(
                    "topic '{STAMP_TOPIC}' has more than {MOST_BYTES} bytes, which Linkgate did not write"
                )));
            }
        }
        self.next = Some(next);
        if self.stamps.garbage > garbage {
            let records = self.stamps.garbage - garbage;
            warn!(topic = STAMP_TOPIC, records, "ignored records that are not stamps of a journal");
        }
        Ok(news)
    }

    /// Writes the journal's stamp to all in-sync replicas.
    pub(crate) async fn write(&self, stamp: Stamp) -> Result<(), StampError> {
        let value = stamp.to_json();
        let key = self.journal.to_string();
        let batch = keyed_batch(key.as_bytes(), &value, crate::clock::now_ms())
            .map_err(|error| StampError::Unreadable(error.to_string()))?;
        let written = self.cluster.retrying(Some(STAMP_TOPIC), || async {
            let led = self.cluster.partition(STAMP_TOPIC, 0).await?;
            let broker = self.cluster.broker(led.leader).await?;
            let partition =
                ProducePartition { index: 0, header: bytes::Bytes::new(), payload: batch.clone() };
            let topic =
                EncodedTopic { name: STAMP_TOPIC.to_owned(), id: [0; 16], partitions: vec![partition] };
            let segments = produce(PRODUCE_VERSION, -1, REPLICATED_WITHIN_MS, &[topic]);
            let body = broker.send_segments(PRODUCE_KEY, PRODUCE_VERSION, segments).await?.await?;
            let api = format!("Produce {STAMP_TOPIC}-0");
            let response = response_body::decoded::<ProduceResponse>(PRODUCE_KEY, body, PRODUCE_VERSION)
                .map_err(|error| broker.misfit(&api, error.to_string()))?;
            let answer = response.responses.iter().flat_map(|topic| &topic.partition_responses).next();
            let answer = answer.ok_or_else(|| broker.misfit(&api, "no answer".into()))?;
            let text = answer.error_message.as_deref().unwrap_or_default();
            ErrorCode(answer.error_code).ok().map_err(|code| broker.answered(&api, code, text))
        });
        Ok(written.await?)
    }
}
