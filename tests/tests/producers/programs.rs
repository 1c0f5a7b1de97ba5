//! The producer programs of `tests/clients`, each with a client library of its own.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use linkgate_tests::client::python;
use linkgate_tests::kafka::{Dist, Version};
use linkgate_tests::machine::process::{run, tied};
use linkgate_tests::machine::workdir::cache_dir;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(240);

/// A producer program.
#[derive(Debug)]
pub(crate) enum Program {
    /// The Java client of a version.
    Java(Version),
    /// A client of `produce_shapes.py`, by its name there.
    Python(&'static str),
    /// The Go client.
    Sarama,
    /// kcat, with the librdkafka of the distribution.
    Kcat,
}

impl Program {
    /// Name of the program, and of its topic.
    pub(crate) fn name(&self) -> String {
        match self {
            Program::Java(version) => format!("java-{}", version.number()),
            Program::Python(client) => (*client).to_owned(),
            Program::Sarama => "sarama".to_owned(),
            Program::Kcat => "kcat".to_owned(),
        }
    }

    /// Codec ids that the program writes: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub(crate) fn codecs(&self) -> BTreeSet<i16> {
        match self {
            // snappy would need one more library.
            Program::Python("kafka-python") => [0, 1, 3, 4].into(),
            _ => (0..5).collect(),
        }
    }

    /// Writes all shapes to the topics of this program. Asserts that all records were accepted.
    pub(crate) fn run(&self, bootstrap: &str) {
        let name = self.name();
        let (topics, large) = (format!("{name},{name}-appended"), format!("{name}-large"));
        let said: Value = match self {
            Program::Python(client) => {
                let args =
                    ["--client", client, "--bootstrap", bootstrap, "--topics", &topics, "--large", &large];
                python::json("produce_shapes.py", &args, LIMIT)
            }
            Program::Java(version) => {
                let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/Produce.java");
                let mut command = Dist::find(*version).java(&source.display().to_string(), 384, "error");
                command.args([bootstrap, &topics, &large]);
                last_line(command, &name)
            }
            Program::Sarama => {
                let program = cache_dir().join("sarama/produce");
                assert!(program.exists(), "no {}: run tests/setup/all.sh (make does)", program.display());
                let mut command = tied(program);
                command.args([bootstrap, &topics, &large]);
                last_line(command, &name)
            }
            Program::Kcat => kcat(bootstrap, &topics, &large),
        };
        println!("{name}: {said}");
        assert_eq!(said["large"], 2, "{name}: {said}");
        assert!(said["records"].as_u64().is_some_and(|n| n > 2_000), "{name}: {said}");
    }
}

/// Runs kcat once for each input, codec and topic, as an operator pipes lines into it. `-Z` makes empty keys
/// and values null.
fn kcat(bootstrap: &str, topics: &str, large: &str) -> Value {
    let mut records = 0;
    let send = |codec: &str, args: &[&str], input: &str| {
        let mut command = tied("kcat");
        command.args([
            "-P",
            "-b",
            bootstrap,
            "-p",
            "0",
            "-K",
            ":",
            "-z",
            codec,
            "-X",
            "message.max.bytes=12582912",
        ]);
        command.args(["-X", "linger.ms=200", "-X", "batch.num.messages=100000"]).args(args);
        let _ = run(command, input.as_bytes(), LIMIT).success("kcat");
    };
    let lines: Vec<String> =
        (0..2_000).map(|n| format!("key-{n}:{{\"n\":{n},\"text\":\"flight flight\"}}\n")).collect();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        for topic in topics.split(',') {
            send(
                codec,
                &["-t", topic],
                "alone:flight flight flight flight flight flight flight flight flight\n",
            );
            send(
                codec,
                &["-t", topic, "-H", "a=1", "-H", "a=2", "-H", "empty=", "-H", "null"],
                "headers:h\n",
            );
            send(codec, &["-t", topic, "-Z"], ":no key\nno value:\n");
            send(codec, &["-t", topic], &lines.concat());
            records += lines.len() + 4;
        }
    }
    let dir = linkgate_tests::machine::workdir::WorkDir::new("kcat");
    let file = dir.path().join("large");
    let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(10 << 20).collect();
    std::fs::write(&file, bytes).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    for codec in ["none", "lz4"] {
        send(codec, &["-t", large, &file.display().to_string()], "");
    }
    serde_json::json!({"records": records, "large": 2})
}

fn last_line(command: std::process::Command, name: &str) -> Value {
    let output = run(command, b"", LIMIT).success(name);
    let line = output.stdout.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{name} said {line:?}: {e}"))
}
