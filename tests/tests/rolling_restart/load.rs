//! One load for four client libraries: each writes ascending numbers and reads them in a consumer group.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use linkgate_tests::client::python::{Running, command};
use linkgate_tests::kafka::{Dist, Version};
use linkgate_tests::machine::process::tied;
use linkgate_tests::machine::workdir::cache_dir;
use serde::Deserialize;

use super::librdkafka;

/// A client library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Librdkafka,
    Java,
    KafkaPython,
    FranzGo,
}

pub(crate) const ALL: [Client; 4] = [Client::Librdkafka, Client::Java, Client::KafkaPython, Client::FranzGo];

/// Results of a load, as its application saw them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Outcome {
    /// Records that were acknowledged.
    pub(crate) acked: usize,
    /// Records that were given up.
    pub(crate) failed: usize,
    /// Acknowledged records that the application did not read.
    pub(crate) missing: usize,
    /// Records that it read again, because it lost its partitions before it committed them.
    pub(crate) repeated: usize,
    /// Errors that reached the application, by kind.
    pub(crate) errors: BTreeMap<String, usize>,
}

/// A running load: a thread of this process, or a program.
pub(crate) enum Load {
    Inside(Arc<AtomicBool>, JoinHandle<Outcome>),
    Program(Running),
}

impl Client {
    /// Name of the client, and part of the names of its topics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Client::Librdkafka => "librdkafka",
            Client::Java => "java",
            Client::KafkaPython => "kafka-python",
            Client::FranzGo => "franz-go",
        }
    }

    /// Maximum number of records that may be twice in the log. librdkafka occasionally writes a record again,
    /// with and without a gateway.
    pub(crate) fn may_repeat(self) -> usize {
        if self == Client::Librdkafka { 3 } else { 0 }
    }

    pub(crate) fn start(self, bootstrap: &str, topic: &str) -> Load {
        let program = match self {
            Client::Librdkafka => {
                let (stop, bootstrap, topic) = (Arc::default(), bootstrap.to_owned(), topic.to_owned());
                let told = Arc::clone(&stop);
                return Load::Inside(
                    stop,
                    std::thread::spawn(move || librdkafka::run(&bootstrap, &topic, &told)),
                );
            }
            Client::Java => {
                let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/Load.java");
                let mut java = Dist::find(Version::V4_3_1).java(&source.display().to_string(), 192, "error");
                java.args([bootstrap, topic]);
                java
            }
            Client::KafkaPython => {
                let mut python = command("load_kafka_python.py");
                python.args(["--bootstrap", bootstrap, "--topic", topic]);
                python
            }
            Client::FranzGo => {
                let program = cache_dir().join("franz/franz");
                assert!(program.exists(), "no {}: run tests/setup/all.sh (make does)", program.display());
                let mut franz = tied(program);
                franz.args([bootstrap, topic]);
                franz
            }
        };
        Load::Program(Running::launch(self.name(), program))
    }
}

impl Load {
    /// Stops writing, waits until the load has read to the end, and returns its results.
    pub(crate) fn finish(self) -> Outcome {
        match self {
            Load::Inside(stop, thread) => {
                stop.store(true, Ordering::Relaxed);
                thread.join().expect("the load ends well")
            }
            Load::Program(running) => {
                let said = running.finish(Duration::from_secs(180));
                serde_json::from_value(said.clone()).unwrap_or_else(|e| panic!("{said}: {e}"))
            }
        }
    }
}

/// Numbers that were acknowledged and read, and the errors.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) acked: BTreeSet<u64>,
    pub(crate) seen: BTreeSet<u64>,
    pub(crate) failed: usize,
    pub(crate) repeated: usize,
    pub(crate) errors: BTreeMap<String, usize>,
}

impl Book {
    pub(crate) fn fault(&mut self, place: &str, kind: impl std::fmt::Debug) {
        *self.errors.entry(format!("{place}: {kind:?}")).or_default() += 1;
    }

    pub(crate) fn outcome(&self) -> Outcome {
        Outcome {
            acked: self.acked.len(),
            failed: self.failed,
            missing: self.acked.difference(&self.seen).count(),
            repeated: self.repeated,
            errors: self.errors.clone(),
        }
    }
}
