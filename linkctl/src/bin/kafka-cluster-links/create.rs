//! `kafka-cluster-links --create`

use linkctl::filters::FilterKind;
use linkctl::link_configs::ConfigSources;
use linkctl::opts::Options;
use linkctl::rest::CreateLinkRequest;
use linkctl::tool::{self, ToolError};
use linkctl::{output, texts};

const OWN: &[&str] = &[
    "link",
    "config",
    "config-file",
    "cluster-id",
    "consumer-group-filters-json-file",
    "topic-filters-json-file",
    "acl-filters-json-file",
    "consumer-group-filters-json",
    "topic-filters-json",
    "acl-filters-json",
    "validate-only",
    "exclude-validate-link",
    "allow-cleartext",
];

pub(crate) fn run(options: &Options) -> Result<(), ToolError> {
    tool::only_with(options, "create", OWN)?;
    let link = options.require("link")?;
    let gathered = sources(options).gather()?;
    gathered.notes.iter().for_each(|note| output::note(note));
    if gathered.get("bootstrap.servers").is_none_or(str::is_empty)
        && gathered.get("connection.mode") != Some("INBOUND")
    {
        let hint =
            "bootstrap.servers of the source cluster is missing: give it with --config or --config-file";
        return Err(ToolError::Failed(hint.to_owned()));
    }
    let request = CreateLinkRequest {
        source_cluster_id: options.get("cluster-id").map(str::to_owned),
        configs: gathered.configs,
        ..CreateLinkRequest::default()
    };
    let (validate_only, validate_link) =
        (options.has("validate-only"), !options.has("exclude-validate-link"));
    let names = request.configs.iter().map(|entry| entry.name.as_str());
    tool::address(options)?
        .may_send(names, options.has("allow-cleartext"))
        .map_err(|err| ToolError::Failed(err.to_string()))?;
    tool::connect(options)?.create_link(link, &request, validate_only, validate_link)?;
    let done = if validate_only { texts::link_validated(link) } else { texts::link_created(link) };
    Ok(output::print(&done)?)
}

fn sources(options: &Options) -> ConfigSources<'_> {
    let with = |suffix: &str| {
        [("consumer-group", FilterKind::Groups), ("topic", FilterKind::Topics), ("acl", FilterKind::Acls)]
            .into_iter()
            .filter_map(|(word, kind)| {
                options.get(&format!("{word}-filters-{suffix}")).map(|given| (kind, given))
            })
            .collect()
    };
    ConfigSources {
        inline: options.all("config").iter().map(String::as_str).collect(),
        file: options.get("config-file"),
        filter_files: with("json-file"),
        filter_texts: with("json"),
    }
}
