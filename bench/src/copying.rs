//! Watches a copy: how fast a topic fills, and the CPU time of the processes that fill it.

use std::time::{Duration, Instant};

use linkgate_tests::client::log_ends::LogEnds;

use crate::usage;

/// Interval between two requests for the log ends.
const PAUSE: Duration = Duration::from_millis(20);
/// Maximum time without progress.
const STALL: Duration = Duration::from_secs(120);

/// Result of a watched copy.
#[derive(Debug, Clone, Copy)]
pub struct Copied {
    /// Rate in million bytes of keys and values per second, from the first fifth to the end.
    pub rate: f64,
    /// CPU seconds of the copying process per GB of keys and values, in the same time.
    pub cpu_per_gb: f64,
    /// CPU seconds of the brokers of both sides per GB of keys and values, in the same time.
    pub brokers_per_gb: f64,
    /// Peak resident memory of the copying process so far, in MiB.
    pub memory: f64,
}

/// Processes that take part in a copy.
#[derive(Debug, Clone)]
pub struct Processes {
    /// Process id of the copier.
    pub copier: u32,
    /// Process ids of the brokers of both sides.
    pub brokers: Vec<u32>,
}

impl Processes {
    fn cpu(&self) -> (Duration, Duration) {
        (usage::cpu(&[self.copier]), usage::cpu(&self.brokers))
    }
}

/// Watches `topic` until each partition has `records` records. The first fifth is not counted: caches and JIT
/// compilers warm up. Waits if the topic does not exist yet.
///
/// # Panics
/// Panics if there is no progress for 120 s.
#[must_use]
pub fn watch(
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    records: i64,
    record_bytes: f64,
    processes: &Processes,
) -> Copied {
    let total = records * i64::from(partitions);
    let mut ends = LogEnds::of(bootstrap, &[topic.to_owned()]);
    let mut first: Option<(Instant, i64, (Duration, Duration))> = None;
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        let now: i64 = ends.high_watermarks().map_or(0, |ends| ends.values().sum());
        if now > last {
            (last, moved) = (now, Instant::now());
        }
        if now >= total / 5 && first.is_none() {
            first = Some((Instant::now(), now, processes.cpu()));
        }
        if let Some((begin, already, cpu)) = first
            && now >= total
        {
            let seconds = begin.elapsed().as_secs_f64();
            let bytes = (total - already) as f64 * record_bytes;
            let (copier, brokers) = processes.cpu();
            let per_gb = |cpu: Duration| cpu.as_secs_f64() / (bytes / 1e9);
            return Copied {
                rate: bytes / 1e6 / seconds,
                cpu_per_gb: per_gb(copier - cpu.0),
                brokers_per_gb: per_gb(brokers - cpu.1),
                memory: usage::peak(processes.copier) as f64 / f64::from(1 << 20),
            };
        }
        assert!(moved.elapsed() < STALL, "{topic} stands at {last} of {total} records");
        std::thread::sleep(PAUSE);
    }
}
