//! `kafka-mirrors --create`

use linkctl::link_configs::ConfigSources;
use linkctl::opts::{Options, UsageError};
use linkctl::rest::CreateMirrorRequest;
use linkctl::tool::{self, ToolError};
use linkctl::{forecast, output, texts};

const OWN: &[&str] = &[
    "mirror-topic",
    "source-topic",
    "link",
    "replication-factor",
    "config",
    "config-file",
    "validate-only",
    "dry-run",
];

pub(crate) fn run(options: &Options) -> Result<(), ToolError> {
    tool::only_with(options, "create", OWN)?;
    let topic = options.require("mirror-topic")?;
    let link = options.require("link")?;
    let sources = ConfigSources {
        inline: options.all("config").iter().map(String::as_str).collect(),
        file: options.get("config-file"),
        ..ConfigSources::default()
    };
    let gathered = sources.gather()?;
    gathered.notes.iter().for_each(|note| output::note(note));
    let request = CreateMirrorRequest {
        source_topic_name: options.get("source-topic").unwrap_or(topic).to_owned(),
        mirror_topic_name: Some(topic.to_owned()),
        replication_factor: options.get("replication-factor").map(replication_factor).transpose()?,
        configs: gathered.configs,
    };
    let api = tool::connect(options)?;
    if options.has("validate-only") || options.has("dry-run") {
        let forecast = api.forecast_mirror(link, &request)?;
        let table = forecast::rows(std::slice::from_ref(&forecast)).table();
        return Ok(output::print(&format!("{table}\n{}", forecast::sentence(&forecast)))?);
    }
    api.create_mirror(link, &request)?;
    Ok(output::print(&texts::mirror_created(topic))?)
}

fn replication_factor(text: &str) -> Result<i16, UsageError> {
    match text.parse::<i16>() {
        Ok(factor) if factor > 0 => Ok(factor),
        _ => {
            Err(UsageError(format!("Option replication-factor needs a number from 1 to 32767, not '{text}'")))
        }
    }
}
