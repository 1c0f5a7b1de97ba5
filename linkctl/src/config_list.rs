//! Splits the `k=v,k=v` of `--config`. No I/O.
//!
//! A value that begins with `[` or `{` ends at the matching bracket; commas inside do not split. `[a,b]` is
//! Kafka's grouping and loses its brackets; JSON stays unchanged. Commas inside double quotes (JAAS) do not
//! split either.

/// Error: the text of a `--config` cannot be split. Positions count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigListError {
    /// A piece has no `=`.
    #[error(
        "'{piece}' (character {at}) is not of the form key=value; write a value that contains commas as key=[a,b]"
    )]
    NoEquals {
        /// Text of the piece.
        piece: String,
        /// Position of the piece.
        at: usize,
    },
    /// A piece has no key before the `=`.
    #[error("there is no key before '=' at character {at}")]
    NoKey {
        /// Position of the piece.
        at: usize,
    },
    /// A bracket or quote is not closed.
    #[error("'{open}' at character {at} is never closed")]
    Unclosed {
        /// The bracket or quote.
        open: char,
        /// Its position.
        at: usize,
    },
    /// Text follows the closing bracket of a value.
    #[error("expected ',' or the end at character {at}, after the value of '{key}'")]
    AfterBracket {
        /// Key of the value.
        key: String,
        /// Position of the text.
        at: usize,
    },
}

/// Splits `text` into keys and values, in the order given.
///
/// # Errors
/// [`ConfigListError`] with the position.
pub fn split(text: &str) -> Result<Vec<(String, String)>, ConfigListError> {
    let chars: Vec<char> = text.chars().collect();
    let mut pairs = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if chars[at] == ',' || chars[at].is_whitespace() {
            at += 1;
            continue;
        }
        let begin = at;
        while at < chars.len() && chars[at] != '=' && chars[at] != ',' {
            at += 1;
        }
        let key: String = chars[begin..at].iter().collect::<String>().trim().to_owned();
        if chars.get(at) != Some(&'=') {
            return Err(ConfigListError::NoEquals { piece: key, at: begin + 1 });
        }
        if key.is_empty() {
            return Err(ConfigListError::NoKey { at: begin + 1 });
        }
        at += 1;
        let end = value_end(&chars, at, &key)?;
        let value: String = chars[at..end].iter().collect();
        pairs.push((key, ungroup(value.trim())));
        at = end + 1;
    }
    Ok(pairs)
}

fn value_end(chars: &[char], begin: usize, key: &str) -> Result<usize, ConfigListError> {
    let first = begin + chars[begin..].iter().take_while(|c| c.is_whitespace()).count();
    if matches!(chars.get(first), Some('[' | '{')) {
        let end = closing(chars, first)? + 1;
        let rest = end + chars[end..].iter().take_while(|c| c.is_whitespace()).count();
        return match chars.get(rest) {
            None | Some(',') => Ok(rest),
            Some(_) => Err(ConfigListError::AfterBracket { key: key.to_owned(), at: rest + 1 }),
        };
    }
    let mut quote = None;
    for (at, c) in chars.iter().enumerate().skip(begin) {
        match c {
            '"' if quote.is_some() => quote = None,
            '"' => quote = Some(at),
            ',' if quote.is_none() => return Ok(at),
            _ => {}
        }
    }
    match quote {
        Some(at) => Err(ConfigListError::Unclosed { open: '"', at: at + 1 }),
        None => Ok(chars.len()),
    }
}

/// Returns the position of the bracket that closes the one at `open`.
fn closing(chars: &[char], open: usize) -> Result<usize, ConfigListError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, c) in chars.iter().enumerate().skip(open) {
        if in_string {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match c {
            '"' => in_string = true,
            '[' | '{' => depth += 1,
            ']' | '}' => {
                depth -= 1;
                if depth == 0 {
                    return Ok(at);
                }
            }
            _ => {}
        }
    }
    Err(ConfigListError::Unclosed { open: chars[open], at: open + 1 })
}

fn ungroup(value: &str) -> String {
    let inner = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        // An array of JSON objects or strings is JSON, not a group of words.
        Some(inner) if !inner.trim_start().starts_with(['{', '"', '[']) => inner.to_owned(),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        split(text).unwrap()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn pairs_split_at_commas_and_at_the_first_equals_sign() {
        assert_eq!(
            pairs("bootstrap.servers=src:9092, a=b=c,empty="),
            [pair("bootstrap.servers", "src:9092"), pair("a", "b=c"), pair("empty", "")]
        );
        assert_eq!(pairs(""), []);
        assert_eq!(pairs("a=1,"), [pair("a", "1")]);
    }

    #[test]
    fn brackets_group_and_json_stays_whole() {
        assert_eq!(
            pairs("bootstrap.servers=[a:1,b:2],x=y"),
            [pair("bootstrap.servers", "a:1,b:2"), pair("x", "y")]
        );
        let json = r#"{"groupFilters":[{"name":"a,]}\"","patternType":"LITERAL"},{"name":"b"}]}"#;
        assert_eq!(
            pairs(&format!("x=y,consumer.offset.group.filters={json},z=1")),
            [pair("x", "y"), pair("consumer.offset.group.filters", json), pair("z", "1")]
        );
        assert_eq!(pairs(r#"f=["a","b"]"#), [pair("f", r#"["a","b"]"#)]);
    }

    #[test]
    fn commas_in_quotes_do_not_split() {
        let jaas = r#"org.example.Login required username="a,b" password="c";"#;
        assert_eq!(
            pairs(&format!("sasl.jaas.config={jaas},x=[").replace("x=[", "x=1")),
            [pair("sasl.jaas.config", jaas), pair("x", "1")]
        );
    }

    #[test]
    fn errors_name_the_position() {
        let text = |input: &str| split(input).unwrap_err().to_string();
        assert_eq!(
            text("bootstrap.servers=a:1,b:2"),
            "'b:2' (character 23) is not of the form key=value; write a value that contains commas as key=[a,b]"
        );
        assert_eq!(text("=v"), "there is no key before '=' at character 1");
        assert_eq!(text(r#"a={"x":[1}"#), "'{' at character 3 is never closed");
        assert_eq!(text("a=[b,c"), "'[' at character 3 is never closed");
        assert_eq!(text("a=\"b,c"), "'\"' at character 3 is never closed");
        assert_eq!(text("a=[b]c"), "expected ',' or the end at character 6, after the value of 'a'");
    }
}
