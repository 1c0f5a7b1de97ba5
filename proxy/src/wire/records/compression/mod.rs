//! Compresses and decompresses record batches, with a limit on the decompressed size.
//!
//! Only batches that must be re-encoded come here: sparse ones, those with LogAppendTime, small ones that are
//! coalesced, and mixed ones that the gateway sends to a client. Every Kafka client must be able to read the
//! result, so each codec uses the framing of Kafka's Java client (`org.apache.kafka.common.compress`).

use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use crate::wire::records::batch::Codec;

/// Header of a snappy stream in xerial framing: `SnappyCodec.MAGIC_HEADER`, version 1, compatible with
/// version 1.
const XERIAL_HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// Number of header bytes that identify the framing. The version fields after them are not checked, as in
/// snappy-java.
const XERIAL_MAGIC_LEN: usize = 8;
/// Uncompressed size of one snappy block, in bytes: the default of `SnappyOutputStream`.
const XERIAL_BLOCK: usize = 32 * 1024;
/// Compression level for zstd: Kafka's default.
const ZSTD_LEVEL: i32 = 3;

/// An error while decompressing or compressing records.
#[derive(Debug, thiserror::Error)]
pub enum CompressionError {
    /// The decompressed records are larger than the caller allows.
    #[error("the records are larger than {limit} bytes when decompressed")]
    TooLarge {
        /// Allowed size, in bytes.
        limit: usize,
    },
    /// A codec number that no Kafka release uses.
    #[error("unknown compression codec {0}")]
    UnknownCodec(u8),
    /// The bytes are not valid for the codec.
    #[error("cannot compress or decompress with {codec:?}: {source}")]
    Damaged {
        /// The codec.
        codec: Codec,
        /// Error of the decoder or encoder.
        source: io::Error,
    },
}

/// Decompresses `payload` to at most `limit` bytes.
///
/// Besides the output, a decoder holds its window: at most 128 MiB of address space for zstd (an honest frame
/// of the highest level needs that much too), less than 8 MiB for the other codecs.
///
/// # Errors
/// Fails if the codec is unknown, the bytes are damaged, or the output exceeds `limit`. In the last case, it
/// stops before it holds more than `limit` bytes.
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

#[expect(clippy::disallowed_methods, reason = "the limit bounds it")]
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

/// Decompresses blocks in xerial framing, or one bare block. Some clients that are not Java write a bare
/// block, and Java reads it.
fn snappy_capped(payload: &[u8], limit: usize) -> Result<Bytes, CompressionError> {
    let mut out = Vec::new();
    let Some(mut rest) = xerial_blocks(payload) else {
        unsnap(payload, &mut out, limit)?;
        return Ok(out.into());
    };
    while !rest.is_empty() {
        unsnap(take_block(&mut rest).map_err(damaged_snappy)?, &mut out, limit)?;
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

/// Base 2 logarithm of the largest window that a zstd frame may ask for: the default limit of the decoder.
pub(crate) const ANY_WINDOW: u32 = 27;

/// Returns a reader that decompresses `payload` piece by piece. It fails on a zstd frame whose window is
/// larger than 2^`window_log`.
///
/// # Errors
/// Fails if the codec is unknown, or if its decoder cannot start.
pub(crate) fn reader(
    codec: Codec,
    payload: &[u8],
    window_log: u32,
) -> Result<Box<dyn Read + '_>, CompressionError> {
    let damaged = |source| CompressionError::Damaged { codec, source };
    Ok(match codec {
        Codec::None => Box::new(payload),
        Codec::Gzip => Box::new(MultiGzDecoder::new(payload)),
        Codec::Snappy => Box::new(SnappyReader::new(payload)),
        Codec::Lz4 => Box::new(FrameDecoder::new(payload)),
        Codec::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(payload).map_err(damaged)?;
            decoder.window_log_max(window_log).map_err(damaged)?;
            Box::new(decoder)
        }
        Codec::Unknown(number) => return Err(CompressionError::UnknownCodec(number)),
    })
}

/// Reader that decompresses one snappy block at a time.
struct SnappyReader<'a> {
    blocks: &'a [u8],
    xerial: bool,
    block: Vec<u8>,
    at: usize,
}

impl<'a> SnappyReader<'a> {
    fn new(payload: &'a [u8]) -> Self {
        let blocks = xerial_blocks(payload);
        SnappyReader { blocks: blocks.unwrap_or(payload), xerial: blocks.is_some(), block: Vec::new(), at: 0 }
    }

    fn next_block(&mut self) -> io::Result<()> {
        let block =
            if self.xerial { take_block(&mut self.blocks)? } else { std::mem::take(&mut self.blocks) };
        self.block.clear();
        self.at = 0;
        unsnap(block, &mut self.block, claimed_at_most(block)).map_err(io::Error::other)
    }
}

impl Read for SnappyReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() && !self.blocks.is_empty() {
            self.next_block()?;
        }
        let left = self.block.get(self.at..).unwrap_or_default();
        let length = left.len().min(out.len());
        out[..length].copy_from_slice(&left[..length]);
        self.at += length;
        Ok(length)
    }
}

/// Takes the next block of a xerial stream.
fn take_block<'a>(rest: &mut &'a [u8]) -> io::Result<&'a [u8]> {
    let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let (block, after) = after.split_at_checked(length).ok_or_else(cut)?;
    *rest = after;
    Ok(block)
}

/// Returns an upper bound of the decompressed size of a snappy block: a copy of at most 64 bytes takes at
/// least two bytes.
fn claimed_at_most(block: &[u8]) -> usize {
    block.len().saturating_mul(64)
}

/// Writer that compresses like [`compress`]. It holds only the window of its codec and the compressed output.
pub(crate) enum Encoder {
    None(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Snappy { out: Vec<u8>, block: Vec<u8> },
    Lz4(Box<FrameEncoder<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    /// Creates an encoder for `codec`.
    ///
    /// # Errors
    /// Fails like [`compress`].
    pub(crate) fn new(codec: Codec) -> Result<Self, CompressionError> {
        Ok(match codec {
            Codec::None => Encoder::None(Vec::new()),
            Codec::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::default())),
            Codec::Snappy => Encoder::Snappy { out: XERIAL_HEADER.to_vec(), block: Vec::new() },
            Codec::Lz4 => Encoder::Lz4(Box::new(FrameEncoder::with_frame_info(lz4_frame(), Vec::new()))),
            Codec::Zstd => {
                let encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL);
                Encoder::Zstd(encoder.map_err(|source| CompressionError::Damaged { codec, source })?)
            }
            Codec::Unknown(number) => return Err(CompressionError::UnknownCodec(number)),
        })
    }

    /// Returns the number of compressed bytes so far.
    pub(crate) fn size(&self) -> usize {
        match self {
            Encoder::None(out) | Encoder::Snappy { out, .. } => out.len(),
            Encoder::Gzip(encoder) => encoder.get_ref().len(),
            Encoder::Lz4(encoder) => encoder.get_ref().len(),
            Encoder::Zstd(encoder) => encoder.get_ref().len(),
        }
    }

    /// Ends the stream and returns the compressed payload.
    pub(crate) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Encoder::None(out) => Ok(out),
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Snappy { mut out, block } => {
                if !block.is_empty() {
                    put_block(&mut out, &block)?;
                }
                Ok(out)
            }
            Encoder::Lz4(encoder) => encoder.finish().map_err(Into::into),
            Encoder::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl Write for Encoder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Encoder::None(out) => out.write(bytes),
            Encoder::Gzip(encoder) => encoder.write(bytes),
            Encoder::Snappy { out, block } => {
                let length = bytes.len().min(XERIAL_BLOCK - block.len());
                block.extend_from_slice(&bytes[..length]);
                if block.len() == XERIAL_BLOCK {
                    put_block(out, block)?;
                    block.clear();
                }
                Ok(length)
            }
            Encoder::Lz4(encoder) => encoder.write(bytes),
            Encoder::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn put_block(out: &mut Vec<u8>, records: &[u8]) -> io::Result<()> {
    let block = snap::raw::Encoder::new().compress_vec(records)?;
    // A block of 32 KiB takes no more than 38 KiB.
    out.extend_from_slice(&u32::try_from(block.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(&block);
    Ok(())
}

/// Returns roughly how many bytes [`reader`] with this window and an [`Encoder`] of the same codec hold
/// besides the output.
pub(crate) fn working_memory(codec: Codec, payload: &[u8], window_log: u32) -> usize {
    /// Maximum size of a codec's buffers, without its window, in bytes.
    const BUFFERS: usize = 512 << 10;
    BUFFERS
        + match codec {
            Codec::None | Codec::Gzip | Codec::Unknown(_) => 0,
            // One block for each direction, compressed and uncompressed.
            Codec::Lz4 => 10 << 20,
            Codec::Snappy if xerial_blocks(payload).is_none() => claimed_at_most(payload),
            Codec::Snappy => largest_block(payload),
            // The encoder has its own window and tables too.
            Codec::Zstd => (5 << 20) + (1 << window_log),
        }
}

fn largest_block(payload: &[u8]) -> usize {
    let mut rest = xerial_blocks(payload).unwrap_or_default();
    let mut largest = 0;
    while let Ok(block) = take_block(&mut rest) {
        let claimed = snap::raw::decompress_len(block).unwrap_or(0);
        largest = largest.max(claimed.min(claimed_at_most(block)));
        if rest.is_empty() {
            break;
        }
    }
    largest
}

fn lz4_frame() -> FrameInfo {
    // Same settings as `Lz4BlockOutputStream` of Kafka: independent blocks of 64 KiB (Kafka refuses dependent
    // ones), no checksums.
    FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB)
}

/// Compresses `records` into one payload, at the level that Kafka uses by default.
///
/// # Errors
/// Fails if the codec is unknown, or if the encoder fails.
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
            let mut encoder = FrameEncoder::with_frame_info(lz4_frame(), Vec::new());
            encoder.write_all(records).map_err(damaged)?;
            encoder.finish().map_err(|error| damaged(error.into()))
        }
        Codec::Zstd => zstd::bulk::compress(records, ZSTD_LEVEL).map_err(damaged),
        Codec::Unknown(number) => Err(CompressionError::UnknownCodec(number)),
    }
}

fn snap_xerial(records: &[u8]) -> Result<Vec<u8>, CompressionError> {
    let mut out = XERIAL_HEADER.to_vec();
    for block in records.chunks(XERIAL_BLOCK) {
        put_block(&mut out, block).map_err(damaged_snappy)?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
