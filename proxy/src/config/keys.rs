//! The names that the daemon's configuration knows.

/// What the daemon itself reads.
pub(super) const OWN: [&str; 18] = [
    "bootstrap.servers",
    "listeners",
    "advertised.listeners",
    "admin.listeners",
    "state.dir",
    "max.connections",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
    "socket.request.max.bytes",
    "first.request.timeout.ms",
    "request.arrival.timeout.ms",
    "connections.max.idle.ms",
    "connections.max.stall.ms",
    "queued.max.request.bytes",
    "queued.max.response.bytes",
    "shutdown.timeout.ms",
    "log.format",
    "log.level",
];

/// Kafka's client security configs: accepted under their names, with nothing but PLAINTEXT to choose for now.
pub(super) const SECURITY: [&str; 20] = [
    "security.protocol",
    "sasl.mechanism",
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.kerberos.service.name",
    "sasl.oauthbearer.token.endpoint.url",
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

/// The known name that looks most like this one, when one does at all.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    if name == "max.request.bytes" {
        // Its name before it got Kafka's.
        return Some("socket.request.max.bytes");
    }
    let scored = OWN.iter().chain(&SECURITY).map(|known| (strsim::jaro_winkler(name, known), *known));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}
