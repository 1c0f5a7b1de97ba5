//! Gathers the configs of a link or a mirror topic from flags and files. Reads only the files that are named.

use std::io::Read as _;
use std::path::Path;

use crate::config_list;
use crate::filters::FilterKind;
use crate::properties;
use crate::rest::ConfigEntry;

/// Maximum size of a filter file, in bytes.
const MAX_FILTER_FILE: u64 = 4 * 1024 * 1024;

/// Error: the configs cannot be gathered. The text names the flag or file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigsError(pub String);

/// Sources of configs. Two sources may not give one config two different values.
#[derive(Debug, Clone, Default)]
pub struct ConfigSources<'a> {
    /// Values of `--config`.
    pub inline: Vec<&'a str>,
    /// File of `--config-file`; `-` is stdin.
    pub file: Option<&'a str>,
    /// Files of `--*-filters-json-file`.
    pub filter_files: Vec<(FilterKind, &'a str)>,
    /// Texts of `--*-filters-json`.
    pub filter_texts: Vec<(FilterKind, &'a str)>,
}

/// Result of [`ConfigSources::gather`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatheredConfigs {
    /// Names and values in the order read (config file, `--config`, filters). Each name appears once.
    pub configs: Vec<ConfigEntry>,
    /// Notes for the operator that are no errors, for example about a repeated key.
    pub notes: Vec<String>,
}

impl ConfigSources<'_> {
    /// Reads all sources and checks each config as far as possible without the server.
    ///
    /// # Errors
    /// [`ConfigsError`] if a file cannot be read, if a text is malformed (with its position), or if one
    /// config has two values.
    pub fn gather(&self) -> Result<GatheredConfigs, ConfigsError> {
        let mut gathered = GatheredConfigs::default();
        if let Some(file) = self.file {
            gathered.add_file(file)?;
        }
        for text in &self.inline {
            let pairs = config_list::split(text).map_err(|err| ConfigsError(format!("--config: {err}")))?;
            for (name, value) in pairs {
                gathered.add(&name, value, "--config")?;
            }
        }
        for (kind, path) in &self.filter_files {
            let text = read_filter(path)?;
            gathered.add_filter(*kind, path, &text)?;
        }
        for (kind, text) in &self.filter_texts {
            gathered.add_filter(*kind, "the inline JSON", text)?;
        }
        Ok(gathered)
    }
}

impl GatheredConfigs {
    /// Returns the value of a config.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.configs.iter().find(|entry| entry.name == name).and_then(|entry| entry.value.as_deref())
    }

    fn add_file(&mut self, file: &str) -> Result<(), ConfigsError> {
        let all = properties::read_file(Path::new(file)).map_err(|err| ConfigsError(err.to_string()))?;
        for (key, first, second) in properties::repeated(&all) {
            self.notes.push(format!("{file}: '{key}' of line {second} replaces that of line {first}"));
        }
        for (name, value) in properties::to_map(all) {
            self.add(&name, value, file)?;
        }
        Ok(())
    }

    fn add_filter(&mut self, kind: FilterKind, origin: &str, text: &str) -> Result<(), ConfigsError> {
        self.add(kind.config_name(), text.trim().to_owned(), origin)
    }

    fn add(&mut self, name: &str, value: String, origin: &str) -> Result<(), ConfigsError> {
        if let Some(kind) = FilterKind::of_config(name).filter(|_| !value.trim().is_empty()) {
            let origin = if origin == "--config" { name } else { origin };
            let _ = kind.check(origin, &value).map_err(|err| ConfigsError(err.to_string()))?;
        }
        match self.configs.iter().find(|entry| entry.name == name) {
            Some(entry) if entry.value.as_deref() == Some(&value) => Ok(()),
            Some(_) => Err(ConfigsError(format!("'{name}' is given two different values"))),
            None => {
                self.configs.push(ConfigEntry { name: name.to_owned(), value: Some(value) });
                Ok(())
            }
        }
    }
}

fn read_filter(path: &str) -> Result<String, ConfigsError> {
    let unreadable = |err: std::io::Error| ConfigsError(format!("cannot read {path}: {err}"));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    // Bounds the read itself: the file size that the system reports is wrong for a pipe.
    let read = file.take(MAX_FILTER_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if read as u64 > MAX_FILTER_FILE {
        return Err(ConfigsError(format!("{path} is too large for a filter file")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn configs_of_all_sources_are_merged() {
        let properties = file("bootstrap.servers=src:9092\nconsumer.offset.sync.enable=true\n");
        let filter = file(r#" {"groupFilters":[]} "#);
        let sources = ConfigSources {
            inline: vec!["consumer.offset.sync.ms=1000", "x=[a,b]"],
            file: properties.path().to_str(),
            filter_files: vec![(FilterKind::Groups, filter.path().to_str().unwrap())],
            filter_texts: vec![(FilterKind::Topics, r#"{"topicFilters":[]}"#)],
        };
        let gathered = sources.gather().unwrap();
        assert_eq!(gathered.get("bootstrap.servers"), Some("src:9092"));
        assert_eq!(gathered.get("x"), Some("a,b"));
        assert_eq!(gathered.get("consumer.offset.group.filters"), Some(r#"{"groupFilters":[]}"#));
        assert_eq!(gathered.get("auto.create.mirror.topics.filters"), Some(r#"{"topicFilters":[]}"#));
        assert_eq!(gathered.configs.len(), 6);
    }

    #[test]
    fn contradictions_and_unreadable_files_are_errors() {
        let two = ConfigSources { inline: vec!["a=1", "a=2"], ..ConfigSources::default() };
        assert_eq!(two.gather().unwrap_err().0, "'a' is given two different values");
        let missing =
            ConfigSources { file: Some("/nonexistent/link.properties"), ..ConfigSources::default() };
        assert_eq!(
            missing.gather().unwrap_err().0,
            "cannot read /nonexistent/link.properties: No such file or directory (os error 2)"
        );
        let inline = ConfigSources { inline: vec!["acl.filters={}"], ..ConfigSources::default() };
        assert_eq!(
            inline.gather().unwrap_err().0,
            "acl.filters is not a valid ACL filter: aclFilters: is missing"
        );
    }

    #[test]
    fn a_repeated_key_of_a_file_is_noted() {
        let properties = file("a=1\na=2\n");
        let path = properties.path().to_str().unwrap();
        let gathered = ConfigSources { file: Some(path), ..ConfigSources::default() }.gather().unwrap();
        assert_eq!(gathered.get("a"), Some("2"));
        assert_eq!(gathered.notes, [format!("{path}: 'a' of line 2 replaces that of line 1")]);
    }
}
