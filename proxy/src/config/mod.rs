//! Configuration of the daemon: a `.properties` file with Kafka's names. It is read once, and all its errors
//! are reported together.
//!
//! `table` lists all configs; docs/configuration.md is the same list for operators.

pub(crate) mod admin;
pub(crate) mod allowed_hosts;
pub(crate) mod journal;
pub(crate) mod limits;
pub(crate) mod listener;
pub(crate) mod security;
pub(crate) mod table;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use linkctl::properties;
use state::model::HostPort;
use state::store::StoreOptions;

pub use self::admin::AdminListeners;
pub use self::allowed_hosts::AllowedHosts;
pub use self::limits::ClientLimits;
pub use self::listener::{Listener, ParseListenerError};
use crate::client::Security;
use crate::config::security::Secured;
use crate::mirror::clearance::Accepted;
use crate::net::bounded_file;
use crate::net::tls::TlsServer;
use crate::obs::LogFormat;

/// Default bootstrap port for clients. It is far from Kafka's 9092, so that a gateway can share a machine
/// with a broker.
pub const DEFAULT_PORT: u16 = 19092;
/// Default port of the admin API, the same as that of Confluent Server.
pub const DEFAULT_ADMIN_PORT: u16 = 8090;

/// The checked configuration of the daemon.
#[derive(Debug, Clone)]
pub struct Config {
    /// Brokers of the destination; never empty.
    pub bootstrap_servers: Vec<HostPort>,
    /// Listener to which clients connect first.
    pub listener: Listener,
    /// Address that clients are told instead of [`Config::listener`].
    pub advertised: Listener,
    /// TLS settings of the listeners for clients; `None` for listeners without TLS.
    pub listener_tls: Option<TlsServer>,
    /// Security of the connections to the brokers.
    pub security: Security,
    /// Location and retention of the journal.
    pub journal: StoreOptions,
    /// Listeners of the admin API; at least one.
    pub admin: AdminListeners,
    /// Bounds on what clients may use.
    pub limits: ClientLimits,
    /// Maximum duration of a stop.
    pub shutdown_timeout: Duration,
    /// Format of log messages.
    pub log_format: LogFormat,
    /// Filter of log messages; `None` for the default.
    pub log_level: Option<String>,
    /// Changes that the operator accepts at this start; set from the command line only.
    pub accepted: Accepted,
    /// Settings that are allowed but may be mistakes, one sentence each, for the log.
    pub warnings: Vec<String>,
}

/// All errors of a configuration, one per line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct InvalidConfig(pub Vec<String>);

impl Config {
    /// Returns a configuration file in which every config is explained and commented out.
    #[must_use]
    pub fn example() -> String {
        table::example()
    }

    /// Reads a configuration file. `overrides` (from the command line) replace its values.
    ///
    /// # Errors
    /// Fails if the file cannot be read, or with all errors in it, each with `file:line`.
    pub fn load(file: Option<&Path>, overrides: &[(&str, String)]) -> Result<Config, InvalidConfig> {
        let (name, text) = match file {
            Some(path) => {
                let text = bounded_file::read_any(path, MAX_FILE_BYTES)
                    .and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other))
                    .map_err(|error| InvalidConfig(vec![format!("{}: {error}", path.display())]))?;
                (path.display().to_string(), text)
            }
            None => ("command line".to_owned(), String::new()),
        };
        Config::parse(&name, &text, overrides, &host_name())
    }

    /// Checks the text of a file called `name`. `host` is the name of this machine.
    fn parse(
        name: &str,
        text: &str,
        overrides: &[(&str, String)],
        host: &str,
    ) -> Result<Config, InvalidConfig> {
        let mistakes = |errors: Vec<properties::Malformed>| {
            InvalidConfig(
                errors.iter().map(|error| format!("{name}:{}: {}", error.line, error.reason)).collect(),
            )
        };
        let entries = properties::parse(text).map_err(mistakes)?;
        // Java takes the last value. Here a repeated name is an error, since only the operator knows which
        // value is meant.
        let repeated: Vec<_> = properties::repeated(&entries)
            .map(|(key, before, line)| {
                let reason = format!("'{key}' is given a second time (first on line {before})");
                properties::Malformed { line, reason }
            })
            .collect();
        if !repeated.is_empty() {
            return Err(mistakes(repeated));
        }
        let mut reader = ConfigReader {
            values: BTreeMap::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
            file: name.to_owned(),
        };
        for entry in entries {
            let place = format!("{name}:{}", entry.line);
            drop(reader.values.insert(entry.key, (place, entry.value)));
        }
        for (key, value) in overrides {
            drop(reader.values.insert((*key).to_owned(), ("command line".into(), value.clone())));
        }
        reader.config(host)
    }
}

/// Maximum size of a configuration file, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Configuration values while they are checked.
struct ConfigReader {
    /// Place (`file:line`) and value of each name.
    values: BTreeMap<String, (String, String)>,
    errors: Vec<String>,
    warnings: Vec<String>,
    file: String,
}

impl ConfigReader {
    fn config(mut self, host: &str) -> Result<Config, InvalidConfig> {
        let bootstrap_servers = self.bootstrap_servers();
        let listener = self.listener("listeners").unwrap_or(Listener::plaintext("0.0.0.0", DEFAULT_PORT));
        self.refuse_unknown(&listener);
        let Secured { listener_tls, security } = self.secured(&listener);
        let advertised = self.advertised(&listener, host);
        let admin = self.admin(host, &listener, &advertised);
        let limits = self.limits();
        let shutdown_timeout = Duration::from_millis(self.number("shutdown.timeout.ms", 0) as u64);
        let log_format = self.parsed("log.format").unwrap_or_default();
        let log_level = self.text("log.level").map(|(_, value)| value);
        let journal = self.journal();
        if !self.errors.is_empty() {
            return Err(InvalidConfig(self.errors));
        }
        Ok(Config {
            bootstrap_servers,
            listener,
            advertised,
            listener_tls,
            security,
            admin,
            journal,
            limits,
            shutdown_timeout,
            log_format,
            log_level,
            accepted: Accepted::default(),
            warnings: self.warnings,
        })
    }

    fn bootstrap_servers(&mut self) -> Vec<HostPort> {
        let Some((place, value)) = self.text("bootstrap.servers") else {
            let file = &self.file;
            self.errors.push(format!(
                "{file}: bootstrap.servers is required: brokers of the destination, host:port,…"
            ));
            return Vec::new();
        };
        match HostPort::parse_list(&value) {
            Ok(servers) => servers,
            Err(error) => {
                self.errors.push(format!("{place}: bootstrap.servers: {error}"));
                Vec::new()
            }
        }
    }

    /// Reads the listener given under `key`; `None` if there is none or it is not valid.
    fn listener(&mut self, key: &str) -> Option<Listener> {
        let (place, value) = self.text(key)?;
        if value.contains(',') {
            self.errors.push(format!("{place}: {key}: this version supports one listener for clients"));
            return None;
        }
        value.parse().map_err(|error| self.errors.push(format!("{place}: {key}: {error}"))).ok()
    }

    fn advertised(&mut self, listener: &Listener, host: &str) -> Listener {
        let Some(given) = self.listener("advertised.listeners") else {
            let host = if listener.is_wildcard() { host } else { &listener.at.host };
            return Listener { at: HostPort::new(host, listener.at.port), ..listener.clone() };
        };
        let (place, _) = self.text("advertised.listeners").unwrap_or_default();
        if given.is_wildcard() {
            self.errors.push(format!(
                "{place}: advertised.listeners: clients cannot connect to {}; give a host name",
                given.at
            ));
        }
        if !given.scheme.eq_ignore_ascii_case(&listener.scheme) {
            self.errors.push(format!(
                "{place}: advertised.listeners: the listener is {}, not {}",
                listener.scheme, given.scheme
            ));
        }
        given
    }

    /// The number of a config that must be at least `least`, or the default of the table.
    fn number(&mut self, key: &str, least: usize) -> usize {
        let default = match table::find(key).map(|def| def.default) {
            Some(table::Default::Number(number)) => number,
            _ => least,
        };
        let Some((place, value)) = self.text(key) else { return default };
        match value.parse::<usize>() {
            Ok(number) if number >= least => return number,
            Ok(_) => self.errors.push(format!("{place}: {key}={value}: must be at least {least}")),
            Err(_) => self.errors.push(format!("{place}: {key}={value}: expected a number")),
        }
        default
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self, key: &str) -> Option<T> {
        let (place, value) = self.text(key)?;
        value.parse().map_err(|error| self.errors.push(format!("{place}: {key}={value}: {error}"))).ok()
    }

    /// Returns the place and the trimmed value of `key`; `None` if the value is missing or empty.
    fn text(&self, key: &str) -> Option<(String, String)> {
        let (place, value) = self.values.get(key)?;
        let value = value.trim();
        (!value.is_empty()).then(|| (place.clone(), value.to_owned()))
    }
}

fn host_name() -> String {
    let read = |path: &str| {
        let bytes = bounded_file::read(Path::new(path), MAX_FILE_BYTES).ok()?;
        Some(String::from_utf8(bytes).ok()?.trim().to_owned())
    };
    let name = read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname"));
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".into())
}

#[cfg(test)]
mod tests;
