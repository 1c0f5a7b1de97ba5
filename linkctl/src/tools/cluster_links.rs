//! The command line of `kafka-cluster-links`.

use crate::opts::{OptionSpec, flag, repeated, valued};
use crate::texts;
use crate::tool::{Tool, common};

static OPTIONS: &[OptionSpec] = &[
    common::BOOTSTRAP_SERVER,
    common::REST_URL,
    common::COMMAND_CONFIG,
    flag("create", "Create a cluster link."),
    flag("list", "List cluster links, one per line."),
    flag("describe", "Describe cluster links with the configs set on them."),
    flag("delete", "Delete a cluster link."),
    valued("link", "name", "Name of the cluster link. Required with --create and --delete."),
    repeated(
        "config",
        "k=v,k=v",
        "Configs of the new link. Write a value that contains commas as k=[a,b]; JSON values stay whole.",
    ),
    valued("config-file", "file", "Properties file with configs of the new link; - reads them from stdin."),
    flag(
        "allow-cleartext",
        "Send secrets to a REST API on another machine, though http does not encrypt them.",
    ),
    valued("cluster-id", "id", "Expected cluster id of the source: creation fails if it has another one."),
    valued("consumer-group-filters-json-file", "file", "JSON file for consumer.offset.group.filters."),
    valued("topic-filters-json-file", "file", "JSON file for auto.create.mirror.topics.filters."),
    valued("acl-filters-json-file", "file", "JSON file for acl.filters."),
    valued("consumer-group-filters-json", "json", "JSON for consumer.offset.group.filters."),
    valued("topic-filters-json", "json", "JSON for auto.create.mirror.topics.filters."),
    valued("acl-filters-json", "json", "JSON for acl.filters."),
    flag("validate-only", "With --create: only check that the link could be created."),
    flag("exclude-validate-link", "With --create: do not check the connection to the source."),
    flag("include-topics", "With --list and --describe: show the mirror topics of each link."),
    flag("force", "With --delete: delete the link even if it still has mirror topics."),
    common::HELP,
    common::VERSION,
];

/// `kafka-cluster-links`.
pub static CLUSTER_LINKS: Tool = Tool {
    name: "kafka-cluster-links",
    purpose: "This tool creates, lists, describes and deletes cluster links.",
    error_prefix: texts::LINK_ERROR_PREFIX,
    options: OPTIONS,
};
