//! Configuration of the daemon: a `.properties` file with Kafka's names, read once, checked with all errors reported.
//!
//! | name | default | meaning |
//! |---|---|---|
//! | `bootstrap.servers` | required | brokers of the destination cluster |
//! | `listeners` | `PLAINTEXT://0.0.0.0:19092` | bootstrap port of clients; destination broker n is at this port + 1 + n |
//! | `advertised.listeners` | as `listeners`, with this machine's host name for all addresses | what clients are told |
//! | `admin.listeners` | `http://127.0.0.1:8090` | REST API, health and metrics |
//! | `state.dir` | `/var/lib/linkgate` where that exists, else `./linkgate-state` | the journal |
//! | `state.create` | true | make a journal where that directory is missing or empty; else that is an error |
//! | `journal.retention.ms` | 7776000000 (90 days) | how long records of the journal are kept; -1 for ever |
//! | `journal.retention.bytes` | 67108864 | when all records take more, the oldest go |
//! | `journal.backup.dir` | `backups` below `state.dir` | where `linkctl journal backup` puts copies |
//! | `admin.allowed.hosts` | none | names by which the REST API may be called, beside addresses, `localhost`, this machine's name and the hosts of the listeners |
//! | `metrics.listeners` | none | health and metrics alone |
//! | `allow.anonymous.clients` | `false` | clients without a certificate may act with the certificate that Linkgate shows the brokers |
//! | `max.connections` | 10000 | client connections at a time |
//! | `max.connections.per.ip` | 2147483647 | the same from one address |
//! | `max.connections.per.ip.overrides` | none | exceptions from that: `address:count,…` |
//! | `socket.request.max.bytes` | 104857600 | largest request of a client |
//! | `first.request.timeout.ms` | 30000 | from connecting to the first request |
//! | `request.arrival.timeout.ms` | 60000 | how long a client is waited for while a request arrives; a second more for each 16 KiB |
//! | `connections.max.idle.ms` | 600000 | without a byte either way and with no response due |
//! | `connections.max.age.ms` | 0 | how long a connection may last, give or take a tenth; 0 for as long as it likes |
//! | `connections.max.stall.ms` | 300000 | with a response due of which the client takes nothing |
//! | `queued.max.request.bytes` | 268435456 | requests that are held whole, all clients together |
//! | `queued.max.response.bytes` | 268435456 | responses that are held, whole or a piece of them, all clients together |
//! | `socket.connection.setup.timeout.ms` | 10000 | time for a TLS handshake with a client |
//! | `shutdown.timeout.ms` | 10000 | how long a stop may take |
//! | `log.format` | `text` | or `json` |
//! | `log.level` | `info` | filter of log messages, as `RUST_LOG` |
//! | `listener.security.protocol.map` | each protocol by its own name | which protocol a listener's name stands for |
//! | `listener.name.NAME.ssl.…` | as Kafka's | keys and certificates towards clients |
//! | `security.protocol`, `ssl.…`, `sasl.…` | as Kafka's | towards the brokers of the destination |

mod admin;
mod allowed_hosts;
mod journal;
mod keys;
mod limits;
mod listener;
mod security;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use linkctl::properties;
use state::model::HostPort;
use state::store::StoreOptions;

pub use self::admin::AdminListeners;
pub use self::allowed_hosts::AllowedHosts;
pub use self::limits::Limits;
pub use self::listener::{Listener, ParseListenerError};
use self::security::Secured;
use crate::client::Security;
use crate::mirror::clearance::Accepted;
use crate::net::tls::TlsServer;
use crate::obs::LogFormat;

/// Bootstrap port of clients when none is given: far from Kafka's own 9092, so that a gateway can share a broker's
/// machine.
pub const DEFAULT_PORT: u16 = 19092;
/// Port of the admin API when none is given: where Confluent Server has it.
pub const DEFAULT_ADMIN_PORT: u16 = 8090;

/// What the daemon needs to know, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Brokers of the destination; never empty.
    pub bootstrap_servers: Vec<HostPort>,
    /// Where clients connect first.
    pub listener: Listener,
    /// What clients are told instead.
    pub advertised: Listener,
    /// TLS of the listeners for clients; plain ones when absent.
    pub listener_tls: Option<TlsServer>,
    /// How connections to the brokers are secured.
    pub security: Security,
    /// Where the journal is, and how it is kept.
    pub journal: StoreOptions,
    /// Where the admin API listens; never nowhere.
    pub admin: AdminListeners,
    /// How much may be used of what.
    pub limits: Limits,
    /// How long a stop may take.
    pub shutdown_timeout: Duration,
    /// How log messages look.
    pub log_format: LogFormat,
    /// Which log messages there are; `None` for the default.
    pub log_level: Option<String>,
    /// What the operator accepts at this start; from the command line only.
    pub accepted: Accepted,
    /// What is allowed and may not be meant, one sentence each: for the log.
    pub warnings: Vec<String>,
}

/// Everything that is wrong with a configuration, one sentence a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Reads a file. `overrides` (from the command line) replace what stands in it.
    ///
    /// # Errors
    /// The file cannot be read, or everything that is wrong with it, each with `file:line`.
    pub fn load(file: Option<&Path>, overrides: &[(&str, String)]) -> Result<Config, ConfigError> {
        let (name, text) = match file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| ConfigError(vec![format!("{}: {error}", path.display())]))?;
                (path.display().to_string(), text)
            }
            None => ("command line".to_owned(), String::new()),
        };
        Config::parse(&name, &text, overrides, &host_name())
    }

    /// Checks the text of a file called `name`, on a machine called `host`.
    fn parse(
        name: &str,
        text: &str,
        overrides: &[(&str, String)],
        host: &str,
    ) -> Result<Config, ConfigError> {
        let mistakes = |errors: Vec<properties::Malformed>| {
            ConfigError(
                errors.iter().map(|error| format!("{name}:{}: {}", error.line, error.reason)).collect(),
            )
        };
        let entries = properties::parse(text).map_err(mistakes)?;
        // Unlike Java: which of two values is meant is for the operator to say.
        let repeated: Vec<_> = properties::repeated(&entries)
            .map(|(key, before, line)| {
                let reason = format!("'{key}' is given a second time (first on line {before})");
                properties::Malformed { line, reason }
            })
            .collect();
        if !repeated.is_empty() {
            return Err(mistakes(repeated));
        }
        let mut reader = Reader {
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

/// The configuration while it is checked.
struct Reader {
    /// Value of each name, and where it stands.
    values: BTreeMap<String, (String, String)>,
    errors: Vec<String>,
    warnings: Vec<String>,
    file: String,
}

impl Reader {
    fn config(mut self, host: &str) -> Result<Config, ConfigError> {
        let bootstrap_servers = self.bootstrap_servers();
        let listener = self.listener("listeners").unwrap_or(Listener::plaintext("0.0.0.0", DEFAULT_PORT));
        self.refuse_unknown(&listener);
        let Secured { listener_tls, security } = self.secured(&listener);
        let advertised = self.advertised(&listener, host);
        let admin = self.admin(host, &listener, &advertised);
        let limits = self.limits();
        let shutdown_timeout = Duration::from_millis(self.number("shutdown.timeout.ms", 10_000, 0) as u64);
        let log_format = self.parsed("log.format").unwrap_or_default();
        let log_level = self.text("log.level").map(|(_, value)| value);
        let journal = self.journal();
        if !self.errors.is_empty() {
            return Err(ConfigError(self.errors));
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

    /// The one listener of a name, where one is given.
    fn listener(&mut self, key: &str) -> Option<Listener> {
        let (place, value) = self.text(key)?;
        if value.contains(',') {
            self.errors.push(format!("{place}: {key}: this version has one listener for clients"));
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

    fn number(&mut self, key: &str, default: usize, least: usize) -> usize {
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

    /// Place and trimmed value; an empty value counts as none.
    fn text(&self, key: &str) -> Option<(String, String)> {
        let (place, value) = self.values.get(key)?;
        let value = value.trim();
        (!value.is_empty()).then(|| (place.clone(), value.to_owned()))
    }
}

fn host_name() -> String {
    let read = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let name = read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname"));
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".into())
}

#[cfg(test)]
mod tests;
