//! Table of link configs: their names, values and meaning. One row per config.

use super::definition::{ConfigDef, def, fixed};
use super::kind::Kind;
use super::security::{LOCAL_SECURITY, SECURITY};
use super::start_offset::START_OFFSET_SPEC;

const LINK: &[ConfigDef] = &[
    def(
        "bootstrap.servers",
        Kind::HostPorts,
        None,
        "Brokers of the source cluster for the first contact, host:port,…",
    ),
    fixed(
        "link.mode",
        Kind::OnlyOne {
            only: "DESTINATION",
            valid: &["DESTINATION", "SOURCE", "BIDIRECTIONAL"],
            why: "this version supports destination-initiated links only",
        },
        Some("DESTINATION"),
        "Role of the local cluster.",
    ),
    fixed(
        "connection.mode",
        Kind::OnlyOne {
            only: "OUTBOUND",
            valid: &["OUTBOUND", "INBOUND"],
            why: "this version always connects to the source itself",
        },
        Some("OUTBOUND"),
        "Side that opens the connections.",
    ),
    fixed(
        "cluster.link.prefix",
        Kind::Prefix,
        None,
        "Prefix of the names of mirror topics; at most 12 characters.",
    ),
    def(
        "consumer.group.prefix.enable",
        Kind::Boolean,
        Some("false"),
        "Adds the prefix to the names of synced groups, too.",
    ),
    def("cluster.link.paused", Kind::Boolean, Some("false"), "Pauses everything that the link does."),
    def(
        "cluster.link.retry.timeout.ms",
        Kind::Int(-1),
        Some("-1"),
        "Time for which the source may answer a partition with an error (for example not authorised; a moving leader does not count) before the mirror topic is FAILED for good, in milliseconds; -1 for no limit: the cause is shown, and mirroring resumes when it is gone.",
    ),
    def(
        "availability.check.ms",
        Kind::Int(1),
        Some("60000"),
        "Interval between probes of the source, in milliseconds, at least 1000. A probe waits for an answer for at most this time, and at most request.timeout.ms.",
    ),
    def(
        "availability.check.consecutive.failure.threshold",
        Kind::Int(1),
        Some("5"),
        "Number of failed probes in a row after which the link is UNAVAILABLE.",
    ),
    def(
        "acl.sync.enable",
        Kind::OnlyOne { only: "false", valid: &["true", "false"], why: "this version does not copy ACLs" },
        Some("false"),
        "Copies ACLs from the source.",
    ),
    def("acl.sync.ms", Kind::Int(1000), Some("5000"), "Interval of the ACL sync, in milliseconds."),
    def("acl.filters", Kind::AclFilters, Some(""), "ACLs to copy: filters in JSON."),
    def(
        "auto.create.mirror.topics.enable",
        Kind::OnlyOne {
            only: "false",
            valid: &["true", "false"],
            why: "this version creates mirror topics only on request",
        },
        Some("false"),
        "Creates mirror topics for matching source topics.",
    ),
    def(
        "auto.create.mirror.topics.filters",
        Kind::TopicFilters,
        Some(""),
        "Source topics to mirror: filters in JSON.",
    ),
    def(
        "consumer.offset.sync.enable",
        Kind::Boolean,
        Some("false"),
        "Copies committed offsets of consumer groups.",
    ),
    def(
        "consumer.offset.sync.ms",
        Kind::Int(1000),
        Some("30000"),
        "Interval of the offset sync, in milliseconds.",
    ),
    def(
        "consumer.offset.group.filters",
        Kind::GroupFilters,
        Some(""),
        "Consumer groups to sync: filters in JSON.",
    ),
    def(
        "topic.config.sync.ms",
        Kind::Int(1000),
        Some("5000"),
        "Interval of the topic config sync, in milliseconds.",
    ),
    def(
        "topic.config.sync.include",
        Kind::TopicConfigs,
        None,
        "Topic configs that follow the source; must contain those that are always synced. If unset, all that can be synced.",
    ),
    def(
        START_OFFSET_SPEC,
        Kind::StartOffset,
        Some("earliest"),
        "Start of mirror topics that are created later: earliest, latest, or an instant such as 2026-01-01T00:00:00Z.",
    ),
    def(
        "metadata.max.age.ms",
        Kind::Long(0),
        Some("3000"),
        "Maximum age of source metadata, in milliseconds. New partitions are noticed within this time; a moved leader is noticed by the fetch that fails.",
    ),
    def(
        "retry.backoff.ms",
        Kind::Long(0),
        Some("100"),
        "Pause before a failed request to the source is repeated, in milliseconds; doubles with each failure, up to 1000 or this value, whichever is larger.",
    ),
    def(
        "request.timeout.ms",
        Kind::Int(1),
        Some("30000"),
        "Maximum time for a response of the source, in milliseconds; also sent to the destination with each append.",
    ),
    def(
        "default.api.timeout.ms",
        Kind::Int(1),
        Some("60000"),
        "Maximum time for an operation on the source that needs several requests or attempts, in milliseconds; at least request.timeout.ms.",
    ),
    def(
        "connections.max.idle.ms",
        Kind::Long(-1),
        Some("600000"),
        "Time after which a connection to the source without requests is closed, in milliseconds, at least 1000; -1 for never.",
    ),
    def(
        "socket.connection.setup.timeout.ms",
        Kind::Long(1),
        Some("10000"),
        "Maximum time to connect to a broker of the source, in milliseconds.",
    ),
    def(
        "socket.connection.setup.timeout.max.ms",
        Kind::Long(1),
        Some("30000"),
        "Maximum of socket.connection.setup.timeout.ms, which doubles with each failure in a row, in milliseconds.",
    ),
    def(
        "client.dns.lookup",
        Kind::OnlyOne {
            only: "use_all_dns_ips",
            valid: &["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"],
            why: "this version tries all addresses of a name",
        },
        Some("use_all_dns_ips"),
        "How host names are resolved.",
    ),
    def(
        "num.cluster.link.fetchers",
        Kind::IntBetween(1, 128),
        Some("16"),
        "Maximum number of connections to each source broker over which a backlog is fetched, if the source is far away; 1 fetches one answer after the other.",
    ),
    def(
        "link.fetcher.flow.control",
        Kind::OnlyOne {
            only: "0",
            valid: &[],
            why: "this version limits the window of each partition instead of watching the local ISR",
        },
        Some("0"),
        "Throttling of the fetchers by the local ISR.",
    ),
    def(
        "replica.fetch.backoff.ms",
        Kind::Int(0),
        Some("1000"),
        "Pause of a partition after the source answered with an error, in milliseconds; at most 100 while its leader moves.",
    ),
    def(
        "replica.fetch.max.bytes",
        Kind::Int(1),
        Some("5242880"),
        "Maximum bytes of one partition in a fetch response.",
    ),
    def("replica.fetch.min.bytes", Kind::Int(0), Some("1"), "Minimum bytes that a fetch waits for."),
    def(
        "replica.fetch.response.max.bytes",
        Kind::Int(1),
        Some("10485760"),
        "Maximum bytes of a whole fetch response.",
    ),
    def(
        "replica.fetch.wait.max.ms",
        Kind::Int(0),
        Some("500"),
        "Maximum time that a fetch waits for records, in milliseconds; less than request.timeout.ms and replica.socket.timeout.ms.",
    ),
    def(
        "replica.socket.receive.buffer.bytes",
        Kind::Int(-1),
        Some("-1"),
        "Receive buffer of connections to the source, in bytes; -1 or 0 for the system's default, which grows with the load.",
    ),
    def(
        "replica.socket.timeout.ms",
        Kind::Int(1),
        Some("30000"),
        "Maximum time for a fetch response, in milliseconds; request.timeout.ms applies if it is shorter.",
    ),
    def(
        "local.listener.name",
        Kind::Text,
        None,
        "Local listener for connections back; not used by outbound links.",
    ),
];

const GROUPS: [&[ConfigDef]; 3] = [LINK, SECURITY, LOCAL_SECURITY];

/// Returns all link configs.
pub fn all() -> impl Iterator<Item = &'static ConfigDef> {
    GROUPS.into_iter().flatten()
}

/// Returns the config of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static ConfigDef> {
    all().find(|def| def.name == name)
}

/// Returns true if values of this config are secrets. An unknown config counts as secret.
#[must_use]
pub fn is_sensitive(name: &str) -> bool {
    find(name).is_none_or(|def| def.sensitive)
}

/// Returns the known name that is most similar, if any is similar enough.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    most_similar(name, all().map(|def| def.name))
}

/// Returns the one of `known` that is most similar to `name`, if any is similar enough to be meant.
pub fn most_similar(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let scored = known.map(|known| (strsim::jaro_winkler(name, known), known));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}
