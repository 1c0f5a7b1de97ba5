//! `linkctl link create`

use std::collections::BTreeMap;

use crate::api::Api;
use crate::exit::Failure;
use crate::filters::FilterKind;
use crate::link_configs::ConfigSources;
use crate::output::{self, Format};
use crate::rest::CreateLinkRequest;
use crate::wait::{self, Progress};

use crate::commands::options::{Cleartext, Global, Wait};
use crate::commands::show;

/// `linkctl link create`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  linkctl link create dr --config bootstrap.servers=source:9092 --wait")]
pub(crate) struct Args {
    /// Name of the new link
    name: String,
    /// Configs of the link. Write a value that contains commas as k=[a,b]; JSON values need no brackets
    #[arg(long, value_name = "K=V,K=V")]
    config: Vec<String>,
    /// Properties file with configs; - reads stdin
    #[arg(long, value_name = "FILE")]
    config_file: Option<String>,
    /// Expected cluster id of the source; creation fails if the source has another id
    #[arg(long, value_name = "ID")]
    cluster_id: Option<String>,
    /// JSON file for consumer.offset.group.filters
    #[arg(long, value_name = "FILE")]
    consumer_group_filters_json_file: Option<String>,
    /// JSON file for auto.create.mirror.topics.filters
    #[arg(long, value_name = "FILE")]
    topic_filters_json_file: Option<String>,
    /// JSON file for acl.filters
    #[arg(long, value_name = "FILE")]
    acl_filters_json_file: Option<String>,
    /// Only check that the link could be created
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// Do not check the connection to the source
    #[arg(long)]
    no_validate: bool,
    #[command(flatten)]
    cleartext: Cleartext,
    #[command(flatten)]
    wait: Wait,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let request = request(args)?;
    let names = request.configs.iter().map(|entry| entry.name.as_str());
    let api = global.connect_with(names, &args.cleartext)?;
    api.create_link(&args.name, &request, args.dry_run, !args.no_validate)?;
    if args.dry_run {
        output::note(&format!("link '{}' can be created", args.name));
        return Ok(());
    }
    output::note(&format!("link '{}' created", args.name));
    if let Some(timeout) = args.wait.timeout() {
        wait::until_done(timeout, || progress(&api, &args.name))?;
    }
    if global.output == Format::Json {
        let link = api.link(&args.name, false)?;
        output::print(&show::render(Format::Json, &link, "", crate::table::Rows::default)?)?;
    }
    Ok(())
}

fn request(args: &Args) -> Result<CreateLinkRequest, Failure> {
    let files = [
        (FilterKind::Groups, &args.consumer_group_filters_json_file),
        (FilterKind::Topics, &args.topic_filters_json_file),
        (FilterKind::Acls, &args.acl_filters_json_file),
    ];
    let sources = ConfigSources {
        inline: args.config.iter().map(String::as_str).collect(),
        file: args.config_file.as_deref(),
        filter_files: files
            .iter()
            .filter_map(|(kind, file)| file.as_deref().map(|file| (*kind, file)))
            .collect(),
        filter_texts: Vec::new(),
    };
    let gathered = sources.gather().map_err(|err| Failure::Usage(err.to_string()))?;
    gathered.notes.iter().for_each(|note| output::note(note));
    if gathered.get("bootstrap.servers").is_none_or(str::is_empty) {
        let text =
            "bootstrap.servers of the source cluster is missing: give it with --config or --config-file";
        return Err(Failure::Usage(text.to_owned()));
    }
    Ok(CreateLinkRequest {
        source_cluster_id: args.cluster_id.clone(),
        configs: gathered.configs,
        ..CreateLinkRequest::default()
    })
}

fn progress(api: &Api, name: &str) -> Result<BTreeMap<String, Progress>, crate::client::ClientError> {
    let link = api.link(name, false)?;
    let state = match (link.link_state.as_str(), show::link_error(&link)) {
        (state, error) if error == "-" => state.to_owned(),
        (state, error) => format!("{state} ({error})"),
    };
    let progress = match link.link_state.as_str() {
        "ACTIVE" => Progress::Done(state),
        "FAILED" => Progress::Failed(state),
        _ => Progress::Pending(state),
    };
    Ok(BTreeMap::from([(name.to_owned(), progress)]))
}
