//! Parses command lines like Kafka's own tools (joptsimple). No I/O.
//!
//! Accepts `--opt value`, `--opt=value`, both also with one dash, and unambiguous abbreviations. A full
//! option name wins over longer names that begin with it. The value is the next word, even if it begins with
//! a dash.

use std::collections::BTreeMap;

/// One option of a tool.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// Name, without dashes.
    pub name: &'static str,
    /// Name of the value in the usage text; `None` if the option takes no value.
    pub value: Option<&'static str>,
    /// True if the option may be given more than once.
    pub repeats: bool,
    /// Description for the usage text.
    pub help: &'static str,
}

/// Defines an option without a value.
#[must_use]
pub const fn flag(name: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec { name, value: None, repeats: false, help }
}

/// Defines an option with one value.
#[must_use]
pub const fn valued(name: &'static str, value: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec { name, value: Some(value), repeats: false, help }
}

/// Defines an option with a value that may be given more than once.
#[must_use]
pub const fn repeated(name: &'static str, value: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec { name, value: Some(value), repeats: true, help }
}

/// Error: the command line is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Options of one command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    found: BTreeMap<&'static str, Vec<String>>,
}

impl Options {
    /// Returns true if the option was given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.found.contains_key(name)
    }

    /// Returns the first value of the option.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.found.get(name).and_then(|values| values.first()).map(String::as_str)
    }

    /// Returns all values of the option.
    #[must_use]
    pub fn all(&self, name: &str) -> &[String] {
        self.found.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns the value of a required option.
    ///
    /// # Errors
    /// Kafka's sentence for a missing argument.
    pub fn require(&self, name: &str) -> Result<&str, UsageError> {
        self.get(name).ok_or_else(|| UsageError(format!("Missing required argument \"[{name}]\"")))
    }

    /// Splits the option's values at commas. Drops empty parts and repetitions.
    ///
    /// # Errors
    /// Fails if the option was given without a single name.
    pub fn names(&self, name: &str) -> Result<Vec<String>, UsageError> {
        let mut names: Vec<String> = Vec::new();
        for part in self.all(name).iter().flat_map(|value| value.split(',')).map(str::trim) {
            if !part.is_empty() && !names.iter().any(|known| known == part) {
                names.push(part.to_owned());
            }
        }
        if self.has(name) && names.is_empty() {
            return Err(UsageError(format!("Option \"[{name}]\" contains no name")));
        }
        Ok(names)
    }

    /// Returns the only option of `actions` that was given.
    ///
    /// # Errors
    /// Fails if none or several were given.
    pub fn one_of<'a>(&self, actions: &[&'a str]) -> Result<&'a str, UsageError> {
        let mut given = actions.iter().filter(|action| self.has(action));
        match (given.next(), given.next()) {
            (Some(action), None) => Ok(action),
            _ => {
                let (last, others) = actions.split_last().unwrap_or((&"", &[]));
                let others: Vec<String> = others.iter().map(|action| format!("--{action}")).collect();
                let others = others.join(", ");
                Err(UsageError(format!("Command must include exactly one action: {others} or --{last}")))
            }
        }
    }

    /// Refuses options that have no meaning with `action`.
    ///
    /// # Errors
    /// Kafka's sentence for two options that exclude each other.
    pub fn only_with(&self, action: &str, allowed: &[&str]) -> Result<(), UsageError> {
        let stray = self.found.keys().find(|name| **name != action && !allowed.contains(name));
        match stray {
            Some(name) => {
                Err(UsageError(format!("Option \"[{name}]\" can't be used with option \"[{action}]\"")))
            }
            None => Ok(()),
        }
    }
}

/// Parses a command line, without the program name.
///
/// # Errors
/// [`UsageError`] with the sentences of joptsimple.
pub fn parse(
    specs: &'static [OptionSpec],
    words: impl IntoIterator<Item = String>,
) -> Result<Options, UsageError> {
    let mut options = Options::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let Some(body) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|b| !b.is_empty())
        else {
            if word == "--" {
                continue;
            }
            return Err(UsageError(format!("Unexpected argument '{word}'")));
        };
        let (name, attached) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value).filter(|value| !value.is_empty())),
            None => (body, None),
        };
        let spec = recognise(specs, name)?;
        let value = match (spec.value, attached) {
            (None, None | Some("true")) => String::new(),
            (None, Some(_)) => return Err(UsageError(format!("Option {name} takes no argument"))),
            (Some(_), Some(value)) => value.to_owned(),
            (Some(_), None) => words
                .next()
                .ok_or_else(|| UsageError(format!("Option {} requires an argument", spec.name)))?,
        };
        let values = options.found.entry(spec.name).or_default();
        if spec.value.is_some() && !spec.repeats && !values.is_empty() {
            let name = spec.name;
            return Err(UsageError(format!(
                "Found multiple arguments for option {name}, but you asked for only one"
            )));
        }
        values.push(value);
    }
    Ok(options)
}

fn recognise(specs: &'static [OptionSpec], name: &str) -> Result<&'static OptionSpec, UsageError> {
    if let Some(spec) = specs.iter().find(|spec| spec.name == name) {
        return Ok(spec);
    }
    let fitting: Vec<&OptionSpec> = specs.iter().filter(|spec| spec.name.starts_with(name)).collect();
    match fitting.as_slice() {
        [spec] => Ok(spec),
        [] => Err(UsageError(format!("{name} is not a recognized option"))),
        several => {
            let names: Vec<&str> = several.iter().map(|spec| spec.name).collect();
            Err(UsageError(format!("{name} is not a recognized option: it may be {}", names.join(" or "))))
        }
    }
}

/// Formats the usage text: one option per line, with aligned descriptions.
#[must_use]
pub fn usage(specs: &[OptionSpec]) -> String {
    const COLUMN: usize = 44;
    let mut text = format!("{:COLUMN$}{}\n{:COLUMN$}{}", "Option", "Description", "------", "-----------");
    for spec in specs {
        let name = match spec.value {
            Some(value) => format!("--{} <{value}>", spec.name),
            None => format!("--{}", spec.name),
        };
        text.push('\n');
        let mut left = name;
        for line in wrap(spec.help, 74) {
            if left.len() >= COLUMN {
                text.push_str(&left);
                text.push('\n');
                left.clear();
            }
            text.push_str(&format!("{left:COLUMN$}{line}\n"));
            left.clear();
        }
        let _ = text.pop();
    }
    text
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    static SPECS: &[OptionSpec] = &[
        flag("list", "List."),
        flag("describe", "Describe."),
        valued("link", "name", "A link."),
        valued("links", "a,b", "Links."),
        repeated("config", "k=v", "Configs."),
        valued("config-file", "file", "A file."),
    ];

    fn read(line: &[&str]) -> Result<Options, UsageError> {
        parse(SPECS, line.iter().map(|word| (*word).to_owned()))
    }

    fn error(line: &[&str]) -> String {
        read(line).unwrap_err().to_string()
    }

    #[test]
    fn one_dash_two_dashes_equals_sign_and_abbreviations_are_the_same() {
        let expected = read(&["--describe", "--link", "dr"]).unwrap();
        for line in [
            &["-describe", "-link", "dr"][..],
            &["--describe", "--link=dr"],
            &["-desc", "-link=dr"],
            &["--d", "--link=", "dr"],
            &["--link", "dr", "--", "--describe"],
        ] {
            assert_eq!(read(line).unwrap(), expected, "{line:?}");
        }
    }

    #[test]
    fn a_full_name_wins_over_longer_ones() {
        assert_eq!(read(&["--link", "a"]).unwrap().get("link"), Some("a"));
        assert_eq!(read(&["--config", "a=b"]).unwrap().all("config"), ["a=b"]);
        assert_eq!(error(&["--li", "x"]), "li is not a recognized option: it may be list or link or links");
    }

    #[test]
    fn a_value_may_look_like_an_option_and_contain_equals_signs() {
        assert_eq!(read(&["--link", "--list"]).unwrap().get("link"), Some("--list"));
        assert_eq!(read(&["--config=a=b,c=d"]).unwrap().get("config"), Some("a=b,c=d"));
    }

    #[test]
    fn errors_use_the_sentences_of_joptsimple() {
        assert_eq!(error(&["--nope"]), "nope is not a recognized option");
        assert_eq!(error(&["--link"]), "Option link requires an argument");
        assert_eq!(
            error(&["--link", "a", "--link", "b"]),
            "Found multiple arguments for option link, but you asked for only one"
        );
        assert_eq!(error(&["--list=no"]), "Option list takes no argument");
        assert_eq!(error(&["users"]), "Unexpected argument 'users'");
        assert_eq!(read(&["--config", "a=1", "--config", "b=2"]).unwrap().all("config").len(), 2);
    }

    #[test]
    fn actions_exclude_each_other() {
        let actions = ["list", "describe"];
        assert_eq!(read(&["--list"]).unwrap().one_of(&actions), Ok("list"));
        let wrong = "Command must include exactly one action: --list or --describe";
        assert_eq!(read(&["--list", "--describe"]).unwrap().one_of(&actions).unwrap_err().0, wrong);
        assert_eq!(read(&[]).unwrap().one_of(&actions).unwrap_err().0, wrong);
    }

    #[test]
    fn names_are_split_trimmed_and_deduplicated() {
        let options = read(&["--links", "a, b,,a"]).unwrap();
        assert_eq!(options.names("links").unwrap(), ["a", "b"]);
        assert!(read(&["--links", ","]).unwrap().names("links").is_err());
        assert!(read(&[]).unwrap().names("links").unwrap().is_empty());
    }
}
