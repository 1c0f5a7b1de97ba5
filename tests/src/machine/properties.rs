//! Reads and writes the project's own .properties files: plain `key=value` lines, without escapes or
//! continuations.

use std::path::Path;

/// Reads the entries in order.
///
/// # Panics
/// Panics if the file cannot be read, or if a line is neither a comment nor `key=value`.
#[must_use]
pub fn read(path: &Path) -> Vec<(String, String)> {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let pair =
                line.split_once('=').unwrap_or_else(|| panic!("{}: no key=value: {line}", path.display()));
            (pair.0.trim().to_owned(), pair.1.trim().to_owned())
        })
        .collect()
}

/// Writes `entries` with some values replaced.
///
/// # Panics
/// Panics if the file is not writable.
pub fn write(path: &Path, entries: &[(String, String)], replaced: &[(&str, &str)]) {
    let text: String = entries
        .iter()
        .map(|(key, value)| {
            let value = replaced.iter().find(|(k, _)| k == key).map_or(value.as_str(), |(_, v)| v);
            format!("{key}={value}\n")
        })
        .collect();
    std::fs::write(path, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
}
