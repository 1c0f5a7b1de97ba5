//! Machine and software versions of a run.

use std::time::Duration;

use linkgate_tests::machine::process::run;
use serde::Serialize;

use crate::peers::haproxy::Haproxy;

/// The machine, and the versions of the measured programs.
#[derive(Debug, Clone, Serialize)]
pub struct Environment {
    /// Model name of the processor.
    pub processor: String,
    /// Number of processors.
    pub cores: usize,
    /// Memory in GiB.
    pub memory_gib: u64,
    /// Release of the Linux kernel.
    pub kernel: String,
    /// Version of the JVM of the brokers and of MirrorMaker 2.
    pub java: String,
    /// Version of the brokers and of MirrorMaker 2.
    pub kafka: &'static str,
    /// Version of HAProxy.
    pub haproxy: String,
    /// True for a quick run, whose figures are for orientation only.
    pub quick: bool,
}

impl Environment {
    /// Reads the values of this machine.
    #[must_use]
    pub fn here(quick: bool) -> Environment {
        let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            line.trim_start_matches([' ', '\t', ':']).to_owned()
        };
        let memory = field(&file("/proc/meminfo"), "MemTotal");
        let kib = memory.split(' ').next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
        let mut java = std::process::Command::new("java");
        java.arg("-version");
        let java = run(java, b"", Duration::from_secs(20)).all();
        Environment {
            processor: field(&file("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: kib >> 20,
            kernel: file("/proc/sys/kernel/osrelease").trim().to_owned(),
            java: java.lines().nth(1).unwrap_or_default().to_owned(),
            kafka: "4.3.1",
            haproxy: Haproxy::version(),
            quick,
        }
    }
}
