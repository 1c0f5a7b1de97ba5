//! Batches made by hand and written as they are.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, TopicName};
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};

use crate::client::{Connection, Error, text};

/// Now, in milliseconds since the epoch. Records from long ago would be deleted at once.
#[must_use]
pub fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// A record of no producer.
#[must_use]
pub fn record(timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: -1,
        timestamp,
        key: key.map(Bytes::copy_from_slice),
        value: value.map(Bytes::copy_from_slice),
        headers: IndexMap::new(),
    }
}

/// One uncompressed batch of these records.
///
/// # Panics
/// When they cannot be encoded.
#[must_use]
pub fn batch(mut records: Vec<Record>) -> Bytes {
    for (offset, record) in (0i64..).zip(&mut records) {
        record.offset = offset;
        // As far behind its offset in each record of a batch; the batch then has none, as it has no producer id.
        record.sequence = i32::try_from(offset).unwrap_or(i32::MAX) - 1;
    }
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap_or_else(|e| panic!("a batch: {e}"));
    bytes.freeze()
}

/// Writes a batch to the broker that leads the partition.
///
/// # Errors
/// The broker does not answer, or refuses it.
pub fn write(connection: &mut Connection, topic: &str, partition: i32, batch: &Bytes) -> Result<(), Error> {
    let p = PartitionProduceData::default().with_index(partition).with_records(Some(batch.clone()));
    let t = TopicProduceData::default().with_name(TopicName(text(topic))).with_partition_data(vec![p]);
    let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![t]);
    let answer = connection.ask(9, &request)?;
    let code =
        answer.responses.first().and_then(|t| t.partition_responses.first()).map_or(-1, |p| p.error_code);
    Error::check("produce", code)
}
