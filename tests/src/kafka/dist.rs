//! A Kafka version on this machine: its class path, the JVM flags, and a template of formatted storage.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use crate::machine::process::{run, tied};
use crate::machine::workdir::cache_dir;

/// Kafka versions under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 4.3.1, the newest.
    V4_3_1,
    /// 3.9.1, the last of the 3.x line.
    V3_9_1,
    /// 2.8.2, the last of the 2.x line. It uses ZooKeeper, and its brokers still write message formats v0 and
    /// v1. Used only as a source.
    V2_8_2,
}

impl Version {
    /// Returns the version as Maven writes it.
    #[must_use]
    pub fn number(self) -> &'static str {
        match self {
            Version::V4_3_1 => "4.3.1",
            Version::V3_9_1 => "3.9.1",
            Version::V2_8_2 => "2.8.2",
        }
    }

    /// Returns true if its brokers keep their metadata in ZooKeeper, not in KRaft.
    #[must_use]
    pub fn needs_zookeeper(self) -> bool {
        self == Version::V2_8_2
    }
}

/// JVM flags for short tests: little compilation, simple garbage collection.
const FOR_A_SHORT_LIFE: &[&str] = &["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
/// JVM flags that Kafka's start script gives a broker.
const AS_IN_PRODUCTION: &[&str] = &[
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
];

/// Returns true if JVMs must run as in production, because they are measured (`LINKGATE_FULL_JIT`).
#[must_use]
pub fn is_measured() -> bool {
    std::env::var_os("LINKGATE_FULL_JIT").is_some()
}

/// Jars of one version.
#[derive(Debug, Clone)]
pub struct Dist {
    /// Version of the jars.
    pub version: Version,
    jars: PathBuf,
}

impl Dist {
    /// Finds the jars in the cache.
    ///
    /// # Panics
    /// Panics if `tests/setup/kafka.sh` has not run.
    #[must_use]
    pub fn find(version: Version) -> Dist {
        let jars = cache_dir().join("kafka").join(version.number());
        assert!(
            jars.join(".complete").exists(),
            "Apache Kafka {} is not in {}: run tests/setup/kafka.sh (make does)",
            version.number(),
            jars.display()
        );
        Dist { version, jars }
    }

    /// Returns a command for a JVM that runs `main_class` and dies with this program. `level` is its log
    /// level.
    #[must_use]
    pub fn java(&self, main_class: &str, heap_mb: u32, level: &str) -> Command {
        self.java_on(format!("{}/*", self.jars.display()), main_class, heap_mb, level)
    }

    /// Returns a command like [`Dist::java`], with additional classes after the jars; see [`Dist::compile`].
    #[must_use]
    pub fn java_with(&self, classes: &Path, main_class: &str, heap_mb: u32, level: &str) -> Command {
        let class_path = format!("{}/*:{}", self.jars.display(), classes.display());
        self.java_on(class_path, main_class, heap_mb, level)
    }

    /// Returns a command like [`Dist::java`], with the jars of another directory instead. They must contain
    /// everything needed.
    #[must_use]
    pub fn java_from(&self, jars: &Path, main_class: &str, heap_mb: u32, level: &str) -> Command {
        self.java_on(format!("{}/*", jars.display()), main_class, heap_mb, level)
    }

    /// Compiles Java source files against the jars.
    ///
    /// # Panics
    /// Panics if they do not compile.
    pub fn compile(&self, sources: &[PathBuf], classes: &Path) {
        let mut command = tied("javac");
        command.args(["-nowarn", "-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC", "-cp"]);
        command.arg(format!("{}/*", self.jars.display())).arg("-d").arg(classes).args(sources);
        command.env_remove("JAVA_TOOL_OPTIONS").env_remove("CLASSPATH");
        let _ = run(command, b"", Duration::from_secs(120)).success("javac");
    }

    fn java_on(&self, class_path: String, main_class: &str, heap_mb: u32, level: &str) -> Command {
        let mut command = tied("java");
        command
            .arg(format!("-Xmx{heap_mb}m"))
            .args(if is_measured() { AS_IN_PRODUCTION } else { FOR_A_SHORT_LIFE })
            .args(["-Xshare:auto", "-Djava.awt.headless=true"])
            .arg(format!("-Dorg.slf4j.simpleLogger.defaultLogLevel={level}"))
            .args([
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
            ])
            // This logger prints two lines at every start that say nothing about Kafka.
            .arg("-Dorg.slf4j.simpleLogger.log.kafka.utils.Log4jControllerRegistration$=warn")
            .arg("-cp")
            .arg(class_path)
            .arg(main_class)
            .env_remove("JAVA_TOOL_OPTIONS")
            .env_remove("CLASSPATH");
        command
    }

    /// Returns a directory that Kafka's storage tool formatted for this version. Each node gets a copy with
    /// its own ids, which saves a JVM start per node.
    ///
    /// # Panics
    /// Panics if the tool fails.
    #[must_use]
    pub fn template(&self) -> PathBuf {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let template = self.jars.with_file_name(format!("{}-formatted", self.version.number()));
        if template.join("meta.properties").exists() {
            return template;
        }
        let part =
            self.jars.with_file_name(format!(".{}-formatted.{}", self.version.number(), std::process::id()));
        std::fs::create_dir_all(&part).expect("the cache is writable");
        let properties = part.join("format.properties");
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:9093\n\
             controller.listener.names=CONTROLLER\nlisteners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\nlog.dirs={}\n",
            part.join("log").display()
        );
        std::fs::write(&properties, text).expect("the cache is writable");
        let mut format = self.java("kafka.tools.StorageTool", 256, "error");
        format.args(["format", "--cluster-id", "AAAAAAAAAAAAAAAAAAAAAQ", "--config"]).arg(&properties);
        let _ = run(format, b"", Duration::from_secs(120)).success("kafka.tools.StorageTool format");
        // If another process was faster, its directory already exists. Then the rename fails, and that
        // directory is used.
        let _ = std::fs::rename(part.join("log"), &template);
        let _ = std::fs::remove_dir_all(&part);
        assert!(template.join("meta.properties").exists(), "no formatted storage in {}", template.display());
        template
    }
}
