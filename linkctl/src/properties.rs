//! Parses Java `.properties` text like `java.util.Properties.load`, with line numbers. Only [`read_file`]
//! does I/O.
//!
//! Comments (`#`, `!`), continuation lines, the separators `=`, `:` and white space, and the escapes `\t \n
//! \r \f \uXXXX` follow Java. The text is UTF-8. Unlike Java, a line without a key and a broken `\u` escape
//! are errors. The daemon's configuration and the tools' files use this one parser.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// One key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// The key, unescaped.
    pub key: String,
    /// Unescaped value. Trailing white space is part of it.
    pub value: String,
    /// Line number of its first line, from 1.
    pub line: usize,
}

/// Error in one entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Malformed {
    /// Line number of the entry's first line, from 1.
    pub line: usize,
    /// Reason why the entry is refused.
    pub reason: String,
}

/// Error: a file gives no properties.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// The file cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// Path as given; `standard input` for `-`.
        path: String,
        /// Error text of the system.
        reason: String,
    },
    /// The syntax is wrong. Names the first malformed entry only.
    #[error("{path}, line {line}: {reason}")]
    Malformed {
        /// Path as given; `standard input` for `-`.
        path: String,
        /// Line number, from 1.
        line: usize,
        /// Reason why the entry is refused.
        reason: String,
    },
}

/// Parses all properties of a text, in order. A repeated key appears each time.
///
/// # Errors
/// Returns every malformed entry, in order.
pub fn parse(text: &str) -> Result<Vec<Property>, Vec<Malformed>> {
    let (mut properties, mut errors) = (Vec::new(), Vec::new());
    // Some editors write a byte order mark first.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = natural_lines(text).enumerate();
    while let Some((index, first)) = lines.next() {
        let first = first.trim_start_matches(is_space);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = first.to_owned();
        while ends_in_continuation(&logical) {
            let _ = logical.pop();
            match lines.next() {
                Some((_, next)) => logical.push_str(next.trim_start_matches(is_space)),
                None => break,
            }
        }
        let line = index + 1;
        match split(&logical) {
            Ok((key, value)) => properties.push(Property { key, value, line }),
            Err(reason) => errors.push(Malformed { line, reason }),
        }
    }
    if errors.is_empty() { Ok(properties) } else { Err(errors) }
}

/// Maximum size of a file, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// Reads the properties of a file, or of stdin if the path is `-`.
///
/// # Errors
/// [`PropertiesError`] that names the file.
pub fn read_file(path: &Path) -> Result<Vec<Property>, PropertiesError> {
    let is_stdin = path == Path::new("-");
    let shown = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let text = if is_stdin { bounded(std::io::stdin().lock()) } else { File::open(path).and_then(bounded) }
        .map_err(|err| PropertiesError::Unreadable { path: shown.clone(), reason: err.to_string() })?;
    parse(&text).map_err(|errors| {
        let (line, reason) =
            errors.into_iter().next().map(|first| (first.line, first.reason)).unwrap_or_default();
        PropertiesError::Malformed { path: shown, line, reason }
    })
}

fn bounded(source: impl Read) -> io::Result<String> {
    let mut text = String::new();
    let read = source.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_FILE {
        return Err(io::Error::other(format!("it has more than {MAX_FILE} bytes")));
    }
    Ok(text)
}

/// Converts properties to a map. The last value of a repeated key wins, as in Java.
#[must_use]
pub fn to_map(properties: Vec<Property>) -> BTreeMap<String, String> {
    properties.into_iter().map(|property| (property.key, property.value)).collect()
}

/// Returns each repetition of a key, with the line of its previous occurrence and its own line.
pub fn repeated(properties: &[Property]) -> impl Iterator<Item = (&str, usize, usize)> {
    let mut seen = BTreeMap::new();
    properties.iter().filter_map(move |property| {
        seen.insert(property.key.as_str(), property.line)
            .map(|before| (property.key.as_str(), before, property.line))
    })
}

/// Splits at `\n`, `\r\n` or `\r`.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

/// Returns true if the line ends with an odd number of backslashes: then the last one is not itself escaped.
fn ends_in_continuation(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Splits a logical line into key and value.
fn split(logical: &str) -> Result<(String, String), String> {
    let end = key_end(logical);
    let (key, rest) = logical.split_at(end);
    let rest = rest.trim_start_matches(is_space);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(is_space);
    if key.is_empty() {
        return Err(format!("there is no key before '{}'", &logical[..1]));
    }
    Ok((unescape(key)?, unescape(value)?))
}

/// Returns the end of the key: the first separator that no backslash escapes.
fn key_end(logical: &str) -> usize {
    let mut escaped = false;
    for (at, c) in logical.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == '=' || c == ':' || is_space(c) {
            return at;
        }
    }
    logical.len()
}

fn unescape(text: &str) -> Result<String, String> {
    let mut units: Vec<u16> = Vec::new();
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let plain = if c != '\\' {
            c
        } else {
            match rest.next() {
                Some('u') => {
                    units.push(hex_unit(&mut rest)?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some(other) => other,
                None => break,
            }
        };
        flush(&mut units, &mut out)?;
        out.push(plain);
    }
    flush(&mut units, &mut out)?;
    Ok(out)
}

fn hex_unit(rest: &mut std::str::Chars<'_>) -> Result<u16, String> {
    let digits: String = rest.take(4).collect();
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("'\\u{digits}' is not a \\uXXXX escape: it needs four hex digits"));
    }
    u16::from_str_radix(&digits, 16).map_err(|err| err.to_string())
}

/// Decodes the collected `\uXXXX` escapes. They are UTF-16 units, so a surrogate pair takes two of them.
fn flush(units: &mut Vec<u16>, out: &mut String) -> Result<(), String> {
    if !units.is_empty() {
        let text = String::from_utf16(units)
            .map_err(|_| "a \\uXXXX escape is half of a surrogate pair".to_owned())?;
        out.push_str(&text);
        units.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap().into_iter().map(|p| (p.key, p.value)).collect()
    }

    fn one(text: &str) -> (String, String) {
        let mut all = pairs(text);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    #[test]
    fn separators_and_white_space_follow_java() {
        for text in ["k=v", "k:v", "k v", "k = v", "  k\t:  v", "k=v\r\n", "k   =v"] {
            assert_eq!(one(text), ("k".into(), "v".into()), "{text:?}");
        }
        assert_eq!(one("k"), ("k".into(), String::new()));
        assert_eq!(one("k=a=b:c"), ("k".into(), "a=b:c".into()));
        assert_eq!(one("k=v  "), ("k".into(), "v  ".into()));
        assert_eq!(one("a\\=b\\ c=v"), ("a=b c".into(), "v".into()));
    }

    #[test]
    fn comments_and_blank_lines_are_skipped_and_lines_counted() {
        let all = parse("# one\n! two\n\n   # three\nk=v\n\nl=w").unwrap();
        assert_eq!(all.iter().map(|p| p.line).collect::<Vec<_>>(), [5, 7]);
    }

    #[test]
    fn an_odd_number_of_backslashes_continues_a_line() {
        let jaas = "sasl.jaas.config=org.example.Login required \\\n   username=\"a\" \\\r\n   password=\"b=c\";\nx=y\\\\\nz=1";
        assert_eq!(
            pairs(jaas),
            [
                (
                    "sasl.jaas.config".to_owned(),
                    "org.example.Login required username=\"a\" password=\"b=c\";".to_owned()
                ),
                ("x".to_owned(), "y\\".to_owned()),
                ("z".to_owned(), "1".to_owned()),
            ]
        );
        assert_eq!(one("k=v\\"), ("k".into(), "v".into()));
        // A comment sign inside a continued line is text.
        assert_eq!(one("k=a,\\\n#b"), ("k".into(), "a,#b".into()));
    }

    #[test]
    fn escapes_are_decoded() {
        assert_eq!(
            one("k=a\\tb\\nc\\u00e9\\ud83d\\ude00\\q"),
            ("k".into(), "a\tb\nc\u{e9}\u{1f600}q".into())
        );
    }

    #[test]
    fn json_values_need_no_escape() {
        let json = r#"{"groupFilters": [{"name": "*","patternType": "LITERAL"}]}"#;
        assert_eq!(one(&format!("consumer.offset.group.filters={json}")).1, json);
    }

    #[test]
    fn all_errors_are_returned_with_their_line() {
        let errors = parse("a=1\n\nb=\\u12x4\n=v\nc=\\ud800\nd=\\u+123\nk=2").unwrap_err();
        let told: Vec<String> = errors.iter().map(Malformed::to_string).collect();
        assert_eq!(
            told,
            [
                "line 3: '\\u12x4' is not a \\uXXXX escape: it needs four hex digits",
                "line 4: there is no key before '='",
                "line 5: a \\uXXXX escape is half of a surrogate pair",
                "line 6: '\\u+123' is not a \\uXXXX escape: it needs four hex digits",
            ]
        );
    }

    #[test]
    fn all_line_endings_are_accepted() {
        let all = parse("\u{feff}# one\r\n\r\na=1\rb=2\n").unwrap();
        let lines: Vec<_> = all.iter().map(|p| (p.line, p.key.as_str(), p.value.as_str())).collect();
        assert_eq!(lines, [(3, "a", "1"), (4, "b", "2")]);
    }

    #[test]
    fn the_last_value_of_a_repeated_key_wins() {
        let all = parse("a=1\nb=2\na=3\na=4").unwrap();
        assert_eq!(repeated(&all).collect::<Vec<_>>(), [("a", 1, 3), ("a", 3, 4)]);
        assert_eq!(to_map(all).get("a").map(String::as_str), Some("4"));
    }
}
