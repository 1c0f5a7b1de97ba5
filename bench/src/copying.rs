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
    /// Million bytes of keys and values in a second, from the first record that arrived to the last.
    pub rate: f64,
    /// CPU seconds of the copying process for a GB of keys and values, in that time.
    pub cpu_per_gb: f64,
    /// Its largest resident memory so far, in MiB.
    pub memory: f64,
}

/// Watches `topic` from its first record to `records` in each of its partitions. A topic that is not there yet is waited for.
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
    pids: &[u32],
) -> Copied {
    let total = records * i64::from(partitions);
    let mut ends = LogEnds::of(bootstrap, &[topic.to_owned()]);
    let mut first: Option<(Instant, i64, Duration)> = None;
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        let now: i64 = ends.high_watermarks().map_or(0, |ends| ends.values().sum());
        if now > last {
            (last, moved) = (now, Instant::now());
        }
        if now > 0 && first.is_none() {
            first = Some((Instant::now(), now, usage::cpu(pids)));
        }
        if let Some((begin, already, cpu)) = first
            && now >= total
        {
            let seconds = begin.elapsed().as_secs_f64();
            let bytes = (total - already) as f64 * record_bytes;
            let cpu = (usage::cpu(pids) - cpu).as_secs_f64();
            let memory = pids.iter().map(|pid| usage::peak(*pid)).sum::<u64>();
            return Copied {
                rate: bytes / 1e6 / seconds,
                cpu_per_gb: cpu / (bytes / 1e9),
                memory: memory as f64 / f64::from(1 << 20),
            };
        }
        assert!(moved.elapsed() < STALL, "{topic} stands at {last} of {total} records");
        std::thread::sleep(PAUSE);
    }
}
