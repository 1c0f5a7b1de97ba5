//! What is copied: prebuilt batches, so that whoever writes them costs next to nothing.

use std::process::Command;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::records::Record;
use linkgate_tests::process::run;
use linkgate_tests::python::data_set;
use linkgate_tests::raw_batch::{batch, now_ms, record};

/// Bytes of a batch's header up to its records, and where its CRC begins to count.
const HEADER: usize = 61;
const AFTER_CRC: usize = 21;
/// Base timestamp of the batches with which Linkgate fills holes.
const FILLER_BASE: i64 = -64;

/// A codec of Kafka, by its bits in the attributes.
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
    /// As `compression.type` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

/// Batches to be written over and over, all of the same number of records.
#[derive(Debug, Clone)]
pub struct Data {
    /// Of what kind, for the report.
    pub name: &'static str,
    /// Its codec.
    pub codec: Codec,
    /// Distinct batches, as a producer of one connection would send them.
    pub batches: Vec<Bytes>,
    /// Records of each.
    pub records: usize,
    /// Bytes of the keys and values of a batch, on average: what all rates count.
    pub payload: f64,
}

impl Data {
    /// Records of 1 KiB that cannot be compressed, sixteen to a batch of the producers' default size.
    #[must_use]
    pub fn plain() -> Data {
        Data::random("1 KiB records", 16, 1024, 256)
    }

    /// One record of 200 bytes to a batch.
    #[must_use]
    pub fn tiny() -> Data {
        Data::random("batches of one record of 200 B", 1, 200, 256)
    }

    /// One record of 1 KiB to a batch.
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

    /// The flights of 2013 from New York, `records` lines to a batch, compressed.
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

    /// A batch like those that fill holes: `records` of a short key and nothing else, compressed as they are.
    #[must_use]
    pub fn holes(records: usize) -> Data {
        // As far from the batch's own timestamp as there: how long a record is, and so what reading it costs, depends on it.
        let mut holes = vec![hole(-1); records];
        holes[0] = hole(FILLER_BASE);
        let batches = vec![compressed(&batch(holes), Codec::Zstd)];
        Data { name: "holes", codec: Codec::Zstd, batches, records, payload: (records * 8) as f64 }
    }

    /// How many batches hold so many bytes of keys and values.
    #[must_use]
    pub fn batches_for(&self, bytes: u64) -> usize {
        (bytes as f64 / self.payload).ceil() as usize
    }

    /// Bytes of a record's key and value, on average.
    #[must_use]
    pub fn record_bytes(&self) -> f64 {
        self.payload / self.records as f64
    }
}

/// As long as a record of filler.
fn hole(timestamp: i64) -> Record {
    record(timestamp, Some(b"filler.."), None)
}

/// Every line of the data set but its heading.
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

/// The same batch, compressed.
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
    use proxy::wire::batch::BatchHeader;
    use proxy::wire::filler::{FILLER_BASE_TIMESTAMP, filler};
    use proxy::wire::rehead::WriterIds;

    use super::*;

    #[test]
    fn holes_are_as_long_as_what_linkgate_fills_them_with() {
        let ids = WriterIds { producer_id: 1 << 62, producer_epoch: 0, base_sequence: 0 };
        // So few that it is not compressed.
        let theirs = filler(16, -1, ids);
        let holes = batch((0..16).map(|n| hole(if n == 0 { FILLER_BASE } else { -1 })).collect());
        assert_eq!(FILLER_BASE, FILLER_BASE_TIMESTAMP);
        assert_eq!(BatchHeader::parse(&holes).expect("a header").base_timestamp, FILLER_BASE);
        assert_eq!(holes.len(), theirs.len());
    }
}
