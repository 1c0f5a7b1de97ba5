//! Reader of Java `.properties` text, with the line of each entry.
//!
//! As `java.util.Properties` reads it (comments, continuations, `=`, `:` or blank as separator, escapes), with two
//! differences: text is UTF-8, and a name given twice is an error instead of a silent override.

use std::collections::BTreeMap;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Line of the name, from 1.
    pub line: usize,
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// What is wrong on a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct PropertiesError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

/// Reads all entries, in order.
///
/// # Errors
/// Everything that is wrong: a broken `\u` escape, or a name given twice.
pub fn parse(text: &str) -> Result<Vec<Entry>, Vec<PropertiesError>> {
    let (mut entries, mut errors): (Vec<Entry>, _) = (Vec::new(), Vec::new());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (line, text) in logical_lines(text) {
        let (name, value) = split(&text);
        match (unescape(name), unescape(value)) {
            (Ok(name), Ok(value)) => match seen.insert(name.clone(), line) {
                Some(first) => {
                    let message = format!("'{name}' is given a second time (first on line {first})");
                    errors.push(PropertiesError { line, message });
                }
                None => entries.push(Entry { line, name, value }),
            },
            (Err(message), _) | (_, Err(message)) => errors.push(PropertiesError { line, message }),
        }
    }
    if errors.is_empty() { Ok(entries) } else { Err(errors) }
}

/// Lines that are neither blank nor comments, with their continuations joined.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    // A BOM is what some editors put there.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, natural) in natural_lines(text).enumerate() {
        let content = natural.trim_start_matches(BLANK);
        let (number, mut joined) = match open.take() {
            Some(begun) => begun,
            None if content.is_empty() || content.starts_with(['#', '!']) => continue,
            None => (index + 1, String::new()),
        };
        let backslashes = content.len() - content.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            joined.push_str(&content[..content.len() - 1]);
            open = Some((number, joined));
        } else {
            joined.push_str(content);
            lines.push((number, joined));
        }
    }
    lines.extend(open);
    lines
}

const BLANK: [char; 3] = [' ', '\t', '\u{c}'];

/// Lines ended by `\n`, `\r\n` or `\r`.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// Name and value, both still escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let ends = !escaped && (matches!(c, '=' | ':') || BLANK.contains(&c));
        escaped = c == '\\' && !escaped;
        ends
    });
    let Some(end) = end else { return (line, "") };
    let rest = line[end..].trim_start_matches(BLANK);
    let rest = rest.strip_prefix(['=', ':']).map_or(rest, |after| after.trim_start_matches(BLANK));
    (&line[..end], rest)
}

fn unescape(text: &str) -> Result<String, String> {
    let mut units: Vec<u16> = Vec::new();
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let escape = if c == '\\' { rest.next() } else { None };
        if escape == Some('u') {
            let digits: String = rest.by_ref().take(4).collect();
            let hex = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| hex);
            units.push(unit.ok_or_else(|| format!("'\\u{digits}' is not \\u and four hexadecimal digits"))?);
            continue;
        }
        flush(&mut units, &mut plain)?;
        match escape {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some(other) => plain.push(other),
            // A lone backslash at the very end.
            None if c == '\\' => {}
            None => plain.push(c),
        }
    }
    flush(&mut units, &mut plain)?;
    Ok(plain)
}

/// Code units come one by one: only a whole run of them can be checked for surrogate pairs.
fn flush(units: &mut Vec<u16>, plain: &mut String) -> Result<(), String> {
    plain
        .push_str(&String::from_utf16(units).map_err(|_| "half a surrogate pair in \\u escapes".to_owned())?);
    units.clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(usize, String, String)> {
        parse(text).unwrap().into_iter().map(|entry| (entry.line, entry.name, entry.value)).collect()
    }

    fn one(text: &str) -> (String, String) {
        let mut entries = pairs(text);
        assert_eq!(entries.len(), 1, "{text}");
        let (_, name, value) = entries.remove(0);
        (name, value)
    }

    #[test]
    fn separators_are_equals_colon_and_blank() {
        for text in ["a=b", "a = b", "a:b", "a: b", "a b", "  a\tb", "a\t= b"] {
            assert_eq!(one(text), ("a".into(), "b".into()), "{text}");
        }
        assert_eq!(one("a"), ("a".into(), String::new()));
        assert_eq!(one("a=="), ("a".into(), "=".into()));
        assert_eq!(one(r"a\=b\ c=d"), ("a=b c".into(), "d".into()));
        assert_eq!(one("a= b "), ("a".into(), "b ".into()));
    }

    #[test]
    fn comments_and_blank_lines_count_but_say_nothing() {
        let text = "# one\r\n\r\n! two\n   # three\na=1\rb=2\n";
        assert_eq!(pairs(text), [(5, "a".into(), "1".into()), (6, "b".into(), "2".into())]);
    }

    #[test]
    fn a_line_goes_on_after_an_odd_backslash() {
        let text = "list=a,\\\n     b,\\\n     # c\nnext=1\\\\\nlast=x\\";
        assert_eq!(
            pairs(text),
            [
                (1, "list".into(), "a,b,# c".into()),
                (4, "next".into(), "1\\".into()),
                (5, "last".into(), "x".into())
            ]
        );
    }

    #[test]
    fn escapes() {
        assert_eq!(one(r"a=\t\n\q\u00e9\ud83d\ude00é").1, "\t\nqé😀é");
        assert_eq!(
            one(r#"sasl.jaas.config=Login required username="a" password="b=c:d";"#).1,
            r#"Login required username="a" password="b=c:d";"#
        );
    }

    #[test]
    fn errors_name_the_line_and_come_all_at_once() {
        let errors = parse("a=1\nb=\\u12\na=2\nc=\\ud800\nd=\\u+123\n").unwrap_err();
        let lines: Vec<usize> = errors.iter().map(|error| error.line).collect();
        assert_eq!(lines, [2, 3, 4, 5]);
        assert_eq!(errors[1].to_string(), "line 3: 'a' is given a second time (first on line 1)");
    }
}
