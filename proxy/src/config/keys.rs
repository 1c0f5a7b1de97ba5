//! The names that the daemon's configuration knows.

/// What the daemon itself reads.
pub(super) const OWN: [&str; 28] = [
    "bootstrap.servers",
    "listeners",
    "advertised.listeners",
    "listener.security.protocol.map",
    "admin.listeners",
    "admin.allowed.hosts",
    "metrics.listeners",
    "allow.anonymous.clients",
    "state.dir",
    "state.create",
    "journal.retention.ms",
    "journal.retention.bytes",
    "journal.backup.dir",
    "max.connections",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
    "socket.request.max.bytes",
    "first.request.timeout.ms",
    "request.arrival.timeout.ms",
    "connections.max.idle.ms",
    "connections.max.stall.ms",
    "connections.max.age.ms",
    "queued.max.request.bytes",
    "queued.max.response.bytes",
    "socket.connection.setup.timeout.ms",
    "shutdown.timeout.ms",
    "log.format",
    "log.level",
];

/// Kafka's client configs for SASL: towards the brokers.
pub(super) const SASL: [&str; 10] = [
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
pub(super) const TLS: [&str; 14] = [
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

/// A listener's own, beside those of [`TLS`].
pub(super) const CLIENT_AUTH: &str = "ssl.client.auth";

/// Whether a configuration may hold it, given the names of its listeners (in lower case).
pub(super) fn is_known(name: &str, listeners: &[String]) -> bool {
    match listener_key(name) {
        Some((listener, key)) => {
            listeners.iter().any(|known| known == listener) && (TLS.contains(&key) || key == CLIENT_AUTH)
        }
        None => OWN.contains(&name) || SASL.contains(&name) || TLS.contains(&name),
    }
}

/// Listener and key of `listener.name.LISTENER.KEY`, as Kafka's `ListenerName.configPrefix` makes it.
pub(super) fn listener_key(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("listener.name.")?.split_once('.')
}

/// The known name that looks most like this one, when one does at all.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    if name == "max.request.bytes" {
        // Its name before it got Kafka's.
        return Some("socket.request.max.bytes");
    }
    let scored = OWN.iter().chain(&SASL).chain(&TLS).map(|known| (strsim::jaro_winkler(name, known), *known));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}
