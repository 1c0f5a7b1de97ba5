//! `linkctl link describe`

use crate::exit::Failure;
use crate::rest::{LinkConfigData, LinkData};
use crate::table::Rows;
use crate::watch;
use serde_json::json;

use crate::commands::options::{Global, Watch};
use crate::commands::show;

/// `linkctl link describe`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the link
    name: String,
    #[command(flatten)]
    watch: Watch,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    watch::show(args.watch.interval(), || {
        let api = global.connect()?;
        let (link, configs) = (api.link(&args.name, false)?, api.link_configs(&args.name)?);
        let body = json!({"link": link, "configs": configs});
        show::render(global.output, &body, "", || rows(&link, &configs))
    })
}

fn rows(link: &LinkData, configs: &[LinkConfigData]) -> Rows {
    let mut rows = Rows::new(&["FIELD", "VALUE"]);
    let mut push = |name: &str, value: String| rows.push([name.to_owned(), value]);
    push("name", link.link_name.clone());
    push("id", link.cluster_link_id.clone());
    push("state", link.link_state.clone());
    push("error", show::link_error(link));
    push("source cluster", link.source_cluster_id.clone().unwrap_or_else(|| "-".to_owned()));
    if let Some(extension) = &link.linkgate {
        push("destination cluster", extension.local_cluster_id.clone());
        push("source answers", if extension.remote_cluster_available { "yes" } else { "no" }.to_owned());
    }
    push(
        "mirror topics",
        match link.topic_names.join(", ") {
            none if none.is_empty() => "-".to_owned(),
            names => names,
        },
    );
    for config in configs.iter().filter(|config| !config.is_default) {
        let value = if config.is_sensitive { "[hidden]".to_owned() } else { config.value.clone() };
        push(&config.name, value);
    }
    rows
}
