//! Writes data to stdout, and everything else to stderr. A closed pipe (`| head`) ends the output without an
//! error.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

/// Output format of `linkctl`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns with a heading
    #[default]
    Table,
    /// Bodies of the REST API, for programs
    Json,
    /// Columns of the table separated by tabs, without a heading, for scripts
    Plain,
}

/// Writes `text` to stdout, with a final newline.
///
/// # Errors
/// The system's error. A closed pipe is no error.
pub fn print(text: &str) -> io::Result<()> {
    match write_all(&mut io::stdout().lock(), text) {
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes `text` to stdout. Returns false if the reader has closed the pipe.
///
/// # Errors
/// The system's error. A closed pipe is no error.
pub fn stream(text: &str) -> io::Result<bool> {
    match write_all(&mut io::stdout().lock(), text) {
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        result => result.map(|()| true),
    }
}

/// Clears the terminal. Does nothing if stdout is not a terminal.
///
/// # Errors
/// The system's error.
pub fn clear() -> io::Result<()> {
    let mut out = io::stdout().lock();
    if out.is_terminal() { out.write_all(b"\x1b[H\x1b[2J") } else { Ok(()) }
}

/// Writes a line for the operator to stderr. Ignores errors: there is no other place to report them.
pub fn note(text: &str) {
    let _ = write_all(&mut io::stderr().lock(), text);
}

fn write_all(out: &mut impl io::Write, text: &str) -> io::Result<()> {
    let text = &*harmless(text);
    out.write_all(text.as_bytes())?;
    if !text.is_empty() && !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Removes characters that control a terminal. Names, reasons and messages come from other machines.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| {
        // Bidirectional control characters could make a name look like another one.
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(is_harmful) { Cow::Owned(text.replace(is_harmful, "")) } else { Cow::Borrowed(text) }
}

/// Asks a yes/no question on the terminal. Returns true without asking if stdin or stderr is not a terminal.
///
/// # Errors
/// The system's error.
pub fn confirm(question: &str) -> io::Result<bool> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(true);
    }
    let mut err = io::stderr().lock();
    err.write_all(format!("{} [y/N] ", harmless(question)).as_bytes())?;
    err.flush()?;
    let mut answer = String::new();
    let _ = io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_control_characters_are_removed() {
        let mut out = Vec::new();
        write_all(&mut out, "users\tFAILED\u{1b}]0;owned\u{7}\u{9b}31m\r\u{202e}gnp.exe\u{7f}\nnext")
            .unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "users\tFAILED]0;owned31mgnp.exe\nnext\n");
        assert!(matches!(harmless("Größe\t1\n"), Cow::Borrowed(_)));
    }
}
