//! Models the source: the log that its broker holds, and a reader for any log.

use bytes::Bytes;
use proxy::internals::AbortedTransaction;
use proxy::internals::SENTINEL_KEY;
use proxy::internals::put_varint;
use proxy::internals::records;
use proxy::internals::sequence_of;
use proxy::internals::walk;
use proxy::internals::{
    BatchHeader, CONTROL, Codec, DELETE_HORIZON, HEADER_LEN, LENGTH_OVERHEAD, LOG_APPEND_TIME, TRANSACTIONAL,
};
use proxy::internals::{compress, decompress};

use super::generate::{Data, MAGIC, PRODUCERS, Plan, RESERVED_FROM, Rec, Step};

/// A record as a consumer sees it. `tail` is key, value and headers in wire format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) tail: Vec<u8>,
}

/// A transaction that has ended.
struct Ended {
    transaction: AbortedTransaction,
    aborted: bool,
    end: i64,
}

#[derive(Default)]
pub(crate) struct Source {
    /// Next offset after each batch, and the bytes of the batch.
    batches: Vec<(i64, Vec<u8>)>,
    ended: Vec<Ended>,
    /// First offset of each producer's open transaction.
    open: [Option<i64>; PRODUCERS as usize],
    /// Records of data batches. With each record: the producer id if it is in a transaction, and true if it
    /// has no key, so that a compacted mirror leaves it out.
    written: Vec<(Seen, Option<i64>, bool)>,
    compacted: bool,
    end: i64,
}

impl Source {
    pub(crate) fn build(plan: &Plan) -> Self {
        let mut source = Source { compacted: plan.compacted, ..Source::default() };
        for step in &plan.steps {
            match step {
                Step::Data(data) => source.data(data),
                Step::End { producer, commit } => source.end_transaction(*producer, *commit),
                Step::Gap(offsets) => source.end += offsets,
                Step::Emptied(offsets) => source.emptied(*offsets),
            }
        }
        // A read_committed fetch ends before the first open transaction.
        for producer in 0..PRODUCERS {
            source.end_transaction(producer, true);
        }
        let end = source.batches.last().map_or(0, |(end, _)| *end);
        Source { end, ..source }
    }

    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// Returns the records that a read_committed consumer sees.
    pub(crate) fn committed(&self) -> Vec<Seen> {
        let aborted = |offset: i64, producer: i64| {
            self.ended.iter().any(|ended| {
                let AbortedTransaction { first_offset, producer_id } = ended.transaction;
                ended.aborted && producer_id == producer && (first_offset..ended.end).contains(&offset)
            })
        };
        let visible = |(seen, producer, unkeyed): &(Seen, Option<i64>, bool)| {
            !(producer.is_some_and(|producer| aborted(seen.offset, producer)) || *unkeyed && self.compacted)
        };
        self.written.iter().filter(|one| visible(one)).map(|(seen, ..)| seen.clone()).collect()
    }

    /// Returns the answer to a fetch: `batches` batches, beginning with the one that contains `offset`, and
    /// the aborted transactions that overlap them.
    pub(crate) fn fetch(&self, offset: i64, batches: usize) -> (Bytes, Vec<AbortedTransaction>) {
        let first = self.batches.partition_point(|(end, _)| *end <= offset);
        let sent = &self.batches[first..(first + batches).min(self.batches.len())];
        let end = sent.last().map_or(offset, |(end, _)| *end);
        let touches =
            |ended: &&Ended| ended.aborted && ended.transaction.first_offset < end && ended.end > offset;
        let aborted = self.ended.iter().filter(touches).map(|ended| ended.transaction).collect();
        (sent.iter().flat_map(|(_, bytes)| bytes.clone()).collect::<Vec<u8>>().into(), aborted)
    }

    fn data(&mut self, data: &Data) {
        let producer_id = producer_id(data.producer);
        let max_timestamp = data.records.iter().map(|record| record.timestamp).max().unwrap_or(-1);
        let base_timestamp = match data.delete_horizon {
            true => 1_800_000_000_000,
            false => {
                let first = data.records.first().map_or(-1, |record| record.timestamp);
                data.base_timestamp.unwrap_or(first)
            }
        };
        // With such a producer id, sequence and header, the source is a mirror itself, and a sentinel is a
        // hole there.
        let of_a_mirror = data.producer >= RESERVED_FROM
            && data.sequence_is_offset
            && (data.delete_horizon || MAGIC.contains(&base_timestamp));
        let (mut payload, mut delta) = (Vec::new(), 0);
        for record in &data.records {
            delta += record.gap;
            let tail = tail(record);
            put_record(&mut payload, record.timestamp.wrapping_sub(base_timestamp), delta, &tail);
            let timestamp = if data.log_append_time { max_timestamp } else { record.timestamp };
            let producer = data.transactional.then_some(producer_id);
            let seen = Seen { offset: self.end + delta, timestamp, tail };
            let hole = of_a_mirror && is_sentinel(record);
            if !hole {
                self.written.push((seen, producer, record.key.is_none()));
            }
            delta += 1;
        }
        let mut attributes = data.codec.attribute();
        for (set, flag) in [
            (data.transactional, TRANSACTIONAL),
            (data.log_append_time, LOG_APPEND_TIME),
            (data.delete_horizon, DELETE_HORIZON),
        ] {
            attributes |= if set { flag } else { 0 };
        }
        if data.transactional {
            let _ = self.open[usize::from(data.producer)].get_or_insert(self.end);
        }
        let span = delta + data.trailing;
        let header = BatchHeader {
            attributes,
            base_timestamp,
            max_timestamp,
            producer_id,
            record_count: data.records.len() as i32,
            base_sequence: sequence_of(self.end) + i32::from(!data.sequence_is_offset),
            ..blank(span)
        };
        self.push(header, &compress(data.codec, &payload).unwrap());
    }

    fn end_transaction(&mut self, producer: u8, commit: bool) {
        let Some(first_offset) = self.open[usize::from(producer)].take() else { return };
        let producer_id = producer_id(producer);
        let transaction = AbortedTransaction { first_offset, producer_id };
        self.ended.push(Ended { transaction, aborted: !commit, end: self.end + 1 });
        let mut payload = Vec::new();
        put_record(&mut payload, 0, 0, &[8, 0, 0, 0, u8::from(commit), 12, 0, 0, 0, 0, 0, 0, 0]);
        let attributes = CONTROL | TRANSACTIONAL;
        self.push(BatchHeader { attributes, producer_id, record_count: 1, ..blank(1) }, &payload);
    }

    fn emptied(&mut self, offsets: i32) {
        self.push(BatchHeader { producer_id: 1000, record_count: 0, ..blank(offsets.into()) }, b"");
    }

    fn push(&mut self, header: BatchHeader, payload: &[u8]) {
        let header = BatchHeader { base_offset: self.end, ..header };
        self.end = header.next_offset();
        self.batches.push((self.end, sealed(header, payload)));
    }
}

fn producer_id(producer: u8) -> i64 {
    if producer < RESERVED_FROM { 1000 + i64::from(producer) } else { (1 << 62) + i64::from(producer) }
}

fn is_sentinel(record: &Rec) -> bool {
    record.key.as_deref() == Some(&SENTINEL_KEY[..]) && record.value.is_none() && record.headers.is_empty()
}

fn blank(span: i64) -> BatchHeader {
    BatchHeader {
        base_offset: 0,
        batch_length: 0,
        partition_leader_epoch: 6,
        crc: 0,
        attributes: 0,
        last_offset_delta: i32::try_from(span - 1).unwrap(),
        base_timestamp: -1,
        max_timestamp: -1,
        producer_id: -1,
        producer_epoch: 0,
        base_sequence: 0,
        record_count: 0,
    }
}

/// Returns the bytes of a batch, with length and CRC.
pub(crate) fn sealed(mut header: BatchHeader, payload: &[u8]) -> Vec<u8> {
    header.batch_length = i32::try_from(HEADER_LEN - LENGTH_OVERHEAD + payload.len()).unwrap();
    let mut bytes = [&header.to_bytes()[..], payload].concat();
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn tail(record: &Rec) -> Vec<u8> {
    let mut out = Vec::new();
    sized(&mut out, record.key.as_deref());
    sized(&mut out, record.value.as_deref());
    put_varint(&mut out, record.headers.len() as i64);
    for (key, value) in &record.headers {
        sized(&mut out, Some(key));
        sized(&mut out, value.as_deref());
    }
    out
}

fn sized(out: &mut Vec<u8>, field: Option<&[u8]>) {
    put_varint(out, field.map_or(-1, |field| field.len() as i64));
    out.extend_from_slice(field.unwrap_or_default());
}

fn put_record(out: &mut Vec<u8>, timestamp_delta: i64, offset_delta: i64, tail: &[u8]) {
    let mut body = vec![0];
    put_varint(&mut body, timestamp_delta);
    put_varint(&mut body, offset_delta);
    body.extend_from_slice(tail);
    put_varint(out, body.len() as i64);
    out.extend_from_slice(&body);
}

/// Reads a Fetch response as a client does. Returns its records and the offset of the client's next fetch.
pub(crate) fn read(answer: &Bytes) -> (Vec<Seen>, i64) {
    let (mut seen, mut next) = (Vec::new(), -1);
    for batch in walk(answer) {
        let batch = batch.unwrap();
        let header = batch.header;
        assert!(batch.crc_matches());
        assert!(header.record_count > 0, "an empty batch at {}", header.base_offset);
        assert!(header.base_offset >= next, "offset {} after {next}", header.base_offset);
        next = header.next_offset();
        if header.is_control() {
            continue;
        }
        let payload = match header.codec() {
            Codec::None => batch.payload(),
            codec => decompress(codec, &batch.payload(), 64 << 20).unwrap(),
        };
        for record in records(&payload, header.record_count) {
            let record = record.unwrap();
            let timestamp = match header.is_log_append_time() {
                true => header.max_timestamp,
                false => header.base_timestamp.wrapping_add(record.timestamp_delta),
            };
            let offset = header.base_offset + record.offset_delta;
            seen.push(Seen { offset, timestamp, tail: record.tail.to_vec() });
        }
    }
    (seen, next)
}
