//! MirrorMaker 2 of the brokers' version, as a dedicated process.

use std::path::PathBuf;

use linkgate_tests::kafka::{Dist, Version};
use linkgate_tests::machine::process::Daemon;
use linkgate_tests::machine::workdir::{WorkDir, cache_dir};
use linkgate_tests::stage::pair::Pair;

use crate::data::Codec;

/// Configuration of MirrorMaker 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tuning {
    /// Default settings: one task.
    Defaults,
    /// Eight tasks, large fetches and batches.
    Throughput,
    /// Eight tasks without linger or minimum fetch size.
    Latency,
}

/// A running MirrorMaker 2. It is killed when this value is dropped. Its topics on the destination are named
/// `source.TOPIC`.
#[derive(Debug)]
pub struct MirrorMaker {
    process: Daemon,
    _dir: WorkDir,
}

impl MirrorMaker {
    /// Starts it for one topic. `codec` is the codec of its producer: MirrorMaker 2 decompresses and
    /// recompresses the records.
    ///
    /// # Panics
    /// Panics if MirrorMaker 2 is not installed (`bench/setup.sh`).
    #[must_use]
    pub fn start(pair: &Pair, topic: &str, tuning: Tuning, codec: Codec) -> MirrorMaker {
        let dir = WorkDir::new("mirror-maker");
        let mut text = format!(
            "clusters=source,destination\nsource.bootstrap.servers={}\ndestination.bootstrap.servers={}\n\
             source->destination.enabled=true\nsource->destination.topics={topic}\ndestination->source.enabled=false\n\
             replication.factor=1\ncheckpoints.topic.replication.factor=1\nheartbeats.topic.replication.factor=1\n\
             offset-syncs.topic.replication.factor=1\noffset.storage.replication.factor=1\n\
             status.storage.replication.factor=1\nconfig.storage.replication.factor=1\n\
             emit.heartbeats.enabled=false\nemit.checkpoints.enabled=false\nsync.topic.acls.enabled=false\n\
             destination.producer.compression.type={}\n",
            pair.source.bootstrap(),
            pair.destination.bootstrap(),
            codec.name()
        );
        if tuning != Tuning::Defaults {
            text.push_str("tasks.max=8\n");
        }
        if tuning == Tuning::Throughput {
            text.push_str(
                "source.consumer.max.partition.fetch.bytes=10485760\nsource.consumer.fetch.max.bytes=52428800\n\
                 source.consumer.max.poll.records=5000\ndestination.producer.batch.size=524288\n\
                 destination.producer.linger.ms=20\ndestination.producer.buffer.memory=134217728\n",
            );
        }
        if tuning == Tuning::Latency {
            text.push_str("source.consumer.fetch.min.bytes=1\ndestination.producer.linger.ms=0\n");
        }
        let file = dir.path().join("mm2.properties");
        std::fs::write(&file, text).expect("the work directory is writable");
        let classes = jars();
        let mut java = Dist::find(Version::V4_3_1).java_from(
            &classes,
            "org.apache.kafka.connect.mirror.MirrorMaker",
            2048,
            "warn",
        );
        java.arg(&file);
        MirrorMaker { process: Daemon::start("MirrorMaker 2", java, dir.path().join("mm2.log")), _dir: dir }
    }

    /// Returns its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid().expect("MirrorMaker 2 runs")
    }

    /// Returns the name of `topic` on the destination.
    #[must_use]
    pub fn name(topic: &str) -> String {
        format!("source.{topic}")
    }
}

fn jars() -> PathBuf {
    let jars = cache_dir().join("kafka/mirror-maker-4.3.1");
    assert!(jars.join(".complete").exists(), "no {}: run bench/setup.sh (make does)", jars.display());
    jars
}
