//! The topic of the destination that holds the stamps: one partition, compacted, one key for each journal.

use std::collections::BTreeMap;

use kafka_protocol::messages::ProduceResponse;
use state::model::KafkaUuid;
use tracing::{info, warn};

use super::stamp::{Read, Stamp, Stamps};
use crate::client::admin::OffsetSpec;
use crate::client::{ClientError, Cluster, ErrorCode, answer};
use crate::mirror::topic_admin;
use crate::wire::keyed_record::{keyed_batch, keyed_records};
use crate::wire::produce_encode::{PRODUCE_KEY, PRODUCE_VERSION, ProducePartition, ProduceTopic, produce};
use crate::wire::walk::walk;

/// The topic. Clients neither write to it nor delete it through the gateway.
pub const STAMP_TOPIC: &str = state::model::STAMP_TOPIC;

/// It is made with this many replicas, as far as there are brokers.
const REPLICAS: usize = 3;
/// More bytes than this are not read: stamps are some hundred bytes, and the cleaner keeps one for each journal.
const MOST_BYTES: usize = 32 << 20;
/// Most bytes of one batch, decompressed.
const MOST_BATCH_BYTES: usize = 1 << 20;
/// How long the leader may wait for its replicas, in ms.
const REPLICATED_WITHIN_MS: i32 = 5_000;

/// Why stamps could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum StampError {
    /// The destination does not let Linkgate.
    #[error("the destination does not allow it: {0}")]
    Denied(ClientError),
    /// It did not do it now.
    #[error("{0}")]
    Client(ClientError),
    /// What stands there cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

impl From<ClientError> for StampError {
    fn from(error: ClientError) -> Self {
        match error.code() {
            Some(
                ErrorCode::TOPIC_AUTHORIZATION_FAILED
                | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
                // A creation that the cluster's policy is against.
                | ErrorCode::POLICY_VIOLATION,
            ) => StampError::Denied(error),
            _ => StampError::Client(error),
        }
    }
}

/// The topic, and how far it was read.
#[derive(Debug)]
pub(super) struct StampTopic {
    cluster: Cluster,
    journal: KafkaUuid,
    /// The next offset to read; `None` before the first reading.
    next: Option<i64>,
    pub(super) stamps: Stamps,
}

impl StampTopic {
    pub(super) fn new(cluster: Cluster, journal: KafkaUuid) -> Self {
        StampTopic { cluster, journal, next: None, stamps: Stamps::for_journal(journal) }
    }

    /// Makes sure that there is such a topic; its id, zero where that is not told.
    pub(super) async fn make(&self) -> Result<KafkaUuid, StampError> {
        if let Some(found) = topic_admin::describe(&self.cluster, STAMP_TOPIC).await? {
            return Ok(found.id);
        }
        let brokers = self.cluster.cached().map_or(1, |cached| cached.brokers.len());
        let configs = BTreeMap::from(
            [
                ("cleanup.policy", "compact"),
                ("compression.type", "producer"),
                // Whose clock is wrong matters to nobody.
                ("message.timestamp.type", "LogAppendTime"),
                // The cleaner leaves the newest segment alone.
                ("segment.ms", "21600000"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let replicas = i16::try_from(brokers.clamp(1, REPLICAS)).unwrap_or(1);
        match self.cluster.create_topic(STAMP_TOPIC, 1, Some(replicas), &configs, false).await {
            Ok(made) => {
                info!(topic = STAMP_TOPIC, replicas, "topic for the journal's stamp created");
                Ok(made.id)
            }
            // Somebody was faster.
            Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {
                let found = topic_admin::describe(&self.cluster, STAMP_TOPIC).await?;
                Ok(found.map_or(KafkaUuid::ZERO, |found| found.id))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what was written since the last reading, up to the high watermark, and gives back the stamps among it.
    pub(super) async fn read(&mut self) -> Result<Vec<Read>, StampError> {
        let list = |spec| self.cluster.list_offset(STAMP_TOPIC, 0, spec);
        let start = list(OffsetSpec::Earliest).await?.offset;
        let end = list(OffsetSpec::Latest).await?.offset;
        // A log that ends before it was read to is another one.
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
                    "topic '{STAMP_TOPIC}' has nothing that can be read at offset {next}, and ends at {end}"
                )));
            }
            if bytes > MOST_BYTES {
                // The next reading goes on from here.
                self.next = Some(next);
                return Err(StampError::Unreadable(format!(
                    "topic '{STAMP_TOPIC}' holds more than {MOST_BYTES} bytes, which no Linkgate has written"
                )));
            }
        }
        self.next = Some(next);
        if self.stamps.garbage > garbage {
            let records = self.stamps.garbage - garbage;
            warn!(topic = STAMP_TOPIC, records, "records that are no stamps of a journal are not looked at");
        }
        Ok(news)
    }

    /// Writes the journal's stamp, on all replicas in sync.
    pub(super) async fn write(&self, stamp: Stamp) -> Result<(), StampError> {
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
                ProduceTopic { name: STAMP_TOPIC.to_owned(), id: [0; 16], partitions: vec![partition] };
            let segments = produce(PRODUCE_VERSION, -1, REPLICATED_WITHIN_MS, &[topic]);
            let body = broker.send_segments(PRODUCE_KEY, PRODUCE_VERSION, segments).await?.await?;
            let api = format!("Produce {STAMP_TOPIC}-0");
            let response = answer::decoded::<ProduceResponse>(PRODUCE_KEY, body, PRODUCE_VERSION)
                .map_err(|error| broker.misfit(&api, error.to_string()))?;
            let answer = response.responses.iter().flat_map(|topic| &topic.partition_responses).next();
            let answer = answer.ok_or_else(|| broker.misfit(&api, "no answer".into()))?;
            let text = answer.error_message.as_deref().unwrap_or_default();
            ErrorCode(answer.error_code).ok().map_err(|code| broker.answered(&api, code, text))
        });
        Ok(written.await?)
    }
}
