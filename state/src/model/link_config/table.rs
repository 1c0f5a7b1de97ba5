//! The table of link configs: what may be set, to what, and what it means. One row, one config.

use super::kind::Kind;
use super::security::{LOCAL_SECURITY, SECURITY};
use super::start_offset::START_OFFSET_SPEC;

/// One link config.
#[derive(Debug, Clone, Copy)]
pub struct ConfigDef {
    /// Kafka's name.
    pub name: &'static str,
    /// Which values it takes.
    pub kind: Kind,
    /// Value when it is not set; `None` for no value.
    pub default: Option<&'static str>,
    /// May be altered after the link was created.
    pub dynamic: bool,
    /// Its value is a secret: sealed at rest, never shown.
    pub sensitive: bool,
    /// What it means.
    pub doc: &'static str,
}

/// A dynamic config that is no secret.
pub(super) const fn def(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    doc: &'static str,
) -> ConfigDef {
    ConfigDef { name, kind, default, dynamic: true, sensitive: false, doc }
}

/// One that stays as the link was created with.
const fn fixed(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    doc: &'static str,
) -> ConfigDef {
    ConfigDef { dynamic: false, ..def(name, kind, default, doc) }
}

const LINK: &[ConfigDef] = &[
    def(
        "bootstrap.servers",
        Kind::HostPorts,
        None,
        "Brokers of the source cluster to begin with, host:port,…",
    ),
    fixed(
        "link.mode",
        Kind::OnlyOne {
            only: "DESTINATION",
            valid: &["DESTINATION", "SOURCE", "BIDIRECTIONAL"],
            why: "this version makes destination-initiated links only",
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
        "Who opens the connections.",
    ),
    fixed(
        "cluster.link.prefix",
        Kind::Prefix,
        None,
        "Put before the names of mirror topics; at most 12 characters.",
    ),
    def(
        "consumer.group.prefix.enable",
        Kind::Boolean,
        Some("false"),
        "Put the prefix before synced groups, too.",
    ),
    def("cluster.link.paused", Kind::Boolean, Some("false"), "Holds everything the link does."),
    def(
        "cluster.link.retry.timeout.ms",
        Kind::Int(-1),
        Some("-1"),
        "How long the source may answer for a partition with an error (not authorised, for example; not that its leader moves or is away) before the mirror topic is FAILED, for good, in milliseconds; -1 for ever: the cause is shown as the reason, and mirroring goes on when it is gone.",
    ),
    def(
        "availability.check.ms",
        Kind::Int(1),
        Some("60000"),
        "Period of the probe of the source, in milliseconds, at least 1000. A probe waits no longer than this, or request.timeout.ms, for an answer.",
    ),
    def(
        "availability.check.consecutive.failure.threshold",
        Kind::Int(1),
        Some("5"),
        "Probes that fail in a row before the link is UNAVAILABLE.",
    ),
    def(
        "acl.sync.enable",
        Kind::OnlyOne { only: "false", valid: &["true", "false"], why: "this version does not copy ACLs" },
        Some("false"),
        "Copies ACLs from the source.",
    ),
    def("acl.sync.ms", Kind::Int(1000), Some("5000"), "Period of the ACL sync, in milliseconds."),
    def("acl.filters", Kind::AclFilters, Some(""), "Which ACLs, as JSON."),
    def(
        "auto.create.mirror.topics.enable",
        Kind::OnlyOne {
            only: "false",
            valid: &["true", "false"],
            why: "this version creates mirror topics only when asked for each",
        },
        Some("false"),
        "Creates mirror topics for matching source topics.",
    ),
    def("auto.create.mirror.topics.filters", Kind::TopicFilters, Some(""), "Which source topics, as JSON."),
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
        "Period of the offset sync, in milliseconds.",
    ),
    def("consumer.offset.group.filters", Kind::GroupFilters, Some(""), "Which consumer groups, as JSON."),
    def(
        "topic.config.sync.ms",
        Kind::Int(1000),
        Some("5000"),
        "Period of the topic config sync, in milliseconds.",
    ),
    def(
        "topic.config.sync.include",
        Kind::TopicConfigs,
        None,
        "Topic configs that follow the source; must contain those that are always synced. All syncable ones when unset.",
    ),
    def(
        START_OFFSET_SPEC,
        Kind::StartOffset,
        Some("earliest"),
        "Where mirror topics that are created later begin: earliest, latest, or an instant such as 2026-01-01T00:00:00Z.",
    ),
    def(
        "metadata.max.age.ms",
        Kind::Long(0),
        Some("3000"),
        "Age at which source metadata is refreshed, in milliseconds: so soon is noticed that a topic has more partitions. A leader that moved is noticed by the fetch that fails.",
    ),
    def(
        "retry.backoff.ms",
        Kind::Long(0),
        Some("100"),
        "Pause before a failed request to the source is repeated, in milliseconds; doubles with every failure, up to 1000 or this if it is longer.",
    ),
    def(
        "request.timeout.ms",
        Kind::Int(1),
        Some("30000"),
        "How long to wait for a response of the source, in milliseconds; also given to the destination with every append.",
    ),
    def(
        "default.api.timeout.ms",
        Kind::Int(1),
        Some("60000"),
        "How long an operation at the source may take that needs several requests or attempts, in milliseconds; at least request.timeout.ms.",
    ),
    def(
        "connections.max.idle.ms",
        Kind::Long(-1),
        Some("600000"),
        "Connections to the source on which nothing was asked are closed after this, in milliseconds, but not before 1000; -1 for never.",
    ),
    def(
        "socket.connection.setup.timeout.ms",
        Kind::Long(1),
        Some("10000"),
        "How long to wait for a connection to a broker of the source, in milliseconds.",
    ),
    def(
        "socket.connection.setup.timeout.max.ms",
        Kind::Long(1),
        Some("30000"),
        "With each failure in a row the same doubles, up to this, in milliseconds.",
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
        Kind::OnlyOne { only: "1", valid: &[], why: "this version has one fetcher for each source broker" },
        Some("1"),
        "Fetchers for each source broker.",
    ),
    def(
        "link.fetcher.flow.control",
        Kind::OnlyOne {
            only: "0",
            valid: &[],
            why: "this version slows down by bounded windows and not by the state of the local ISR",
        },
        Some("0"),
        "Throttling of the fetchers by the local ISR.",
    ),
    def(
        "replica.fetch.backoff.ms",
        Kind::Int(0),
        Some("1000"),
        "Pause of a partition for which the source answered with an error, in milliseconds; 100 at most where its leader moves.",
    ),
    def(
        "replica.fetch.max.bytes",
        Kind::Int(1),
        Some("5242880"),
        "Bytes of one partition in a fetch response.",
    ),
    def("replica.fetch.min.bytes", Kind::Int(0), Some("1"), "Bytes that a fetch waits for."),
    def(
        "replica.fetch.response.max.bytes",
        Kind::Int(1),
        Some("10485760"),
        "Bytes of a whole fetch response.",
    ),
    def(
        "replica.fetch.wait.max.ms",
        Kind::Int(0),
        Some("500"),
        "How long a fetch waits for records, in milliseconds; less than request.timeout.ms and replica.socket.timeout.ms.",
    ),
    def(
        "replica.socket.receive.buffer.bytes",
        Kind::Int(-1),
        Some("-1"),
        "Receive buffer of connections to the source; -1 or 0 for the system's own, which grows with the load.",
    ),
    def(
        "replica.socket.timeout.ms",
        Kind::Int(1),
        Some("30000"),
        "How long to wait for a fetch response, in milliseconds, where request.timeout.ms is not shorter.",
    ),
    def(
        "local.listener.name",
        Kind::Text,
        None,
        "Local listener for connections back; not used by outbound links.",
    ),
];

const GROUPS: [&[ConfigDef]; 3] = [LINK, SECURITY, LOCAL_SECURITY];

/// All link configs.
pub fn all() -> impl Iterator<Item = &'static ConfigDef> {
    GROUPS.into_iter().flatten()
}

/// The config of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static ConfigDef> {
    all().find(|def| def.name == name)
}

/// Whether values of this config are secrets. A name that is not known might be one.
#[must_use]
pub fn is_sensitive(name: &str) -> bool {
    find(name).is_none_or(|def| def.sensitive)
}

/// The known name that looks most like this one, when one does at all.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    let scored = all().map(|def| (strsim::jaro_winkler(name, def.name), def.name));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}
