//! docs/tutorial.md: its commands work as they stand, and print what it says.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use linkgate_tests::kafka::{Cluster, Dist, Version};
use linkgate_tests::machine::process::run;
use linkgate_tests::machine::workdir::WorkDir;
use linkgate_tests::stage::linkgate::bin_dir;

/// Ends the output of a block of commands.
const END: &str = "-- end of a block --";

/// A block of commands, and the text that the page shows below it.
struct Block {
    commands: String,
    prints: Option<String>,
}

/// The blocks marked `sh`, each with the unmarked block that follows it directly.
fn blocks(page: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut parts = page.split("```");
    let mut before = parts.next().unwrap_or_default();
    while let (Some(block), Some(after)) = (parts.next(), parts.next()) {
        if let Some(commands) = block.strip_prefix("sh\n") {
            found.push(Block { commands: commands.to_owned(), prints: None });
        } else if before.trim().is_empty()
            && let Some(last) = found.last_mut()
        {
            last.prints = Some(block.trim_start_matches('\n').to_owned());
        }
        before = after;
    }
    found
}

/// A directory with `kafka-topics.sh`, as a Kafka distribution has it.
fn kafka_topics(dir: &Path, dist: &Dist) {
    let java = dist.java("org.apache.kafka.tools.TopicCommand", 256, "warn");
    let mut script = String::from("#!/bin/sh\nexec");
    for word in std::iter::once(java.get_program()).chain(java.get_args()) {
        write!(script, " '{}'", word.to_str().unwrap()).unwrap();
    }
    script.push_str(" \"$@\"\n");
    let path = dir.join("kafka-topics.sh");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Given two clusters, when the commands of the page run in one shell, then each prints what the page says.
#[test]
fn the_commands_of_the_tutorial_work_as_they_stand() {
    let page = include_str!("../../docs/tutorial.md");
    let blocks = blocks(page);
    assert!(blocks.len() >= 8, "the page has its blocks");
    let dist = Dist::find(Version::V4_3_1);
    let (source, destination) = (Cluster::start("source", 1), Cluster::start("destination", 1));
    let dir = WorkDir::new("tutorial");
    kafka_topics(dir.path(), &dist);

    let mut script = String::from("set -euo pipefail\ntrap 'kill $(jobs -p) 2> /dev/null' EXIT\n");
    for block in &blocks {
        writeln!(script, "{}echo '{END}'", block.commands).unwrap();
    }
    let path = format!("{}:{}:{}", dir.path().display(), bin_dir().display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell
        .args(["-c", &script])
        .current_dir(dir.path())
        .env("PATH", path)
        .env("SOURCE", source.bootstrap())
        .env("DESTINATION", destination.bootstrap());
    let output = run(shell, b"", Duration::from_secs(300)).success("the tutorial");

    let printed: Vec<&str> = output.stdout.split(&format!("{END}\n")).collect();
    for (block, printed) in blocks.iter().zip(printed) {
        if let Some(prints) = &block.prints {
            assert_eq!(printed.trim(), prints.trim(), "{}", block.commands);
        }
    }
}
