use super::*;

/// A batch with this base timestamp and producer id over records of a producer.
fn forged(base_offset: i64, base_timestamp: i64, producer_id: i64, payload: &[u8], count: i32) -> RawBatch {
    batch(BatchHeader { base_timestamp, producer_id, ..header(base_offset, count) }, payload)
}

/// Returns the records that were sent: offset, timestamp, and the bytes from the key to the headers.
fn seen(run: &ShapeOutput) -> Vec<(i64, i64, Vec<u8>)> {
    let mut all = Vec::new();
    for shaped in sent(run) {
        let whole = RawBatch::parse(&[&shaped.header[..], &shaped.payload[..]].concat().into()).unwrap();
        assert!(whole.crc_matches());
        let (header, payload) = (whole.header, whole.payload());
        let payload =
            crate::wire::records::compression::decompress(header.codec(), &payload, 1 << 20).unwrap();
        let records =
            crate::wire::records::record::records(&payload, header.record_count).map(Result::unwrap);
        all.extend(records.map(|record| {
            let timestamp = header.base_timestamp + record.timestamp_delta;
            (shaped.base_offset + record.offset_delta, timestamp, record.tail.to_vec())
        }));
    }
    all
}

#[test]
fn records_of_a_source_are_mirrored_whatever_their_header_claims() {
    let theirs = PRODUCER + 7;
    for base in [FILLER_BASE_TIMESTAMP, -0x4C47_4649_4C31, MIXED_BASE_TIMESTAMP] {
        for producer in [theirs, PRODUCER, 9] {
            let run = shape(&forged(0, base, producer, &records(3), 3).bytes, vec![], target(0));
            assert_eq!((ranges(&run), &run.stop), (vec![(0, 3, false)], &None));
            let expected: Vec<_> = (0..3).map(|at| (at, base, vec![2, b'k', 2, b'v', 0])).collect();
            assert_eq!(seen(&run), expected);
            // No reader of the mirror takes it for filler.
            assert_eq!(mark(&written(&sent(&run)[0])), FillerKind::Real);
        }
    }
}

#[test]
fn filler_of_a_source_is_recognised_by_its_content_in_any_codec() {
    let ids = WriterIds { producer_id: PRODUCER + 1, producer_epoch: 0, base_sequence: 0 };
    let ours = RawBatch::parse(&crate::wire::records::filler::filler(40, 5, ids)).unwrap();
    let plain =
        crate::wire::records::compression::decompress(ours.header.codec(), &ours.payload(), 1 << 20).unwrap();
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let payload = crate::wire::records::compression::compress(codec, &plain).unwrap();
        let again = batch(BatchHeader { attributes: codec.attribute(), ..ours.header }, &payload);
        assert_eq!(ranges(&shape(&again.bytes, vec![], target(0))), [(0, 40, true)], "{codec:?}");
    }
    // No mirror writes such a sequence, so even these sentinels are records.
    let other = batch(BatchHeader { base_sequence: 3, attributes: 0, ..ours.header }, &plain);
    let run = shape(&other.bytes, vec![], target(0));
    assert_eq!((ranges(&run), seen(&run).len()), (vec![(0, 40, false)], 40));
    assert_eq!(mark(&written(&sent(&run)[0])), FillerKind::Real);
    // One record among the sentinels is a record.
    let mut mixed = plain[..plain.len() / 40 * 39].to_vec();
    let tail = [2, b'k', 2, b'v', 0];
    put_record(&mut mixed, 69, 39, &tail);
    let header = BatchHeader { attributes: 0, ..ours.header };
    let run = shape(&batch(header, &mixed).bytes, vec![], target(0));
    assert_eq!(run.stop, None);
    assert_eq!(seen(&run).last().unwrap(), &(39, 5, tail.to_vec()));
}

#[test]
fn a_source_record_that_looks_like_a_sentinel_is_mirrored_as_it_is_and_never_hidden() {
    let tail = SENTINEL_TAIL;
    let mut payload = records(1);
    put_record(&mut payload, 0, 1, &tail);
    // Dense and small beside another, then with a hole behind it.
    for (span, count) in [(2, 2), (5, 2)] {
        let header = BatchHeader { last_offset_delta: span - 1, ..header(0, count) };
        let log = bytes_of(&[batch(header, &payload), data(i64::from(span), 1)]);
        let run = shape(&log, vec![], target(0));
        let real: Vec<_> =
            sent(&run).into_iter().filter(|one| mark(&written(one)) == FillerKind::Real).collect();
        let first = &real[0];
        assert_eq!((first.base_offset, first.next_offset), (0, 2), "{span}");
        assert_eq!(seen(&run)[1].2, tail);
    }
}
