//! The table of the daemon's configs: names, defaults, meaning. One row, one config.
//!
//! docs/configuration.md has the same rows; a test compares them. A row whose config nobody reads shows up as an unused
//! field of [`crate::config::Config`].

use state::model::link_config;

/// One config of the daemon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConfigDef {
    pub(crate) name: &'static str,
    pub(crate) default: Default,
    /// Meaning, in Markdown.
    pub(crate) doc: &'static str,
}

/// The value of a config that is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Default {
    /// There is none: the config must be set.
    Required,
    /// Not set means that there is none.
    None,
    Value(&'static str),
    Number(usize),
    /// A default that depends on the machine or on other configs, described in Markdown.
    Derived(&'static str),
}

const fn def(name: &'static str, default: Default, doc: &'static str) -> ConfigDef {
    ConfigDef { name, default, doc }
}

/// The configs that only Linkgate has, or has with Kafka's broker names.
pub(crate) const OWN: [ConfigDef; 28] = [
    def("bootstrap.servers", Default::Required, "Brokers of the destination cluster, `host:port,…`."),
    def(
        "listeners",
        Default::Value("PLAINTEXT://0.0.0.0:19092"),
        "Bootstrap port of clients. Broker *n* of the destination is at this port + 1 + *n*.",
    ),
    def(
        "advertised.listeners",
        Default::Derived("as `listeners`, with the name of this machine in place of a wildcard address"),
        "Address that clients are told.",
    ),
    def(
        "listener.security.protocol.map",
        Default::Derived("each protocol by its own name"),
        "Security protocol of each listener name, `NAME:PROTOCOL,…`.",
    ),
    def(
        "admin.listeners",
        Default::Value("http://127.0.0.1:8090"),
        "Addresses of the REST API, health and metrics, separated by commas. The API has no accounts: keep it on loopback.",
    ),
    def(
        "admin.allowed.hosts",
        Default::None,
        "Host names by which the REST API may be called, separated by commas. IP addresses, `localhost`, the name of this \
         machine and the hosts of the listeners are always allowed: [security](security.md#the-admin-port).",
    ),
    def(
        "metrics.listeners",
        Default::None,
        "Addresses that serve health and metrics only, for probes and scrapers on other machines.",
    ),
    def(
        "allow.anonymous.clients",
        Default::Value("false"),
        "Lets clients without a certificate act with the certificate that Linkgate shows the brokers: \
         [security](security.md#who-is-who).",
    ),
    def(
        "state.dir",
        Default::Derived("`/var/lib/linkgate` if it exists, usable or not; else `./linkgate-state`"),
        "Directory of the journal: [the state directory](operations.md#the-state-directory).",
    ),
    def(
        "state.create",
        Default::Value("true"),
        "Creates a journal if `state.dir` is missing or empty. Set it to `false` after the first start: then a volume that is \
         not mounted is an error.",
    ),
    def(
        "journal.retention.ms",
        Default::Number(7_776_000_000),
        "Age at which records of the journal are deleted (default: 90 days); -1 keeps them forever.",
    ),
    def(
        "journal.retention.bytes",
        Default::Number(67_108_864),
        "Size of all journal records above which the oldest are deleted; at least 1048576.",
    ),
    def(
        "journal.backup.dir",
        Default::Derived("`backups` below `state.dir`"),
        "Directory for the copies that `linkctl journal backup` makes.",
    ),
    def(
        "max.connections",
        Default::Number(10_000),
        "Maximum number of client connections. When it is reached, a new connection replaces a quiet one: \
         [limits](operations.md#limits).",
    ),
    def(
        "max.connections.per.ip",
        Default::Number(i32::MAX as usize),
        "Maximum number of client connections from one address.",
    ),
    def(
        "max.connections.per.ip.overrides",
        Default::None,
        "Exceptions from `max.connections.per.ip`, `address:count,…`. Addresses only, no host names.",
    ),
    def(
        "socket.request.max.bytes",
        Default::Number(100 << 20),
        "Maximum size of a request. A larger one closes the connection, as it does on a broker.",
    ),
    def(
        "first.request.timeout.ms",
        Default::Number(30_000),
        "Time that a new connection has to send its first request.",
    ),
    def(
        "request.arrival.timeout.ms",
        Default::Number(60_000),
        "Time that a client has to send one request, plus one second for each 16 KiB that arrived.",
    ),
    def(
        "connections.max.idle.ms",
        Default::Number(600_000),
        "Time after which a connection without traffic and without a response due is closed.",
    ),
    def(
        "connections.max.stall.ms",
        Default::Number(300_000),
        "Time after which a connection is closed if its client, or its broker, reads none of what is due to it. A slow reader \
         that keeps reading is never closed.",
    ),
    def(
        "connections.max.age.ms",
        Default::Number(0),
        "Maximum age of a client connection, give or take a tenth. Then it takes no more requests; requests in flight have \
         half of `shutdown.timeout.ms` to finish. 0 means no maximum.",
    ),
    def(
        "queued.max.request.bytes",
        Default::Number(256 << 20),
        "Memory for requests that must be held whole, for all clients together.",
    ),
    def(
        "queued.max.response.bytes",
        Default::Number(256 << 20),
        "Memory for responses, for all clients together: those that must be held whole, and 512 KiB of each large one that is \
         streamed.",
    ),
    def(
        "socket.connection.setup.timeout.ms",
        Default::Number(10_000),
        "Time that a client has for its TLS handshake.",
    ),
    def("shutdown.timeout.ms", Default::Number(10_000), "Maximum duration of a shutdown."),
    def("log.format", Default::Value("text"), "Format of log messages: `text` or `json`."),
    def(
        "log.level",
        Default::Value("info"),
        "Filter of log messages, in the syntax of `RUST_LOG`. `RUST_LOG` and `--log` override it.",
    ),
];

/// Kafka's client configs for SASL: towards the brokers.
pub(crate) const SASL: [&str; 10] = [
    "security.protocol",
    "sasl.mechanism",
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.kerberos.service.name",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.oauthbearer.client.credentials.client.id",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.header.urlencode",
];

/// Kafka's configs for TLS: towards the brokers, and with the prefix of a listener towards clients.
pub(crate) const TLS: [&str; 14] = [
    "ssl.protocol",
    "ssl.enabled.protocols",
    "ssl.cipher.suites",
    "ssl.endpoint.identification.algorithm",
    "ssl.truststore.type",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.certificates",
    "ssl.keystore.type",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.key",
    "ssl.keystore.certificate.chain",
    "ssl.key.password",
];

/// The one TLS config that only a listener has.
pub(crate) const CLIENT_AUTH: &str = "ssl.client.auth";

/// Returns true if a configuration with these listener names (in lower case) may contain the config.
pub(crate) fn is_known(name: &str, listeners: &[String]) -> bool {
    match listener_key(name) {
        Some((listener, key)) => {
            listeners.iter().any(|known| known == listener) && (TLS.contains(&key) || key == CLIENT_AUTH)
        }
        None => find(name).is_some() || SASL.contains(&name) || TLS.contains(&name),
    }
}

/// Returns a configuration file in which every config of [`OWN`] is explained and commented out.
pub(crate) fn example() -> String {
    let entry = |def: &ConfigDef| {
        let (value, note) = match def.default {
            Default::Required => (String::new(), " Required.".to_owned()),
            Default::None => (String::new(), String::new()),
            Default::Value(value) => (value.to_owned(), String::new()),
            Default::Number(number) => (number.to_string(), String::new()),
            Default::Derived(text) => (String::new(), format!(" Default: {}.", text.replace('`', ""))),
        };
        format!("# {}{note}\n#{}={value}\n", plain(def.doc), def.name)
    };
    let entries: Vec<String> = OWN.iter().map(entry).collect();
    let names = |names: &[&str]| names.iter().map(|name| format!("#{name}=\n")).collect::<String>();
    format!(
        "# Configuration of Linkgate. A line that begins with # has no effect; its value is the default.\n\n{}\n\
         # Security of the connections to the destination brokers, as in Kafka clients.\n{}{}",
        entries.join("\n"),
        names(&SASL),
        names(&TLS),
    )
}

/// Removes the Markdown of a text: code marks, emphasis, and links with their targets.
fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, link)) = rest.split_once(": [") {
        let Some((_, after)) = link.split_once(')') else { break };
        text.push_str(before);
        rest = after;
    }
    text.push_str(rest);
    text.replace(['`', '*'], "")
}

/// Returns the row of one of [`OWN`].
pub(crate) fn find(name: &str) -> Option<&'static ConfigDef> {
    OWN.iter().find(|def| def.name == name)
}

/// Splits `listener.name.LISTENER.KEY` into listener and key (`ListenerName.configPrefix` of Kafka).
pub(crate) fn listener_key(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("listener.name.")?.split_once('.')
}

/// Returns the known name that is most similar, if any is similar enough.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    if name == "max.request.bytes" {
        // An earlier version called it so.
        return Some("socket.request.max.bytes");
    }
    link_config::most_similar(name, OWN.iter().map(|def| def.name).chain(SASL).chain(TLS))
}
