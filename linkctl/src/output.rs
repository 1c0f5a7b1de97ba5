//! Data to stdout, everything else to stderr. A reader that has gone away (`| head`) ends the output, not in an error.

use std::io::{self, IsTerminal as _, Write as _};

/// How `linkctl` shows data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns with a heading, for people.
    #[default]
    Table,
    /// The bodies of the REST API, for programs.
    Json,
    /// The table's columns separated by tabs, without a heading, for scripts.
    Plain,
}

/// Writes lines to stdout.
///
/// # Errors
/// What the system said; a closed pipe is none.
pub fn print(text: &str) -> io::Result<()> {
    match write_all(&mut io::stdout().lock(), text) {
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes lines to stdout for as long as somebody reads: false when the reader has gone.
///
/// # Errors
/// What the system said; a closed pipe is none.
pub fn stream(text: &str) -> io::Result<bool> {
    match write_all(&mut io::stdout().lock(), text) {
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        result => result.map(|()| true),
    }
}

/// Writes a line for people to stderr. There is nobody left to tell when that fails.
pub fn note(text: &str) {
    let _ = write_all(&mut io::stderr().lock(), text);
}

fn write_all(out: &mut impl io::Write, text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes())?;
    if !text.is_empty() && !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Asks on the terminal; yes without asking where there is none.
///
/// # Errors
/// What the system said.
pub fn confirm(question: &str) -> io::Result<bool> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(true);
    }
    let mut err = io::stderr().lock();
    err.write_all(format!("{question} [y/N] ").as_bytes())?;
    err.flush()?;
    let mut answer = String::new();
    let _ = io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
