use bytes::BytesMut;

use crate::gateway::response::filler_filter::*;
use crate::wire::records::batch::testing::{batch, header};
use crate::wire::records::batch::{BatchHeader, Codec, DELETE_HORIZON};
use crate::wire::records::compression::{compress, decompress};
use crate::wire::records::fill_holes::{FillHolesOptions, fill_holes};
use crate::wire::records::filler::SENTINEL_KEY;
use crate::wire::records::record::records;
use crate::wire::records::rewrite_header::WriterIds;
use crate::wire::records::sequence::sequence_of;

/// Builds a batch of `count` offsets. The filter does not read its payload.
fn batch_at(base_offset: i64, count: i32, base_timestamp: i64, producer_id: i64, attributes: i16) -> Bytes {
    let header = BatchHeader {
        base_offset,
        batch_length: 49 + 20,
        partition_leader_epoch: 4,
        crc: 0,
        attributes,
        last_offset_delta: count - 1,
        base_timestamp,
        max_timestamp: base_timestamp,
        producer_id,
        producer_epoch: 0,
        base_sequence: 0,
        record_count: count,
    };
    let mut out = BytesMut::from(&header.to_bytes()[..]);
    out.extend_from_slice(&[7; 20]);
    out.freeze()
}

pub(crate) fn real_at(base_offset: i64, count: i32) -> Bytes {
    batch_at(base_offset, count, 1_700_000_000_000, 5, 0)
}

pub(crate) fn filler_at(base_offset: i64, count: i32) -> Bytes {
    batch_at(base_offset, count, crate::wire::records::filler::FILLER_BASE_TIMESTAMP, 1 << 62, 0)
}

fn filtered(batches: &[Bytes]) -> Option<Vec<u8>> {
    hide_filler(&batches.concat().into()).map(|filtered| filtered.pieces.concat())
}

#[test]
fn filler_that_a_record_follows_is_dropped() {
    let (a, b) = (real_at(0, 3), real_at(10, 1));
    let at_start = [filler_at(0, 4), filler_at(4, 6), b.clone()];
    assert_eq!(filtered(&at_start).unwrap(), b);
    let in_the_middle = [a.clone(), filler_at(3, 7), b.clone()];
    assert_eq!(filtered(&in_the_middle).unwrap(), [a, b].concat());
}

#[test]
fn a_run_at_the_end_becomes_one_control_batch_over_the_run() {
    let (a, b) = (real_at(0, 3), real_at(5, 1));
    let sent = [a.clone(), filler_at(3, 2), b.clone(), filler_at(6, 1), filler_at(7, 100)];
    let control = control_run(6, 101, 4);
    assert_eq!(filtered(&sent).unwrap(), [a, b, control.clone()].concat());
    let header = BatchHeader::parse(&control).unwrap();
    assert_eq!((header.base_offset, header.next_offset()), (6, 107));
    assert!(header.is_control());
}

#[test]
fn a_response_of_filler_only_becomes_a_control_batch() {
    assert_eq!(filtered(&[filler_at(40, 2), filler_at(42, 8)]).unwrap(), control_run(40, 10, 4));
}

#[test]
fn a_cut_batch_behind_filler_is_dropped() {
    let cut = real_at(9, 4).slice(..70);
    assert_eq!(filtered(&[filler_at(0, 9), cut.clone()]).unwrap(), control_run(0, 9, 4));
    let sent = [filler_at(0, 9), real_at(9, 4), cut];
    assert_eq!(filtered(&sent).unwrap(), real_at(9, 4));
}

#[test]
fn filler_itself_may_be_cut() {
    let cut = filler_at(4, 9).slice(..65);
    assert_eq!(filtered(&[real_at(0, 4), cut.clone()]), None);
    assert_eq!(filtered(&[filler_at(0, 4), cut]).unwrap(), control_run(0, 4, 4));
}

#[test]
fn compressed_filler_is_known_by_its_header() {
    let zstd = batch_at(0, 1000, crate::wire::records::filler::FILLER_BASE_TIMESTAMP, 1 << 62, 4);
    assert_eq!(filtered(&[zstd]).unwrap(), control_run(0, 1000, 4));
}

#[test]
fn without_filler_nothing_changes() {
    assert_eq!(filtered(&[]), None);
    assert_eq!(filtered(&[real_at(0, 3), real_at(3, 1)]), None);
    // One of the two marks alone is not enough: a client can write it.
    let timestamp_only = batch_at(0, 1, crate::wire::records::filler::FILLER_BASE_TIMESTAMP, 77, 0);
    let producer_only = batch_at(1, 1, 1_700_000_000_000, 1 << 62, 0);
    assert_eq!(filtered(&[timestamp_only, producer_only]), None);
}

#[test]
fn data_that_cannot_be_walked_passes() {
    let mut old = real_at(5, 1).to_vec();
    old[16] = 1;
    let old = Bytes::from(old);
    assert_eq!(filtered(std::slice::from_ref(&old)), None);
    assert_eq!(filtered(&[filler_at(0, 5), old.clone()]).unwrap(), old);
}

#[test]
fn runs_of_one_and_of_very_many_offsets_become_one_control_batch() {
    assert_eq!(filtered(&[filler_at(3, 1)]).unwrap(), control_run(3, 1, 4));
    let huge = [filler_at(0, i32::MAX), filler_at(i64::from(i32::MAX), i32::MAX)];
    assert_eq!(filtered(&huge).unwrap(), control_run(0, 2 * i64::from(i32::MAX), 4));
}

/// Given a stopped mirror, batches that clients wrote at or above its end are theirs, whatever they claim. So
/// are batches with the producer id of another mirror, and batches in a partition that the mirror did not
/// have.
#[test]
fn marks_count_only_where_mirroring_can_have_written_them() {
    let link = state::model::KafkaUuid::random();
    let view = |state: &str| {
        let link = serde_json::json!({
            "name": "dr", "id": link, "source_cluster_id": "", "mode": "DESTINATION", "connection_mode": "OUTBOUND",
            "configs": {}, "state": "ACTIVE", "error": "NO_ERROR", "error_message": "", "generations": 4,
            "created_ms": 0, "state_ms": 0,
        });
        let link: state::model::Link = serde_json::from_value(link).unwrap();
        let zero = state::model::KafkaUuid::ZERO;
        let mirror = serde_json::json!({
            "link": "dr", "topic": "t", "source_topic": "t", "source_topic_id": zero, "local_topic_id": zero,
            "generation": 3, "partitions": 1, "stopped_sequence": 0,
            "state": serde_json::from_str::<serde_json::Value>(state).unwrap(), "state_ms": 0,
        });
        let mirror: state::model::MirrorTopic = serde_json::from_value(mirror).unwrap();
        let id = link.reserved_producer_id(3);
        let links = [("dr".to_owned(), link)].into();
        let mirrors = [("t".to_owned(), mirror)].into();
        let view = state::model::View { links, mirrors, ..Default::default() };
        (state::model::TopicGuards::of(&view, zero).by_name("t").unwrap().clone(), id)
    };
    let at = |offset, id| {
        let bytes = batch_at(offset, 2, crate::wire::records::filler::FILLER_BASE_TIMESTAMP, id, 0);
        BatchHeader::parse(&bytes).unwrap()
    };
    let (live, id) = view(r#"{"state": "ACTIVE"}"#);
    assert_eq!(mark_in(&live, 0, &at(100, id)), FillerKind::Filler);
    assert_eq!(mark_in(&live, 0, &at(100, id + 1)), FillerKind::Real);
    let (stopped, id) = view(r#"{"state": "STOPPED", "stop": "PROMOTE", "log_end_offsets": [10]}"#);
    // The fence is the last batch below the end.
    assert_eq!(mark_in(&stopped, 0, &at(8, id)), FillerKind::Filler);
    assert_eq!(mark_in(&stopped, 0, &at(10, id)), FillerKind::Real);
    assert_eq!(mark_in(&stopped, 1, &at(0, id)), FillerKind::Real);
}

const OURS: i64 = (1 << 62) + 7;

/// Encodes one record without headers by hand. All lengths here take one byte.
fn record(offset_delta: u8, timestamp_delta: u8, key: &[u8], value: Option<&[u8]>) -> Vec<u8> {
    let mut body = vec![0, timestamp_delta * 2, offset_delta * 2, key.len() as u8 * 2];
    body.extend_from_slice(key);
    body.push(value.map_or(1, |value| value.len() as u8 * 2));
    body.extend_from_slice(value.unwrap_or_default());
    body.push(0);
    [vec![body.len() as u8 * 2], body].concat()
}

/// Builds a batch of the source over 6 offsets, with records at the given offset deltas.
pub(crate) fn sparse_source(base_offset: i64, codec: Codec, deltas: &[u8]) -> RawBatch {
    let payload: Vec<u8> =
        deltas.iter().flat_map(|delta| record(*delta, *delta, b"key", Some(&[*delta]))).collect();
    let (attributes, record_count) = (codec.attribute(), deltas.len() as i32);
    let header =
        BatchHeader { attributes, record_count, partition_leader_epoch: 4, ..header(base_offset, 6) };
    batch(header, &compress(codec, &payload).unwrap())
}

/// Returns the batch as the destination stores it.
pub(crate) fn mixed(source: &RawBatch) -> Bytes {
    let offset = source.header.base_offset;
    let ids = WriterIds { producer_id: OURS, producer_epoch: 0, base_sequence: sequence_of(offset) };
    let options = FillHolesOptions { limit: 1 << 20, drop_unkeyed: false };
    let dense = fill_holes(source, offset, -1, ids, options).unwrap();
    assert!(dense[0].mixed);
    let landed = RawBatch::parse(&dense[0].bytes).unwrap();
    let header = BatchHeader { base_offset: offset, partition_leader_epoch: 4, ..landed.header };
    batch(header, &landed.payload()).bytes
}

/// Builds what the log cleaner leaves of a mirrored batch over 6 offsets.
fn cleaned(base_offset: i64, codec: Codec, left: &[Vec<u8>]) -> Bytes {
    let header = BatchHeader {
        attributes: DELETE_HORIZON | codec.attribute(),
        producer_id: OURS,
        partition_leader_epoch: 4,
        record_count: left.len() as i32,
        ..header(base_offset, 6)
    };
    batch(header, &compress(codec, &left.concat()).unwrap()).bytes
}

/// Offset, timestamp, key and value of a record.
type Seen = (i64, i64, Vec<u8>, Option<Vec<u8>>);

/// Returns all records, and the offset after the last batch.
fn consumed(bytes: Vec<u8>) -> (Vec<Seen>, i64) {
    let (mut seen, mut next) = (Vec::new(), 0);
    for batch in walk(&bytes.into()) {
        let batch = batch.unwrap();
        assert!(batch.crc_matches() && batch.header.record_count > 0 && !batch.header.is_control());
        let payload = decompress(batch.header.codec(), &batch.payload(), 1 << 20).unwrap();
        for record in records(&payload, batch.header.record_count) {
            let record = record.unwrap();
            let timestamp = batch.header.base_timestamp + record.timestamp_delta;
            let value = record.value.map(<[u8]>::to_vec);
            seen.push((
                batch.header.base_offset + record.offset_delta,
                timestamp,
                record.key.unwrap().to_vec(),
                value,
            ));
        }
        next = batch.header.next_offset();
    }
    (seen, next)
}

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

#[test]
fn a_mixed_batch_reads_as_it_does_on_the_source() {
    for codec in CODECS {
        let sources = [sparse_source(0, codec, &[1, 4]), sparse_source(6, codec, &[0, 5])];
        let plain = sources.iter().flat_map(|source| source.bytes.to_vec()).collect();
        let sent = [mixed(&sources[0]), mixed(&sources[1])];
        assert_eq!(consumed(filtered(&sent).unwrap()), consumed(plain), "{codec:?}");
    }
}

#[test]
fn sentinels_that_the_cleaner_left_are_taken_out() {
    for codec in CODECS {
        let real = [record(1, 9, b"key", Some(b"v")), record(5, 7, b"key", None)];
        let sent = [real[0].clone(), record(3, 9, &SENTINEL_KEY, None), real[1].clone()];
        let stock = cleaned(12, codec, &real);
        assert_eq!(consumed(filtered(&[cleaned(12, codec, &sent)]).unwrap()), consumed(stock.to_vec()));
    }
}

#[test]
fn a_cleaned_batch_without_sentinels_passes_without_a_copy() {
    let sent = Bytes::from(
        [real_at(0, 3), cleaned(3, Codec::Zstd, &[record(1, 9, b"key", None)]), real_at(9, 1)].concat(),
    );
    assert_eq!(hide_filler(&sent), None);
    // With filler in front, the rest is still one slice.
    let sent = Bytes::from([filler_at(0, 3), sent.slice(real_at(0, 3).len()..)].concat());
    let filtered = hide_filler(&sent).unwrap();
    assert_eq!(filtered.pieces.len(), 1);
    assert_eq!(filtered.pieces[0].as_ptr(), sent.slice(filler_at(0, 3).len()..).as_ptr());
}

#[test]
fn a_batch_that_the_cleaner_emptied_is_filler() {
    let lone = cleaned(4, Codec::Gzip, &[record(5, 9, &SENTINEL_KEY, None)]);
    let emptied = {
        let header = BatchHeader {
            base_timestamp: -1,
            producer_id: OURS,
            partition_leader_epoch: 4,
            record_count: 0,
            ..header(10, 5)
        };
        batch(header, b"").bytes
    };
    let sent = [real_at(0, 3), lone.clone(), emptied.clone()];
    assert_eq!(filtered(&sent).unwrap(), [real_at(0, 3), control_run(4, 11, 4)].concat());
    assert_eq!(filtered(&[lone, emptied, real_at(15, 1)]).unwrap(), real_at(15, 1));
}

#[test]
fn filler_behind_a_mixed_batch_is_a_run_of_its_own() {
    let source = sparse_source(0, Codec::Lz4, &[0, 3]);
    let sent = [filler_at(90, 1), mixed(&source), filler_at(6, 4)];
    let filtered = hide_filler(&sent.concat().into()).unwrap();
    assert_eq!((filtered.pieces.len(), filtered.hidden), (2, 2));
    assert_eq!(filtered.pieces[1], control_run(6, 4, 4));
}

#[test]
fn a_mixed_batch_that_cannot_be_read_passes_as_it_is() {
    let mut damaged = mixed(&sparse_source(0, Codec::Zstd, &[2])).to_vec();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let damaged = Bytes::from(damaged);
    assert_eq!(filtered(std::slice::from_ref(&damaged)), None);
    let sent = [damaged.clone(), filler_at(6, 4)];
    assert_eq!(filtered(&sent).unwrap(), [damaged, control_run(6, 4, 4)].concat());
}
