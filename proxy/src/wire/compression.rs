//! The codecs of record batches, with a cap on what comes out.
//!
//! Only batches that must be re-encoded pass here: sparse ones, those with LogAppendTime, small ones that are coalesced,
//! and mixed ones on their way to a client. What is compressed here can be read by every Kafka client, so each codec has the
//! framing of Kafka's Java client (`org.apache.kafka.common.compress`).

use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::batch::Codec;

/// Begins a snappy stream in xerial framing: `SnappyCodec.MAGIC_HEADER`, version 1, compatible with version 1.
const XERIAL_HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// How much of the magic tells the framing: the version fields behind it are not looked at, as in snappy-java.
const XERIAL_MAGIC_LEN: usize = 8;
/// Bytes that go into one snappy block: the default of `SnappyOutputStream`.
const XERIAL_BLOCK: usize = 32 * 1024;
/// The level that Kafka uses by default.
const ZSTD_LEVEL: i32 = 3;

/// Records that cannot be decompressed, or not be compressed.
#[derive(Debug, thiserror::Error)]
pub enum CompressionError {
    /// More came out than the caller allows.
    #[error("the records are larger than {limit} bytes when decompressed")]
    TooLarge {
        /// What is allowed.
        limit: usize,
    },
    /// A number that no Kafka release uses.
    #[error("the codec {0} is not known")]
    UnknownCodec(u8),
    /// Bytes that are not of the codec.
    #[error("{codec:?}: {source}")]
    Damaged {
        /// The codec.
        codec: Codec,
        /// What the decoder says.
        source: io::Error,
    },
}

/// What `payload` holds when decompressed: at most `limit` bytes.
///
/// Beside the output, a decoder holds its window: at most 128 MiB of address space for zstd (what an honest frame of the
/// highest level needs too), less than 8 MiB for the others.
///
/// # Errors
/// [`CompressionError`]; one that exceeds `limit` is found out before more than that is held.
pub fn decompress(codec: Codec, payload: &[u8], limit: usize) -> Result<Bytes, CompressionError> {
    let damaged = |source| CompressionError::Damaged { codec, source };
    match codec {
        Codec::None if payload.len() > limit => Err(CompressionError::TooLarge { limit }),
        Codec::None => Ok(Bytes::copy_from_slice(payload)),
        Codec::Gzip => read_capped(codec, MultiGzDecoder::new(payload), limit),
        Codec::Snappy => snappy_capped(payload, limit),
        Codec::Lz4 => read_capped(codec, FrameDecoder::new(payload), limit),
        Codec::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(payload).map_err(damaged)?;
            read_capped(codec, decoder, limit)
        }
        Codec::Unknown(number) => Err(CompressionError::UnknownCodec(number)),
    }
}

fn read_capped(codec: Codec, decoder: impl Read, limit: usize) -> Result<Bytes, CompressionError> {
    let mut out = Vec::new();
    let capped = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let _ = decoder
        .take(capped)
        .read_to_end(&mut out)
        .map_err(|source| CompressionError::Damaged { codec, source })?;
    if out.len() > limit {
        return Err(CompressionError::TooLarge { limit });
    }
    Ok(out.into())
}

/// Blocks in xerial framing, or one bare block: some clients that are not Java write that, and Java reads it.
fn snappy_capped(payload: &[u8], limit: usize) -> Result<Bytes, CompressionError> {
    let mut out = Vec::new();
    let Some(mut rest) = xerial_blocks(payload) else {
        unsnap(payload, &mut out, limit)?;
        return Ok(out.into());
    };
    while !rest.is_empty() {
        let cut = || damaged_snappy(io::ErrorKind::UnexpectedEof.into());
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (block, after) = after.split_at_checked(length).ok_or_else(cut)?;
        unsnap(block, &mut out, limit)?;
        rest = after;
    }
    Ok(out.into())
}

fn xerial_blocks(payload: &[u8]) -> Option<&[u8]> {
    let (header, blocks) = payload.split_at_checked(XERIAL_HEADER.len())?;
    header.starts_with(&XERIAL_HEADER[..XERIAL_MAGIC_LEN]).then_some(blocks)
}

fn unsnap(block: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), CompressionError> {
    let damaged = |error: snap::Error| damaged_snappy(error.into());
    let length = snap::raw::decompress_len(block).map_err(damaged)?;
    let start = out.len();
    if length > limit - start {
        return Err(CompressionError::TooLarge { limit });
    }
    out.resize(start + length, 0);
    let _ = snap::raw::Decoder::new().decompress(block, &mut out[start..]).map_err(damaged)?;
    Ok(())
}

fn damaged_snappy(source: io::Error) -> CompressionError {
    CompressionError::Damaged { codec: Codec::Snappy, source }
}

/// `records` as one payload of the codec, at the level that Kafka uses by default.
///
/// # Errors
/// [`CompressionError::UnknownCodec`], and what the codec itself reports.
pub fn compress(codec: Codec, records: &[u8]) -> Result<Vec<u8>, CompressionError> {
    let damaged = |source| CompressionError::Damaged { codec, source };
    match codec {
        Codec::None => Ok(records.to_vec()),
        Codec::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(records).and_then(|()| encoder.finish()).map_err(damaged)
        }
        Codec::Snappy => snap_xerial(records),
        Codec::Lz4 => {
            // As `Lz4BlockOutputStream`: independent blocks of 64 KiB (dependent ones are refused), no checksums.
            let frame = FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB);
            let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
            encoder.write_all(records).map_err(damaged)?;
            encoder.finish().map_err(|error| damaged(error.into()))
        }
        Codec::Zstd => zstd::bulk::compress(records, ZSTD_LEVEL).map_err(damaged),
        Codec::Unknown(number) => Err(CompressionError::UnknownCodec(number)),
    }
}

fn snap_xerial(records: &[u8]) -> Result<Vec<u8>, CompressionError> {
    let mut out = XERIAL_HEADER.to_vec();
    let mut encoder = snap::raw::Encoder::new();
    for block in records.chunks(XERIAL_BLOCK) {
        let block = encoder.compress_vec(block).map_err(|error| damaged_snappy(error.into()))?;
        // A block of 32 KiB takes no more than 38 KiB.
        out.extend_from_slice(&u32::try_from(block.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(&block);
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
