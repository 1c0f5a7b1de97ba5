//! Batches made by hand and written as they are: what the protocol allows and no client library does.

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use linkgate_tests::admin::Admin;
use linkgate_tests::client::{Connection, Error, text};

/// No timestamp, the first, the last that a date library likes, and a far one.
pub(crate) const TIMESTAMPS: [i64; 6] =
    [-1, 0, 1, 1_000_000_000_000, 253_402_300_800_000, 9_000_000_000_000_000];

/// Writes all shapes to partition 0 of `topic`; how many records they are.
pub(crate) fn write_all_shapes(bootstrap: &str, topic: &str) -> usize {
    let mut batches: Vec<Vec<Record>> = Vec::new();
    // Each timestamp alone, then all of them in one batch, forwards and backwards.
    batches.extend(TIMESTAMPS.iter().map(|t| vec![record(*t, Some(b"alone"), Some(b"x"))]));
    batches.push(TIMESTAMPS.iter().map(|t| record(*t, Some(b"up"), None)).collect());
    batches.push(TIMESTAMPS.iter().rev().map(|t| record(*t, None, Some(b"down"))).collect());
    batches.push(vec![record(5, None, None), record(4, Some(b""), Some(b"")), record(3, None, Some(b""))]);
    let mut headers = record(5, Some(b"headers"), None);
    headers.headers = [("", Some(Bytes::new())), ("null", None), ("b", Some(Bytes::from_static(b"\0\xff")))]
        .map(|(name, value)| (StrBytes::from_static_str(name), value))
        .into_iter()
        .chain((0..1_000).map(|n| (text(&format!("h{n}")), Some(Bytes::from(vec![0; n % 50])))))
        .collect();
    batches.push(vec![headers]);
    // As many records as a client would never gather: the smallest there are.
    batches.push((0..100_000).map(|_| record(7, None, None)).collect());
    batches.push(vec![record(7, Some(&vec![b'k'; 5 << 20]), Some(&vec![b'v'; 5 << 20]))]);

    let leader = Admin::to(bootstrap).leaders(topic).remove(0);
    let mut connection = Connection::open(&leader.address).unwrap_or_else(|e| panic!("{e}"));
    let mut count = 0;
    for batch in &mut batches {
        for (offset, record) in (0i64..).zip(batch.iter_mut()) {
            record.offset = offset;
            // As far behind its offset in each record of a batch; the batch then has none, as it has no producer id.
            record.sequence = i32::try_from(offset).unwrap_or(i32::MAX) - 1;
        }
        count += batch.len();
        write(&mut connection, topic, batch).unwrap_or_else(|e| panic!("{topic} did not take a batch: {e}"));
    }
    count
}

fn record(timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Record {
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

fn write(connection: &mut Connection, topic: &str, records: &[Record]) -> Result<(), Error> {
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, records, &options).map_err(|e| Error::Protocol(e.to_string()))?;
    let p = PartitionProduceData::default().with_index(0).with_records(Some(bytes.freeze()));
    let t = TopicProduceData::default().with_name(TopicName(text(topic))).with_partition_data(vec![p]);
    let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![t]);
    let answer = connection.ask(9, &request)?;
    let code =
        answer.responses.first().and_then(|t| t.partition_responses.first()).map_or(-1, |p| p.error_code);
    Error::check("produce", code)
}
