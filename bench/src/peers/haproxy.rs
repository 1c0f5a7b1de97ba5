//! HAProxy in TCP mode in front of one broker.

use std::process::Command;
use std::time::Duration;

use linkgate_tests::machine::ports::PortBlock;
use linkgate_tests::machine::process::{Daemon, run, tied};
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::machine::workdir::WorkDir;

/// A running HAProxy. It is killed when this value is dropped.
#[derive(Debug)]
pub struct Haproxy {
    process: Daemon,
    ports: PortBlock,
    _dir: WorkDir,
}

impl Haproxy {
    /// Starts HAProxy in front of `broker`, as its manual suggests for TCP: no logging, one thread per
    /// processor.
    ///
    /// # Panics
    /// Panics if it does not listen in time.
    #[must_use]
    pub fn start(broker: &str) -> Haproxy {
        let (dir, ports) = (WorkDir::new("haproxy"), PortBlock::claim());
        let port = ports.port(0);
        let text = format!(
            "global\n  maxconn 4000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 10m\n  timeout server 10m\n\
             listen kafka\n  bind 127.0.0.1:{port}\n  server broker {broker}\n"
        );
        let file = dir.path().join("haproxy.cfg");
        std::fs::write(&file, text).expect("the work directory is writable");
        let mut command = tied("haproxy");
        command.arg("-db").arg("-f").arg(&file);
        let process = Daemon::start("HAProxy", command, dir.path().join("haproxy.log"));
        until("HAProxy listens", LONG, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Haproxy { process, ports, _dir: dir }
    }

    /// Returns the address on which it listens.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.port(0))
    }

    /// Returns its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid().expect("HAProxy runs")
    }

    /// Returns its version, for the report.
    #[must_use]
    pub fn version() -> String {
        let mut command = Command::new("haproxy");
        command.arg("-v");
        let said = run(command, b"", Duration::from_secs(10)).success("haproxy -v").stdout;
        said.split_whitespace().nth(2).unwrap_or("?").to_owned()
    }
}
