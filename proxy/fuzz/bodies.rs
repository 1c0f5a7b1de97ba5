//! Bodies of the fuzz targets. `proxy/tests/corpus.rs` replays the corpus through the same functions.
#![allow(dead_code, clippy::panic, reason = "each target uses one of them; a broken promise must crash")]

use bytes::Bytes;
use proxy::internals::WriterIds;
use proxy::internals::hide_filler;
use proxy::internals::join_batches;
use proxy::internals::records;
use proxy::internals::walk;
use proxy::internals::{BatchHeader, Codec, RawBatch};
use proxy::internals::{FillHolesOptions, fill_holes};
use proxy::internals::{FillerKind, is_sentinel, mark};
use proxy::internals::{compress, decompress};

const LIMIT: usize = 1 << 20;
const IDS: WriterIds = WriterIds { producer_id: (1 << 62) + 5, producer_epoch: 0, base_sequence: 0 };

/// Walks the batches of the input, and checks that they are not longer than the input.
pub(crate) fn walk_all(input: &Bytes) -> Vec<RawBatch> {
    let batches: Vec<RawBatch> = walk(input).map_while(Result::ok).collect();
    let walked: usize = batches.iter().map(|batch| batch.bytes.len()).sum();
    assert!(walked <= input.len());
    batches
}

/// Fuzz target: walks any bytes as the records of a Fetch response.
pub(crate) fn walk_records(input: &[u8]) {
    for batch in walk_all(&Bytes::copy_from_slice(input)) {
        let _ = records(&batch.payload(), batch.header.record_count).filter(Result::is_ok).count();
    }
}

/// Makes a batch of the input and gives it a correct length, magic byte and CRC: a fuzzer does not find CRCs.
fn sealed(input: &[u8]) -> Option<RawBatch> {
    let mut bytes = input.to_vec();
    let length = i32::try_from(bytes.len().checked_sub(12)?).ok()?;
    bytes.get_mut(8..12)?.copy_from_slice(&length.to_be_bytes());
    *bytes.get_mut(16)? = 2;
    let crc = crc32c(bytes.get(21..)?);
    bytes.get_mut(17..21)?.copy_from_slice(&crc.to_be_bytes());
    RawBatch::parse(&bytes.into()).ok()
}

fn crc32c(bytes: &[u8]) -> u32 {
    let byte = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, byte)
}

/// Fuzz target: runs the re-encoder. Its output must be dense, cover every offset once, and hold as many
/// records as it says.
pub(crate) fn densify_batch(input: &[u8]) {
    let Some(batch) = sealed(input) else { return };
    let from = batch.header.base_offset;
    for drop_unkeyed in [false, true] {
        let options = FillHolesOptions { limit: LIMIT, drop_unkeyed };
        let Ok(pieces) = fill_holes(&batch, from, -1, IDS, options) else { continue };
        let mut next = from;
        for piece in pieces {
            assert_eq!(piece.base_offset, next);
            next = piece.next_offset;
            if piece.records == 0 {
                assert!(piece.bytes.is_empty());
                continue;
            }
            let written = RawBatch::parse(&piece.bytes).unwrap_or_else(|error| panic!("{error}"));
            assert!(written.crc_matches());
            let span = i64::from(written.header.last_offset_delta) + 1;
            assert_eq!((i64::from(written.header.record_count), span), (span, next - piece.base_offset));
            assert_eq!(real_records(&written), piece.records);
        }
        assert_eq!(next, batch.header.next_offset());
    }
    let _ = join_batches(std::slice::from_ref(&batch), IDS, LIMIT);
}

fn real_records(batch: &RawBatch) -> usize {
    let BatchHeader { record_count, .. } = batch.header;
    let payload = decompress(batch.header.codec(), &batch.payload(), 64 * LIMIT);
    let payload = payload.unwrap_or_else(|error| panic!("{error}"));
    let all: Result<Vec<_>, _> = records(&payload, record_count).collect();
    let all = all.unwrap_or_else(|error| panic!("{error}"));
    // A mixed batch never has a client's record that looks like a sentinel.
    let is_mixed = mark(&batch.header) == FillerKind::Mixed;
    all.iter().filter(|record| !is_mixed || !is_sentinel(record)).count()
}

/// Fuzz target: runs the decompressor that the first byte selects. Its output must not exceed the limit, and
/// must be the same after compressing and decompressing again.
pub(crate) fn decompress_payload(input: &[u8]) {
    let Some((first, payload)) = input.split_first() else { return };
    let codecs = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    let codec = codecs[usize::from(*first) % codecs.len()];
    if let Ok(plain) = decompress(codec, payload, LIMIT) {
        assert!(plain.len() <= LIMIT);
        let again = compress(codec, &plain).unwrap_or_else(|error| panic!("{error}"));
        assert!(decompress(codec, &again, LIMIT).is_ok_and(|back| back == plain));
    }
}

/// Fuzz target: runs the gateway's filter on the input as it is, and on the input as one batch with a correct
/// CRC.
pub(crate) fn hide_in(input: &[u8]) {
    let sealed = sealed(input).map(|batch| batch.bytes);
    for records in [Some(Bytes::copy_from_slice(input)), sealed].into_iter().flatten() {
        let Some(hidden) = hide_filler(&records) else { continue };
        // The output has no filler, so a second run changes nothing.
        let left = Bytes::from(hidden.pieces.concat());
        assert!(hide_filler(&left).is_none(), "filler is left");
    }
}
