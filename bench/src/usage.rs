//! What a process has used: CPU time and memory, as the kernel counts them (proc(5)).

use std::time::Duration;

/// Ticks of `utime` and `stime` in a second: USER_HZ, which Linux fixes for user space.
const TICKS: u64 = 100;

/// CPU time of the processes so far, user and system, all threads.
///
/// # Panics
/// When one of them is gone.
#[must_use]
pub fn cpu(pids: &[u32]) -> Duration {
    pids.iter().map(|pid| cpu_of(*pid)).sum()
}

fn cpu_of(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .unwrap_or_else(|e| panic!("process {pid} is gone: {e}"));
    // The name stands in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1_000 / TICKS)
}

/// Resident memory of a process, in bytes.
#[must_use]
pub fn resident(pid: u32) -> u64 {
    status(pid, "VmRSS:")
}

/// The most that it ever had resident, in bytes.
#[must_use]
pub fn peak(pid: u32) -> u64 {
    status(pid, "VmHWM:")
}

/// Open file descriptors.
#[must_use]
pub fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// How many file descriptors this process, and what it starts, may have open.
///
/// # Panics
/// When the kernel does not tell.
#[must_use]
pub fn open_files_limit() -> usize {
    let limits =
        std::fs::read_to_string("/proc/self/limits").expect("the kernel tells the limits of a process");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or_default();
    // The first column is the limit in force; it may say `unlimited`.
    line.split_whitespace().next().and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX)
}

fn status(pid: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}
