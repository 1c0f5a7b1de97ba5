//! Child processes that never outlive the program that started them.
//!
//! `setpriv --pdeathsig` makes the kernel kill a child when the *thread* that started it ends. So one thread,
//! which lives as long as the program, starts all children. This also works where `Drop` does not: shared
//! clusters, aborts, kill -9.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use crate::machine::workdir::keeps_everything;

type Order = (Command, SyncSender<io::Result<Child>>);

/// Starts `command` so that it dies with this program.
///
/// # Errors
/// Fails if the program cannot be started, for example because it does not exist.
///
/// # Panics
/// Panics if the starting thread has ended, which cannot happen.
pub fn start(command: Command) -> io::Result<Child> {
    static STARTER: OnceLock<Sender<Order>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (sender, orders) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in orders {
                let _ = answer.send(command.spawn());
            }
        });
        sender
    });
    let (answer, child) = sync_channel(1);
    starter.send((command, answer)).expect("the starting thread lives");
    child.recv().expect("the starting thread answers")
}

/// Returns a command that runs `program` in its own process group and dies with this program.
#[must_use]
pub fn tied(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command;
    if keeps_everything() || !Path::new("/usr/bin/setpriv").exists() {
        command = Command::new(program);
    } else {
        command = Command::new("/usr/bin/setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    }
    command.process_group(0);
    command
}

/// A long-running child whose output goes to a file. It is killed when this value is dropped.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Option<Child>,
    log: PathBuf,
}

impl Daemon {
    /// Starts the child. Its output is appended to `log`.
    ///
    /// # Panics
    /// Panics if it cannot be started.
    #[must_use]
    pub fn start(name: &str, mut command: Command, log: PathBuf) -> Daemon {
        let out = File::options().create(true).append(true).open(&log);
        let out = out.unwrap_or_else(|e| panic!("cannot write {}: {e}", log.display()));
        let err = out.try_clone().expect("a file handle can be cloned");
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = start(command).unwrap_or_else(|e| panic!("cannot start {name}: {e}"));
        Daemon { name: name.to_owned(), child: Some(child), log }
    }

    /// Returns the process id while the child runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Returns the path of its output file.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Returns the exit status if the child has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// Sends a signal by name (`TERM`, `STOP`, `CONT`).
    ///
    /// # Panics
    /// Panics if it cannot be sent.
    pub fn signal(&self, name: &str) {
        if let Some(pid) = self.pid() {
            let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
            assert!(sent.is_ok_and(|s| s.success()), "cannot send {name} to {}", self.name);
        }
    }

    /// Kills the child (kill -9).
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Panics
    /// Panics if the child does not end within `limit`.
    pub fn stop(&mut self, limit: Duration) -> ExitStatus {
        self.signal("TERM");
        let begin = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                self.child = None;
                return status;
            }
            if begin.elapsed() > limit {
                self.kill();
                panic!("{} did not end within {limit:?} of SIGTERM; see {}", self.name, self.log.display());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns the last `lines` lines of its output, for messages.
    #[must_use]
    pub fn tail(&self, lines: usize) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !keeps_everything() || std::thread::panicking() {
            self.kill();
        }
    }
}

/// Result of a program that has ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit code; -1 if a signal ended the program.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Returns both outputs, stdout first.
    #[must_use]
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Returns itself if the exit code is 0.
    ///
    /// # Panics
    /// Panics with both outputs if the exit code is not 0.
    #[must_use]
    pub fn success(self, what: &str) -> Output {
        assert!(self.code == 0, "{what} ended with {}:\n{}", self.code, self.all());
        self
    }
}

/// Runs `command` to its end, with `input` on standard input. After `limit` it kills the program and returns
/// the output so far with code 124.
///
/// # Panics
/// Panics if the program cannot be started.
#[must_use]
pub fn run(mut command: Command, input: &[u8], limit: Duration) -> Output {
    use std::io::{Read, Write};
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let name = format!("{command:?}");
    let mut child = start(command).unwrap_or_else(|e| panic!("cannot start {name}: {e}"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_vec();
    // A child that ends early closes its standard input. That is not an error.
    let feed = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let mut out = child.stdout.take().expect("stdout is piped");
    let mut err = child.stderr.take().expect("stderr is piped");
    let collect = |stream: &mut dyn Read| {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let out = std::thread::spawn(move || collect(&mut out));
    let err = std::thread::spawn(move || collect(&mut err));
    let begin = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break status.code().unwrap_or(-1);
        }
        if begin.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            break 124;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let _ = feed.join();
    Output { code, stdout: out.join().expect("reader"), stderr: err.join().expect("reader") }
}
