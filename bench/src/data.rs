//! Data to copy: prebuilt batches, so that writing them costs almost nothing.

use std::process::Command;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::records::Record;
use linkgate_tests::client::python::data_set;
use linkgate_tests::machine::process::run;
use linkgate_tests::produce::raw_batch::{batch, now_ms, record};

/// Size of a batch header in bytes, and the offset of the first byte that the CRC covers.
const HEADER: usize = 61;
const AFTER_CRC: usize = 21;
/// Base timestamp of filler batches (the mark).
const FILLER_BASE: i64 = -64;

/// A compression codec of Kafka. The value is its code in the batch attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Not compressed.
    None = 0,
    /// LZ4 frames.
    Lz4 = 3,
    /// Zstandard.
    Zstd = 4,
}

impl Codec {
    /// Returns the name of the codec in `compression.type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

/// Batches to write repeatedly. All have the same number of records.
#[derive(Debug, Clone)]
pub struct Data {
    /// Description for the report.
    pub name: &'static str,
    /// Compression codec of the batches.
    pub codec: Codec,
    /// Distinct batches, as one producer connection would send them.
    pub batches: Vec<Bytes>,
    /// Number of records per batch.
    pub records: usize,
    /// Average bytes of keys and values per batch. All rates count these bytes.
    pub payload: f64,
}

impl Data {
    /// Incompressible records of 1 KiB, sixteen per batch: the producer's default batch size.
    #[must_use]
    pub fn plain() -> Data {
        Data::random("1 KiB records", 16, 1024, 256)
    }

    /// Batches of one record of 200 bytes.
    #[must_use]
    pub fn tiny() -> Data {
        Data::random("batches of one record of 200 B", 1, 200, 256)
    }

    /// Batches of one record of 1 KiB.
    #[must_use]
    pub fn single() -> Data {
        Data::random("batches of one record of 1 KiB", 1, 1024, 256)
    }

    fn random(name: &'static str, records: usize, size: usize, distinct: usize) -> Data {
        let mut random = fastrand::Rng::with_seed(1);
        let mut value = vec![0; size];
        let mut next = || {
            random.fill(&mut value);
            record(now_ms(), None, Some(&value))
        };
        let batches = (0..distinct).map(|_| batch((0..records).map(|_| next()).collect())).collect();
        Data { name, codec: Codec::None, batches, records, payload: (records * size) as f64 }
    }

    /// Flights from New York in 2013, compressed, with `records` lines per batch.
    #[must_use]
    pub fn flights(codec: Codec, records: usize) -> Data {
        let lines = flights();
        let mut payload = 0;
        let batches: Vec<Bytes> = lines
            .chunks_exact(records)
            .map(|chunk| {
                payload += chunk.iter().map(String::len).sum::<usize>();
                let all = chunk.iter().map(|line| record(now_ms(), None, Some(line.as_bytes())));
                compressed(&batch(all.collect()), codec)
            })
            .collect();
        let name = if codec == Codec::Zstd { "flights, zstd" } else { "flights, lz4" };
        let payload = payload as f64 / batches.len() as f64;
        Data { name, codec, batches, records, payload }
    }

    /// A batch like Linkgate's filler: `records` records with a short key and no value, compressed like
    /// filler.
    #[must_use]
    pub fn holes(records: usize) -> Data {
        // The same distance from the base timestamp as in filler: the length of a record, and so the cost of
        // reading it, depends on it.
        let mut holes = vec![hole(-1); records];
        holes[0] = hole(FILLER_BASE);
        let batches = vec![compressed(&batch(holes), Codec::Zstd)];
        Data { name: "holes", codec: Codec::Zstd, batches, records, payload: (records * 8) as f64 }
    }

    /// Returns the number of batches that hold `bytes` bytes of keys and values.
    #[must_use]
    pub fn batches_for(&self, bytes: u64) -> usize {
        (bytes as f64 / self.payload).ceil() as usize
    }

    /// Returns the average bytes of a record's key and value.
    #[must_use]
    pub fn record_bytes(&self) -> f64 {
        self.payload / self.records as f64
    }
}

/// Returns a record of the same length as a sentinel.
fn hole(timestamp: i64) -> Record {
    record(timestamp, Some(b"filler.."), None)
}

/// Returns all lines of the data set except its heading.
fn flights() -> Vec<String> {
    let mut unzip = Command::new("python3");
    unzip.args([
        "-c",
        "import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read('flights.csv'))",
    ]);
    unzip.arg(data_set().join("flights.csv.zip"));
    let text = run(unzip, b"", Duration::from_secs(60)).success("unpacking the flights").stdout;
    text.lines().skip(1).map(str::to_owned).collect()
}

/// Returns the batch, compressed.
fn compressed(batch: &Bytes, codec: Codec) -> Bytes {
    let records = &batch[HEADER..];
    let packed = match codec {
        Codec::None => records.to_vec(),
        Codec::Zstd => zstd::bulk::compress(records, 3).expect("zstd compresses"),
        Codec::Lz4 => {
            let mut frame = lz4_flex::frame::FrameEncoder::new(Vec::new());
            std::io::Write::write_all(&mut frame, records).expect("lz4 compresses");
            frame.finish().expect("lz4 compresses")
        }
    };
    let mut out = BytesMut::from(&batch[..HEADER]);
    out.put_slice(&packed);
    let length = u32::try_from(out.len() - 12).expect("a batch is small");
    out[8..12].copy_from_slice(&length.to_be_bytes());
    out[AFTER_CRC + 1] |= codec as u8;
    let crc = crc32c::crc32c(&out[AFTER_CRC..]);
    out[AFTER_CRC - 4..AFTER_CRC].copy_from_slice(&crc.to_be_bytes());
    out.freeze()
}

#[cfg(test)]
mod tests {
    use proxy::internals::BatchHeader;
    use proxy::internals::WriterIds;
    use proxy::internals::{FILLER_BASE_TIMESTAMP, filler};

    use super::*;

    #[test]
    fn holes_have_the_size_of_linkgates_filler() {
        let ids = WriterIds { producer_id: 1 << 62, producer_epoch: 0, base_sequence: 0 };
        // Few enough records that Linkgate does not compress the batch.
        let theirs = filler(16, -1, ids);
        let holes = batch((0..16).map(|n| hole(if n == 0 { FILLER_BASE } else { -1 })).collect());
        assert_eq!(FILLER_BASE, FILLER_BASE_TIMESTAMP);
        assert_eq!(BatchHeader::parse(&holes).expect("a header").base_timestamp, FILLER_BASE);
        assert_eq!(holes.len(), theirs.len());
    }
}
