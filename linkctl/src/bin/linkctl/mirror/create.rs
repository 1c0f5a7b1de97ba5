//! `linkctl mirror create`

use std::collections::BTreeMap;

use linkctl::exit::Failure;
use linkctl::link_configs::ConfigSources;
use linkctl::output::{self, Format};
use linkctl::rest::{CreateMirrorRequest, MirrorData};
use linkctl::wait::{self, Progress};

use crate::options::{Global, Wait};
use crate::show;

/// `linkctl mirror create`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  linkctl mirror create users orders --link dr --wait")]
pub(crate) struct Args {
    /// Topics of the destination to create
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// The link to mirror through
    #[arg(long)]
    link: String,
    /// Topic of the source, where it has another name (links with a prefix)
    #[arg(long, value_name = "TOPIC")]
    source_topic: Option<String>,
    /// Replication factor [default: that of the destination]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
    replication_factor: Option<i16>,
    /// Topic configs that are the mirror topics' own
    #[arg(long, value_name = "K=V,K=V")]
    config: Vec<String>,
    #[command(flatten)]
    wait: Wait,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if args.source_topic.is_some() && args.topics.len() > 1 {
        return Err(Failure::Usage("--source-topic goes with one topic only".to_owned()));
    }
    let sources = ConfigSources {
        inline: args.config.iter().map(String::as_str).collect(),
        ..ConfigSources::default()
    };
    let configs = sources.gather().map_err(|err| Failure::Usage(err.to_string()))?.configs;
    let api = global.connect()?;
    let mut created = Vec::new();
    for topic in &args.topics {
        let request = CreateMirrorRequest {
            source_topic_name: args.source_topic.as_ref().unwrap_or(topic).clone(),
            mirror_topic_name: Some(topic.clone()),
            replication_factor: args.replication_factor,
            configs: configs.clone(),
        };
        match api.create_mirror(&args.link, &request) {
            Ok(()) => {
                output::note(&format!("{topic}: created"));
                created.push(topic.clone());
            }
            Err(err) => output::note(&format!("{topic}: {err}")),
        }
    }
    if let Some(timeout) = args.wait.timeout().filter(|_| !created.is_empty()) {
        wait::until_done(timeout, || {
            let mirrors = api.mirrors(Some(&args.link))?;
            Ok(created
                .iter()
                .map(|topic| (topic.clone(), progress(&mirrors, topic)))
                .collect::<BTreeMap<_, _>>())
        })?;
    }
    if global.output == Format::Json {
        let mut mirrors = api.mirrors(Some(&args.link))?;
        mirrors.retain(|mirror| created.contains(&mirror.mirror_topic_name));
        output::print(&show::render(Format::Json, &mirrors, "", || show::mirrors(&mirrors))?)?;
    }
    match args.topics.len() - created.len() {
        0 => Ok(()),
        failed => {
            Err(Failure::Failed(format!("{failed} of {} mirror topics not created", args.topics.len())))
        }
    }
}

fn progress(mirrors: &[MirrorData], topic: &str) -> Progress {
    let Some(mirror) = mirrors.iter().find(|mirror| mirror.mirror_topic_name == topic) else {
        return Progress::Pending("not listed yet".to_owned());
    };
    let state = mirror.mirror_status.clone();
    match state.as_str() {
        "PENDING_MIRROR" => Progress::Pending(state),
        "FAILED" | "LINK_FAILED" => Progress::Failed(format!("{state} ({})", show::reason(mirror))),
        _ => Progress::Done(state),
    }
}
