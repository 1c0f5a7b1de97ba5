//! `make demo`: the life of a cluster link on real Kafka and real data, followed by an audit with an
//! independent client.
//!
//! `--keep` leaves everything running. After a failure the logs stay, and the last line tells where they are.

mod report;
mod screen;
mod stage;
mod story;

use std::process::ExitCode;

use linkgate_tests::machine::workdir::{keep_everything, target_dir};

fn main() -> ExitCode {
    let mut keep = false;
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--keep" => keep = true,
            other => {
                eprintln!("demo: unknown argument {other}; usage: demo [--keep]");
                return ExitCode::from(64);
            }
        }
    }
    if keep {
        keep_everything();
    }
    let dir = target_dir().join("demo");
    let _ = std::fs::create_dir_all(&dir);
    let _ = std::fs::remove_file(dir.join("report.json"));
    // All code of the demo fails by panicking with a sentence.
    let told = std::panic::catch_unwind(|| story::tell(&dir, keep));
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(_) => {
            eprintln!("\nThe demo failed. Logs and data: {}", dir.display());
            ExitCode::FAILURE
        }
    }
}
