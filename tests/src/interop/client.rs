//! The clients of the matrix. What each has and what is expected of it is data beside its program.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::kafka::{Dist, Version};
use crate::process::tied;
use crate::workdir::{cache_dir, target_dir};

/// A client library in one version, and what is expected of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Also the prefix of its topics and groups.
    pub client: String,
    /// How it is started: `java 4.3.1`, `python confluent.py`, `go franz`, `node kafkajs.js`, `rust`.
    pub program: String,
    /// Arguments beside the usual ones.
    #[serde(default)]
    pub args: Vec<String>,
    /// The steps that it has.
    pub steps: Vec<String>,
    /// What it does.
    #[serde(default)]
    pub expect: Expect,
    /// What an operator should know, for the page.
    #[serde(default)]
    pub known: String,
    /// It cannot be built everywhere; where it is missing, the matrix says so and goes on.
    #[serde(default)]
    pub optional: bool,
}

/// What a client does; the defaults are those of the Java client.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// What `admin` says null for.
    pub lacks: Vec<String>,
    /// It has an idempotent producer.
    pub idempotent: bool,
    /// A part of what it says to a write to a mirror topic.
    pub write: String,
    /// The same in a transaction.
    pub transaction: String,
    /// What becomes of the abort after that; `ok` when it goes well.
    pub abort: String,
    /// What becomes of it at a broker that denies writes to the topic, where that differs: the error code there is
    /// TOPIC_AUTHORIZATION_FAILED.
    pub abort_at_broker: Option<String>,
    /// Where its position is when a log ends with filler.
    pub position: AtEnd,
    /// What it commits then.
    pub committed: AtEnd,
    /// It may read a record again that it has committed, when a group's members change.
    pub at_least_once: bool,
    /// Messages that it shows for the control batch at the end of a log, at most.
    pub markers: usize,
    /// Fetches per second at the tail, of four readers with a wait of 500 ms each.
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
    /// The end of the log: no lag.
    LogEnd,
    /// The offset after the last record; a lag of the filler stays.
    LastRecord,
    /// Now the one, now the other: it depends on how the client's own timer falls.
    Either,
    /// It does not tell.
    Untold,
}

fn interop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/interop")
}

/// All clients, in the order of the table.
///
/// # Panics
/// When the data cannot be read.
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
    /// The program without its arguments; none when it is not installed, or is none.
    ///
    /// # Panics
    /// When `program` is of no known kind.
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

/// The Java program, compiled against the jars of the version that it runs with.
fn java(version: Version) -> Command {
    let dist = Dist::find(version);
    let classes = target_dir().join("interop").join(version.number());
    let folder = interop().join("java");
    let listed = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut sources: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    // Share consumers came with 4.x.
    sources.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.ends_with(".java") && (version == Version::V4_3_1 || !name.starts_with("Share"))
    });
    dist.compile(&sources, &classes);
    dist.java_with(&classes, "Matrix", 256, "warn")
}
