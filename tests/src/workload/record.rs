//! The records of each workload, from a seeded generator.

use fastrand::Rng;

use super::Shape;
use crate::produce::raw_batch::now_ms;

/// A record to be written.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) timestamp: i64,
}

/// Returns record number `n` of one writer.
pub(super) fn next(shape: Shape, writer: &str, n: u64, rng: &mut Rng) -> Record {
    let key = Some(format!("{writer}-{n}").into_bytes());
    let mut record = Record { key, value: Some(text(writer, n, rng)), timestamp: now_ms() };
    match shape {
        Shape::Plain => {
            match rng.u8(..) {
                0..12 => record.key = None,
                12..20 => record.key = Some(Vec::new()),
                20..32 => record.value = None,
                32..40 => record.value = Some(Vec::new()),
                _ => {}
            }
            if rng.u8(..) < 16 {
                record.timestamp -= rng.i64(0..3_000_000);
            }
        }
        Shape::Compacted => {
            // 20 keys often, and 1,980 keys rarely.
            let key = if rng.bool() { rng.u32(0..20) } else { rng.u32(20..2_000) };
            record.key = Some(format!("key-{key}").into_bytes());
            if rng.f64() < 0.15 {
                record.value = None;
            }
        }
        Shape::Large => record.value = Some(large(rng)),
        Shape::Idempotent | Shape::Transactional | Shape::Tiny => {}
    }
    record
}

fn text(writer: &str, n: u64, rng: &mut Rng) -> Vec<u8> {
    let words = ["flight ", "departed ", "late ", "arrived ", "gate ", "weather "];
    let mut text = format!("{{\"writer\":\"{writer}\",\"n\":{n},\"text\":\"");
    for _ in 0..rng.usize(1..40) {
        text.push_str(words[rng.usize(..words.len())]);
    }
    text.push_str("\"}");
    text.into_bytes()
}

/// Returns a value of 64 KiB to 1 MiB, or of 10 MiB for one of 40 records. Half of it is random and does not
/// compress.
fn large(rng: &mut Rng) -> Vec<u8> {
    let size = if rng.u8(0..40) == 0 { 10 << 20 } else { (64 << 10) << rng.u32(0..5) };
    let mut value = vec![b'.'; size + rng.usize(0..4096)];
    let (random, _) = value.split_at_mut(size / 2);
    rng.fill(random);
    value
}
