//! Output of the demo while it runs: numbered steps, commands with their output, and a progress line.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use linkgate_tests::machine::process::Output;

/// State of the output.
#[derive(Debug)]
pub(crate) struct Screen {
    begin: Instant,
    step: u32,
    live: bool,
    progress_shown: bool,
    last_progress: Instant,
}

impl Screen {
    pub(crate) fn new() -> Screen {
        let now = Instant::now();
        Screen {
            begin: now,
            step: 0,
            live: std::io::stdout().is_terminal(),
            progress_shown: false,
            last_progress: now,
        }
    }

    /// Returns the time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Starts a step.
    pub(crate) fn step(&mut self, title: &str) {
        self.end_progress();
        self.step += 1;
        println!("\n[{:5.1} s] {}. {title}", self.begin.elapsed().as_secs_f64(), self.step);
    }

    /// Prints a sentence about the step.
    pub(crate) fn say(&mut self, text: &str) {
        self.end_progress();
        println!("          {text}");
    }

    /// Prints a command and its output.
    pub(crate) fn ran(&mut self, command: &str, output: &Output) {
        self.end_progress();
        println!("          $ {command}");
        for line in output.all().lines().filter(|line| !line.trim().is_empty()) {
            println!("            {line}");
        }
    }

    /// Shows progress: on a terminal, a line that replaces itself; elsewhere, at most one line every five
    /// seconds.
    pub(crate) fn progress(&mut self, text: &str) {
        if self.live {
            print!("\r\x1b[2K          {text}");
            let _ = std::io::stdout().flush();
            self.progress_shown = true;
        } else if self.last_progress.elapsed() > Duration::from_secs(5) {
            self.last_progress = Instant::now();
            println!("          {text}");
        }
    }

    fn end_progress(&mut self) {
        if self.progress_shown {
            println!();
            self.progress_shown = false;
        }
    }
}

/// Formats 1234567 as `1,234,567`.
pub(crate) fn grouped(n: i64) -> String {
    let digits = n.abs().to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if n < 0 { format!("-{out}") } else { out }
}
