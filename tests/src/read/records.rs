//! Decodes record batches of format v2, independently of the code under test: headers, codecs, records.
//!
//! Layout: Kafka's `DefaultRecordBatch` and `DefaultRecord` (KIP-98, KIP-32, KIP-82).

use std::io::Read;

/// One record as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Offset of the record.
    pub offset: i64,
    /// Timestamp in milliseconds since the epoch.
    pub timestamp: i64,
    /// Key; `None` is null.
    pub key: Option<Vec<u8>>,
    /// Value; `None` is null.
    pub value: Option<Vec<u8>>,
    /// Headers in order; a value of `None` is null.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A batch: header fields and records.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Offset of the last record, minus `base_offset`.
    pub last_offset_delta: i32,
    /// Attribute bits of the batch.
    pub attributes: i16,
    /// Base of the records' timestamp deltas.
    pub base_timestamp: i64,
    /// Producer id; -1 for none.
    pub producer_id: i64,
    /// Producer epoch; -1 for none.
    pub producer_epoch: i16,
    /// Sequence number of the first record; -1 for none.
    pub base_sequence: i32,
    /// Records of the batch.
    pub records: Vec<Record>,
}

impl Batch {
    /// Returns true if it holds a transaction marker.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes & 0x20 != 0
    }

    /// Returns true if it belongs to a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes & 0x10 != 0
    }

    /// Returns the offset after the batch.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta) + 1
    }

    /// Returns the compression codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    #[must_use]
    pub fn codec(&self) -> i16 {
        self.attributes & 7
    }
}

/// Decodes all complete batches of a fetch payload. Skips a truncated batch at the end.
///
/// # Errors
/// Fails with a sentence if a batch cannot be decoded: wrong CRC, unknown format or unknown codec.
pub fn batches(mut payload: &[u8]) -> Result<Vec<Batch>, String> {
    let mut all = Vec::new();
    while payload.len() >= 12 {
        let length = u32::from_be_bytes([payload[8], payload[9], payload[10], payload[11]]) as usize + 12;
        if payload.len() < length {
            break;
        }
        all.push(batch(&payload[..length])?);
        payload = &payload[length..];
    }
    Ok(all)
}

/// Returns the offset field and the format of every batch or message of a fetch payload. Offset, length and
/// magic byte have the same position in all formats. A compressed message of an old format carries its last
/// offset.
#[must_use]
pub fn formats(mut payload: &[u8]) -> Vec<(i64, i8)> {
    let mut all = Vec::new();
    while let Some((head, _)) = payload.split_first_chunk::<17>() {
        let length = u32::from_be_bytes([head[8], head[9], head[10], head[11]]) as usize + 12;
        if payload.len() < length {
            break;
        }
        let offset =
            i64::from_be_bytes([head[0], head[1], head[2], head[3], head[4], head[5], head[6], head[7]]);
        all.push((offset, head[16].cast_signed()));
        payload = &payload[length..];
    }
    all
}

fn batch(bytes: &[u8]) -> Result<Batch, String> {
    let mut head = Reader(bytes);
    let base_offset = head.i64()?;
    head.take(8)?;
    let magic = head.take(1)?[0];
    if magic != 2 {
        return Err(format!("message format v{magic} at offset {base_offset}"));
    }
    let crc = u32::from_be_bytes(head.array()?);
    if crc32c::crc32c(head.0) != crc {
        return Err(format!("wrong CRC of the batch at offset {base_offset}"));
    }
    let attributes = i16::from_be_bytes(head.array()?);
    let last_offset_delta = i32::from_be_bytes(head.array()?);
    let base_timestamp = head.i64()?;
    let max_timestamp = head.i64()?;
    let producer_id = head.i64()?;
    let producer_epoch = i16::from_be_bytes(head.array()?);
    let base_sequence = i32::from_be_bytes(head.array()?);
    let count = i32::from_be_bytes(head.array()?);
    let plain =
        decompress(attributes & 7, head.0).map_err(|e| format!("batch at offset {base_offset}: {e}"))?;
    let mut body = Reader(&plain);
    let mut records = Vec::new();
    for _ in 0..count {
        let mut record = body.record(base_offset, base_timestamp)?;
        if attributes & 0x08 != 0 {
            // LogAppendTime: the batch's maximum timestamp is the timestamp of every record.
            record.timestamp = max_timestamp;
        }
        records.push(record);
    }
    Ok(Batch {
        base_offset,
        last_offset_delta,
        attributes,
        base_timestamp,
        producer_id,
        producer_epoch,
        base_sequence,
        records,
    })
}

fn decompress(codec: i16, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut plain = Vec::new();
    let done = match codec {
        0 => return Ok(bytes.to_vec()),
        1 => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain),
        2 => return snappy(bytes),
        3 => lz4_flex::frame::FrameDecoder::new(bytes).read_to_end(&mut plain),
        4 => zstd::stream::read::Decoder::new(bytes).and_then(|mut d| d.read_to_end(&mut plain)),
        other => return Err(format!("codec {other} is not read here")),
    };
    done.map_err(|e| format!("codec {codec}: {e}"))?;
    Ok(plain)
}

/// Decompresses snappy: raw, as librdkafka and sarama write it, or in the framing of the Java client
/// (xerial): a magic, two versions, then blocks with their lengths.
fn snappy(bytes: &[u8]) -> Result<Vec<u8>, String> {
    const FRAMED: &[u8] = b"\x82SNAPPY\0";
    let block =
        |block: &[u8]| snap::raw::Decoder::new().decompress_vec(block).map_err(|e| format!("codec 2: {e}"));
    let Some(framed) = bytes.strip_prefix(FRAMED) else { return block(bytes) };
    let mut rest = Reader(framed);
    rest.take(8)?;
    let mut plain = Vec::new();
    while !rest.0.is_empty() {
        let length = u32::from_be_bytes(rest.array()?) as usize;
        plain.extend(block(rest.take(length)?)?);
    }
    Ok(plain)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        if self.0.len() < n {
            return Err(format!("{n} bytes wanted, {} left", self.0.len()));
        }
        let (taken, rest) = self.0.split_at(n);
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| "length".to_owned())
    }

    fn i64(&mut self) -> Result<i64, String> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    fn varint(&mut self) -> Result<i64, String> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err("a varint of more than ten bytes".to_owned())
    }

    fn bytes(&mut self) -> Result<Option<Vec<u8>>, String> {
        let length = self.varint()?;
        match usize::try_from(length) {
            Ok(length) => Ok(Some(self.take(length)?.to_vec())),
            Err(_) => Ok(None),
        }
    }

    fn record(&mut self, base_offset: i64, base_timestamp: i64) -> Result<Record, String> {
        let length = usize::try_from(self.varint()?).map_err(|_| "negative record length".to_owned())?;
        let mut body = Reader(self.take(length)?);
        body.take(1)?;
        let timestamp = base_timestamp.wrapping_add(body.varint()?);
        let offset = base_offset + body.varint()?;
        let key = body.bytes()?;
        let value = body.bytes()?;
        let mut headers = Vec::new();
        for _ in 0..body.varint()? {
            let name = body.bytes()?.unwrap_or_default();
            headers.push((String::from_utf8_lossy(&name).into_owned(), body.bytes()?));
        }
        Ok(Record { offset, timestamp, key, value, headers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_zigzag() {
        for (bytes, value) in
            [(&[0u8][..], 0), (&[1], -1), (&[2], 1), (&[0x80, 0x01], 64), (&[0xff, 0x01], -128)]
        {
            assert_eq!(Reader(bytes).varint(), Ok(value));
        }
        assert!(Reader(&[0x80]).varint().is_err());
    }

    #[test]
    fn snappy_is_read_bare_and_framed() {
        let plain = b"flight flight flight flight".to_vec();
        let block = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
        assert_eq!(decompress(2, &block), Ok(plain.clone()));
        let mut framed = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
        for _ in 0..2 {
            framed.extend(u32::try_from(block.len()).unwrap().to_be_bytes());
            framed.extend(&block);
        }
        assert_eq!(decompress(2, &framed), Ok([plain.clone(), plain].concat()));
        assert!(decompress(2, &framed[..framed.len() - 1]).is_err());
    }

    #[test]
    fn a_truncated_batch_at_the_end_is_left_out() {
        assert!(batches(&[0; 11]).is_ok_and(|b| b.is_empty()));
        let mut cut = vec![0; 40];
        cut[11] = 49;
        assert!(batches(&cut).is_ok_and(|b| b.is_empty()));
    }
}
