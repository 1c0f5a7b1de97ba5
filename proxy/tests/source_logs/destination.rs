//! Models the destination: the rules of a stock broker for appends, and its answers to fetches.

use bytes::Bytes;
use proxy::internals::Piece;
use proxy::internals::decompress;
use proxy::internals::records;
use proxy::internals::sequence_of;
use proxy::internals::{BatchHeader, CONTROL, DELETE_HORIZON, LOG_APPEND_TIME, RawBatch, TRANSACTIONAL};

pub(crate) struct Destination {
    /// Next offset after each batch, and the bytes of the batch.
    batches: Vec<(i64, Bytes)>,
    compacted: bool,
}

impl Destination {
    pub(crate) fn new(compacted: bool) -> Self {
        Destination { batches: Vec::new(), compacted }
    }

    pub(crate) fn end(&self) -> i64 {
        self.batches.last().map_or(0, |(end, _)| *end)
    }

    /// Appends the first `keep` of the shaped batches.
    pub(crate) fn append(&mut self, pieces: Vec<Piece>, keep: usize, producer_id: i64) {
        let mut left = keep;
        for piece in pieces {
            let mut written = Vec::new();
            match piece {
                Piece::Batch(shaped) => written.push(shaped),
                Piece::Nothing(mut run) => {
                    while run.from < run.to {
                        written.push(run.next_filler(producer_id, i64::MAX));
                    }
                }
            }
            for shaped in written {
                if left == 0 {
                    return;
                }
                left -= 1;
                assert_eq!(shaped.base_offset, self.end());
                self.produce(&[shaped.header, shaped.payload].concat().into());
                assert_eq!(shaped.next_offset, self.end());
            }
        }
    }

    /// Checks a batch as `LogValidator` and `ProducerStateManager` of Kafka do, and writes the fields that
    /// they write.
    fn produce(&mut self, bytes: &Bytes) {
        let batch = RawBatch::parse(bytes).unwrap();
        let header = batch.header;
        assert_eq!(batch.bytes.len(), bytes.len(), "one batch per partition");
        assert!(batch.crc_matches());
        assert_eq!((header.base_offset, header.partition_leader_epoch), (0, -1));
        let refused = CONTROL | TRANSACTIONAL | LOG_APPEND_TIME | DELETE_HORIZON;
        assert_eq!(header.attributes & refused, 0);
        assert_eq!(header.base_sequence, sequence_of(self.end()));
        assert_eq!(header.record_count, header.last_offset_delta + 1);
        let payload = decompress(header.codec(), &batch.payload(), 64 << 20).unwrap();
        let mut max_timestamp = -1;
        for (index, record) in (0..).zip(records(&payload, header.record_count)) {
            let record = record.unwrap();
            assert_eq!(record.offset_delta, index);
            assert!(
                record.key.is_some() || !self.compacted,
                "a compacted topic takes no record without a key"
            );
            max_timestamp = max_timestamp.max(header.base_timestamp.wrapping_add(record.timestamp_delta));
        }
        let header =
            BatchHeader { base_offset: self.end(), partition_leader_epoch: 3, max_timestamp, ..header };
        self.batches.push((header.next_offset(), super::source::sealed(header, &batch.payload()).into()));
    }

    /// Returns the answer to a fetch: `batches` batches, beginning with the one that contains `offset`.
    pub(crate) fn fetch(&self, offset: i64, batches: usize) -> Bytes {
        let first = self.batches.partition_point(|(end, _)| *end <= offset);
        let sent = &self.batches[first..(first + batches).min(self.batches.len())];
        sent.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect::<Vec<u8>>().into()
    }
}
