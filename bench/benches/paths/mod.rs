//! Hot paths on bytes, ready to run. The criterion benchmarks and the instruction counts share them.

use std::hint::black_box;

use bytes::Bytes;
use linkgate_tests::produce::raw_batch::{batch, record};
use proxy::internals::RawBatch;
use proxy::internals::RequestPrefix;
use proxy::internals::filler;
use proxy::internals::hide_filler;
use proxy::internals::join_batches;
use proxy::internals::walk;
use proxy::internals::{WriterIds, rewrite_header};

const IDS: WriterIds = WriterIds { producer_id: 1 << 62, producer_epoch: 0, base_sequence: 0 };

/// A hot path.
pub(crate) struct HotPath {
    pub(crate) name: &'static str,
    /// Number of bytes that one run processes.
    pub(crate) bytes: usize,
    /// Runs the path once.
    pub(crate) run: Box<dyn Fn()>,
}

/// Returns all hot paths.
pub(crate) fn all() -> Vec<HotPath> {
    let (small, large) = (raw(1, 200), raw(512, 1024));
    let run = run_of(16, 32);
    let log = Bytes::from(run.iter().flat_map(|batch| batch.bytes.to_vec()).collect::<Vec<u8>>());
    let hidden = Bytes::from([&log[..], &filler(1000, 5, IDS)[..]].concat());
    let prefix = [0, 1, 0, 17, 0, 0, 0, 42];
    vec![
        path("header-parse", 8, move || {
            black_box(RequestPrefix::parse(black_box(prefix)));
        }),
        path("batch-walk", log.len(), {
            let log = log.clone();
            move || {
                black_box(walk(black_box(&log)).count());
            }
        }),
        path("re-head-small", small.bytes.len(), move || {
            black_box(rewrite_header(black_box(&small), IDS).is_ok());
        }),
        path("re-head-large", large.bytes.len(), move || {
            black_box(rewrite_header(black_box(&large), IDS).is_ok());
        }),
        path("join", log.len(), move || {
            black_box(join_batches(black_box(&run), IDS, 1 << 30).is_ok());
        }),
        path("filter-nothing", log.len(), move || {
            black_box(hide_filler(black_box(&log)).is_none());
        }),
        path("filter-filler", hidden.len(), move || {
            black_box(hide_filler(black_box(&hidden)).is_some());
        }),
    ]
}

fn path(name: &'static str, bytes: usize, run: impl Fn() + 'static) -> HotPath {
    HotPath { name, bytes, run: Box::new(run) }
}

fn raw(records: usize, size: usize) -> RawBatch {
    let value = vec![b'.'; size];
    RawBatch::parse(&batch(vec![record(1_700_000_000_000, None, Some(&value)); records])).expect("a batch")
}

/// Returns `batches` consecutive batches of `records` records each.
fn run_of(records: usize, batches: i64) -> Vec<RawBatch> {
    let one = raw(records, 1024);
    (0..batches)
        .map(|n| {
            let mut bytes = one.bytes.to_vec();
            bytes[..8].copy_from_slice(&(n * records as i64).to_be_bytes());
            RawBatch::parse(&bytes.into()).expect("a batch")
        })
        .collect()
}
