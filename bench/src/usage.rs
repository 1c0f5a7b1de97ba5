//! Resource use of a process: CPU time, memory and open files, as the kernel counts them (proc(5)).

use std::time::Duration;

/// Number of ticks of `utime` and `stime` per second: USER_HZ, which Linux fixes for user space.
const TICKS: u64 = 100;

/// Returns the CPU time of the processes so far: user and system, all threads.
///
/// # Panics
/// Panics if a process is gone.
#[must_use]
pub fn cpu(pids: &[u32]) -> Duration {
    pids.iter().map(|pid| cpu_of(*pid)).sum()
}

fn cpu_of(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .unwrap_or_else(|e| panic!("process {pid} is gone: {e}"));
    // The process name is in parentheses and may contain any character.
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1_000 / TICKS)
}

/// Returns the resident memory of a process, in bytes.
#[must_use]
pub fn resident(pid: u32) -> u64 {
    status(pid, "VmRSS:")
}

/// Returns the peak of the resident memory of a process, in bytes.
#[must_use]
pub fn peak(pid: u32) -> u64 {
    status(pid, "VmHWM:")
}

/// Returns the number of open file descriptors of a process.
#[must_use]
pub fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Returns the maximum number of open file descriptors of this process and its children.
///
/// # Panics
/// Panics if /proc/self/limits cannot be read.
#[must_use]
pub fn open_files_limit() -> usize {
    let limits =
        std::fs::read_to_string("/proc/self/limits").expect("the kernel tells the limits of a process");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or_default();
    // The first column is the soft limit, which is in force. It can be `unlimited`.
    line.split_whitespace().next().and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX)
}

fn status(pid: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}
