//! The run of one client: its output lines, and its fetches per second at the tail, as the gateway counts
//! them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::Client;
use super::stage::Place;
use crate::machine::process::start;
use crate::stage::linkgate::Linkgate;

/// Maximum time of one client for all its steps.
const LIMIT: Duration = Duration::from_secs(150);
/// Time that a client waits at the tail.
pub const TAIL: Duration = Duration::from_secs(3);

/// Output of a client.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// Version of the client library.
    pub version: String,
    /// The output line of each step.
    pub steps: BTreeMap<String, Value>,
    /// Fetches per second at the tail, as the gateway counts them.
    pub fetches_per_second: Option<f64>,
    /// The last 60 lines of standard error.
    pub errors: String,
    /// Duration of the run.
    pub took: Duration,
    begin: Option<Instant>,
}

impl Said {
    /// Handles one output line. `tail` is the start of the tail and the number of fetches at that time.
    fn hear(&mut self, line: Value, tail: &mut Option<(Instant, f64)>, linkgate: Option<&Linkgate>) {
        if let Some(version) = line["version"].as_str() {
            self.version = version.to_owned();
        } else if let Some(step) = line["step"].as_str() {
            println!("    {step} at {:.1} s", self.begin.map_or(0.0, |begin| begin.elapsed().as_secs_f64()));
            let _ = self.steps.insert(step.to_owned(), line);
        } else if line["tail"] == "begin" {
            *tail = Some((Instant::now(), fetches(linkgate)));
        } else if let Some((since, before)) = tail.take() {
            self.fetches_per_second = Some((fetches(linkgate) - before) / since.elapsed().as_secs_f64());
        }
    }
}

fn fetches(linkgate: Option<&Linkgate>) -> f64 {
    let Some(linkgate) = linkgate else { return f64::INFINITY };
    linkgate.metric("linkgate_gateway_requests_total{api=\"Fetch\"}")
        + linkgate.metric("linkgate_gateway_requests_total{api=\"ShareFetch\"}")
}

/// Runs the steps of a client. Returns `None` if it is not installed.
///
/// # Panics
/// Panics if the program cannot be started.
#[must_use]
pub fn run(client: &Client, place: &Place<'_>) -> Option<Said> {
    let begin = Instant::now();
    let mut said = Said { begin: Some(begin), ..Said::default() };
    let mut tail = None;
    let args = [
        format!("bootstrap={}", place.bootstrap),
        format!("name={}", client.client),
        format!("steps={}", client.steps.join(",")),
        format!("mirrors={}", place.mirrors_argument()),
        format!("tail={}", TAIL.as_millis()),
    ];
    if client.program == "rust" {
        super::rust::run(client, place, |line| said.hear(line, &mut tail, place.linkgate));
    } else {
        let mut command = client.command()?;
        command.args(args).args(&client.args);
        let (lines, errors) = spawn(command, &client.client);
        loop {
            match lines.1.recv_timeout(LIMIT.saturating_sub(begin.elapsed())) {
                Ok(line) => match serde_json::from_str(&line) {
                    Ok(line) => said.hear(line, &mut tail, place.linkgate),
                    Err(_) => println!("{}: {line}", client.client),
                },
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    println!("{} did not end within {LIMIT:?}", client.client);
                    break;
                }
            }
        }
        drop(lines);
        said.errors = errors.recv_timeout(Duration::from_secs(5)).unwrap_or_default();
    }
    said.took = begin.elapsed();
    Some(said)
}

/// A child process. It is killed when dropped.
#[derive(Debug)]
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(mut command: Command, name: &str) -> ((Child, Receiver<String>), Receiver<String>) {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = start(command).unwrap_or_else(|e| panic!("cannot start {name}: {e}"));
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in out.into_iter().flat_map(|out| BufReader::new(out).lines().map_while(Result::ok)) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let (sender, errors) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = err.map(|mut err| err.read_to_end(&mut bytes));
        let text = String::from_utf8_lossy(&bytes);
        let all: Vec<&str> = text.lines().collect();
        let _ = sender.send(all[all.len().saturating_sub(60)..].join("\n"));
    });
    ((Child(child), lines), errors)
}
