//! `bench`: compares Linkgate with the programs a user would run instead, in one run on one machine. `make
//! bench` runs it.
//!
//! It reports medians and ratios, never single figures; all programs use the same brokers in the same run.
//! The last copy of each kind is compared with its source, record by record, before the job reports.

use std::path::PathBuf;

use clap::Parser;
use linkgate_bench::jobs::{ALL, Effort, LONG, NOT_QUICK};
use linkgate_bench::report::environment::Environment;
use linkgate_bench::report::{self, Report};
use linkgate_tests::kafka::dist::is_measured;

/// Compares Linkgate with MirrorMaker 2, Kafka's own follower and HAProxy.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Options {
    /// Jobs to run, comma separated [default: all except soak; a quick run leaves out more]. --list shows
    /// their names.
    #[arg(long, value_delimiter = ',')]
    jobs: Vec<String>,
    /// List the jobs and exit.
    #[arg(long)]
    list: bool,
    /// Smaller amounts, and some measurements left out: for orientation.
    #[arg(long)]
    quick: bool,
    /// Measure only Linkgate, not its peers: for work on Linkgate.
    #[arg(long, conflicts_with = "docs")]
    alone: bool,
    /// Number of repetitions of each measurement.
    #[arg(long, value_name = "COUNT")]
    repetitions: Option<usize>,
    /// Directory of docs for performance.md, its pictures and results.json. Without it, no file is written.
    #[arg(long, value_name = "DIR")]
    docs: Option<PathBuf>,
}

fn main() {
    let options = Options::parse();
    if options.list {
        for (name, what, _) in ALL.iter().chain(LONG) {
            println!("{name:16} {what}");
        }
        return;
    }
    assert!(
        is_measured(),
        "LINKGATE_FULL_JIT must be set, or the brokers are not what they are in production"
    );
    for name in &options.jobs {
        assert!(
            ALL.iter().chain(LONG).any(|(job, ..)| job == name),
            "there is no job {name}; --list names them"
        );
    }
    let repetitions = options.repetitions.unwrap_or(if options.quick { 1 } else { 3 }).max(1);
    let effort = Effort { repetitions, quick: options.quick, alone: options.alone };
    let mut report =
        Report { environment: Environment::here(options.quick), jobs: Vec::new(), findings: Vec::new() };
    let mut failed = Vec::new();
    for (name, _, measure) in ALL.iter().chain(LONG) {
        let is_named = options.jobs.iter().any(|job| job == name);
        let is_long = LONG.iter().any(|(long, ..)| long == name);
        let is_left_out = is_long || options.quick && NOT_QUICK.contains(name);
        if is_named || (options.jobs.is_empty() && !is_left_out) {
            // A failing job does not stop the others; it is named at the end.
            let Ok(findings) = std::panic::catch_unwind(|| measure(effort)) else {
                failed.push(*name);
                continue;
            };
            report::print(&findings);
            report.findings.extend(findings);
            report.jobs.push((*name).to_owned());
            if let Some(docs) = &options.docs {
                report.write(docs).unwrap_or_else(|e| panic!("writing into {}: {e}", docs.display()));
            }
        }
    }
    println!();
    report::print(&report.findings);
    if !failed.is_empty() {
        eprintln!(
            "failed, and not in the table: {}; what went wrong is said above, where each ran",
            failed.join(", ")
        );
        std::process::exit(1);
    }
}
