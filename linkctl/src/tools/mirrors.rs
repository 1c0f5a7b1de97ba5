//! The command line of `kafka-mirrors`.

use crate::opts::{OptionSpec, flag, repeated, valued};
use crate::texts;
use crate::tool::{Tool, common};

static OPTIONS: &[OptionSpec] = &[
    common::BOOTSTRAP_SERVER,
    common::REST_URL,
    common::COMMAND_CONFIG,
    flag("create", "Create a mirror topic."),
    flag("list", "List the names of mirror topics."),
    flag("describe", "Describe mirror topics and their partitions."),
    flag("pause", "Pause mirroring."),
    flag("resume", "Resume mirroring."),
    flag("unpause", "The same as --resume."),
    flag("promote", "Stop mirroring once everything is copied, and open the topics for writes."),
    flag("failover", "Stop mirroring now, and open the topics for writes. The source may be gone."),
    flag("reverse-and-start", "Not supported by this version."),
    flag("reverse-and-pause", "Not supported by this version."),
    flag("truncate-and-restore", "Not supported by this version."),
    flag("include-partition-data", "Not supported by this version."),
    valued("mirror-topic", "topic", "With --create: name of the new topic."),
    valued(
        "source-topic",
        "topic",
        "With --create: name on the source. The same as --mirror-topic if not given.",
    ),
    valued("link", "name", "The cluster link. Without --topics, actions take all its mirror topics."),
    valued("links", "a,b", "Several cluster links."),
    valued("topics", "a,b", "Mirror topics to list, describe or act on."),
    valued(
        "replication-factor",
        "n",
        "With --create: replication factor; the destination's default if not given.",
    ),
    repeated(
        "config",
        "k=v,k=v",
        "With --create: topic configs of the mirror topic itself, and mirror.start.offset.spec, its start: \
         earliest (everything the source still has), latest (only what is written from now on) or an \
         instant such as 2026-01-01T00:00:00Z. If not given, the link's value is used.",
    ),
    valued("config-file", "file", "With --create: properties file with such configs."),
    flag("pending-stopped-only", "With --describe and --list: only topics that are being stopped."),
    flag("include-stopped", "With --describe and --list: topics that have stopped, too."),
    flag(
        "validate-only",
        "With an action: only check that it would be accepted. With --create: show where each partition would begin \
         and what has to be filled below, and create nothing.",
    ),
    flag("dry-run", "With --create: the same as --validate-only."),
    common::HELP,
    common::VERSION,
];

/// `kafka-mirrors`.
pub static MIRRORS: Tool = Tool {
    name: "kafka-mirrors",
    purpose: "This tool creates, lists, describes and alters mirror topics.",
    error_prefix: texts::MIRROR_ERROR_PREFIX,
    options: OPTIONS,
};
