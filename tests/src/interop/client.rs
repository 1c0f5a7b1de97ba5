//! The clients of the matrix. `clients.json` beside the programs describes each client and what is expected
//! of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::kafka::{Dist, Version};
use crate::machine::process::tied;
use crate::machine::workdir::{cache_dir, target_dir};

/// A client library in one version, and what is expected of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Name of the client, and prefix of its topics and groups.
    pub client: String,
    /// Kind and name of the program: `java 4.3.1`, `python confluent.py`, `go franz`, or `node kafkajs.js`.
    /// Or `rust`, for the client in this process.
    pub program: String,
    /// Additional arguments of the program.
    #[serde(default)]
    pub args: Vec<String>,
    /// The steps that the client supports.
    pub steps: Vec<String>,
    /// The expected behaviour.
    #[serde(default)]
    pub expect: Expect,
    /// Information for operators. docs/clients.md must contain this text.
    #[serde(default)]
    pub known: String,
    /// The client cannot be built everywhere. If it is missing, the matrix reports that and goes on.
    #[serde(default)]
    pub optional: bool,
}

/// Expected behaviour of a client. The defaults are those of the Java client.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// Keys of the `admin` step for which the client prints null.
    pub lacks: Vec<String>,
    /// The client has an idempotent producer.
    pub idempotent: bool,
    /// Part of the error after a write to a mirror topic.
    pub write: String,
    /// Part of the error after such a write in a transaction. Empty if the client has no transactions.
    pub transaction: String,
    /// Part of the outcome of the abort after that write; `ok` if the abort succeeds.
    pub abort: String,
    /// Part of the outcome of the abort at a broker that denies writes to the topic, if it differs: there the
    /// error code is TOPIC_AUTHORIZATION_FAILED.
    pub abort_at_broker: Option<String>,
    /// Position of the consumer when a log ends with filler.
    pub position: AtEnd,
    /// Offset that the consumer commits then.
    pub committed: AtEnd,
    /// The client may read a committed record again when the members of a group change.
    pub at_least_once: bool,
    /// Maximum number of messages that it shows for the control batch at the end of a log.
    pub markers: usize,
    /// Maximum number of fetches per second at the tail, of four readers with a wait of 500 ms each.
    pub fetches_per_second: f64,
}

impl Default for Expect {
    fn default() -> Self {
        Expect {
            lacks: Vec::new(),
            idempotent: true,
            write: String::new(),
            transaction: String::new(),
            abort: "ok".to_owned(),
            abort_at_broker: None,
            position: AtEnd::LogEnd,
            committed: AtEnd::LogEnd,
            at_least_once: false,
            markers: 0,
            fetches_per_second: 20.0,
        }
    }
}

/// A position behind the last record of a log that ends with filler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtEnd {
    /// The log end offset: no lag.
    LogEnd,
    /// The offset after the last record. A lag of the size of the filler stays.
    LastRecord,
    /// Either of both, depending on the timing of the client.
    Either,
    /// The client does not report its position.
    Untold,
}

fn interop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/interop")
}

/// Returns all clients, in the order of the table.
///
/// # Panics
/// Panics if the data cannot be read.
#[must_use]
pub fn all() -> Vec<Client> {
    let read = |folder: &str| {
        let path = interop().join(folder).join("clients.json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_str::<Vec<Client>>(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    ["java", "python", "go", "node", "rust"].into_iter().flat_map(read).collect()
}

impl Client {
    /// Returns the command of the program without its arguments. Returns `None` if it is not installed, and
    /// for the client in this process (`rust`).
    ///
    /// # Panics
    /// Panics if `program` is of no known kind.
    #[must_use]
    pub fn command(&self) -> Option<Command> {
        let (kind, what) = self.program.split_once(' ').unwrap_or((&self.program, ""));
        let cache = cache_dir().join("interop");
        let script = |of: &str| interop().join(of).join(what);
        match kind {
            "java" => Some(java(version(what))),
            "python" | "python-old" => {
                let python = cache.join(kind).join("bin/python3");
                python.exists().then(|| {
                    let mut command = tied(python);
                    command.arg("-u").arg(script("python")).env("PYTHONDONTWRITEBYTECODE", "1");
                    command
                })
            }
            "go" => {
                let program = cache.join("go").join(what);
                program.exists().then(|| tied(program))
            }
            "node" | "node-confluent" => {
                let modules = cache.join(kind).join("node_modules");
                modules.exists().then(|| {
                    let mut command = tied("node");
                    command.arg(script("node")).env("NODE_PATH", modules);
                    command
                })
            }
            "rust" => None,
            other => panic!("a client of the kind {other}"),
        }
    }
}

fn version(number: &str) -> Version {
    [Version::V4_3_1, Version::V3_9_1, Version::V2_8_2]
        .into_iter()
        .find(|version| version.number() == number)
        .unwrap_or_else(|| panic!("no Apache Kafka {number}"))
}

/// Compiles the Java program against the jars of the version that it runs with. Returns its command.
fn java(version: Version) -> Command {
    let dist = Dist::find(version);
    let classes = target_dir().join("interop").join(version.number());
    let folder = interop().join("java");
    let listed = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut sources: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    // Share consumers exist since 4.x.
    sources.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.ends_with(".java") && (version == Version::V4_3_1 || !name.starts_with("Share"))
    });
    dist.compile(&sources, &classes);
    dist.java_with(&classes, "Matrix", 256, "warn")
}
