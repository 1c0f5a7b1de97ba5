//! How fast a topic fills, and what it costs those who fill it.

use std::time::{Duration, Instant};

use linkgate_tests::log_ends::LogEnds;

use crate::usage;

/// Pause between two questions for the log ends.
const PAUSE: Duration = Duration::from_millis(20);
/// Longest time without any progress.
const STALL: Duration = Duration::from_secs(120);

/// A copy that was watched.
#[derive(Debug, Clone, Copy)]
pub struct Copied {
    /// Million bytes of keys and values in a second, once a fifth was there and up to the last.
    pub rate: f64,
    /// CPU seconds of the copying process for a GB of keys and values, in that time.
    pub cpu_per_gb: f64,
    /// The same of the brokers on both sides.
    pub brokers_per_gb: f64,
    /// Its largest resident memory so far, in MiB.
    pub memory: f64,
}

/// Who copies, and between whom.
#[derive(Debug, Clone)]
pub struct Processes {
    /// The copier.
    pub copier: u32,
    /// Brokers of both sides.
    pub brokers: Vec<u32>,
}

impl Processes {
    fn cpu(&self) -> (Duration, Duration) {
        (usage::cpu(&[self.copier]), usage::cpu(&self.brokers))
    }
}

/// Watches `topic` up to `records` in each of its partitions. The first fifth is not counted: caches and compilers warm up. A topic that is not there yet is waited for.
///
/// # Panics
/// When nothing moves any more.
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
