//! Measures the hot paths in nanoseconds and bytes per second: `cargo bench -p linkgate-bench`.

// The items that criterion's macros generate have no documentation.
#![allow(missing_docs)]

mod paths;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn wire(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wire");
    for path in paths::all() {
        let _ = group.throughput(Throughput::Bytes(path.bytes as u64));
        let _ = group.bench_function(path.name, |bencher| bencher.iter(|| (path.run)()));
    }
    group.finish();
}

criterion_group!(benches, wire);
criterion_main!(benches);
