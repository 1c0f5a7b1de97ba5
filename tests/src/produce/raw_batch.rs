//! Builds batches by hand and writes them unchanged.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, TopicName};
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};

use crate::client::{Connection, Error, text};

/// Returns the current time in milliseconds since the epoch. Records with an old timestamp would be deleted
/// by retention at once.
#[must_use]
pub fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// Returns a record without a producer id.
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

/// Encodes the records as one uncompressed batch.
///
/// # Panics
/// Panics if they cannot be encoded.
#[must_use]
pub fn batch(mut records: Vec<Record>) -> Bytes {
    for (offset, record) in (0i64..).zip(&mut records) {
        record.offset = offset;
        // The difference to the offset must be the same in all records of a batch. With -1 the batch has no
        // base sequence, as it has no producer id.
        record.sequence = i32::try_from(offset).unwrap_or(i32::MAX) - 1;
    }
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap_or_else(|e| panic!("a batch: {e}"));
    bytes.freeze()
}

/// Writes a batch to the partition leader.
///
/// # Errors
/// Fails if the broker does not answer, or refuses the batch.
pub fn write(connection: &mut Connection, topic: &str, partition: i32, batch: &Bytes) -> Result<(), Error> {
    let p = PartitionProduceData::default().with_index(partition).with_records(Some(batch.clone()));
    let t = TopicProduceData::default().with_name(TopicName(text(topic))).with_partition_data(vec![p]);
    let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![t]);
    let answer = connection.ask(9, &request)?;
    let code =
        answer.responses.first().and_then(|t| t.partition_responses.first()).map_or(-1, |p| p.error_code);
    Error::check("produce", code)
}
