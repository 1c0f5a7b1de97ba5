//! `linkctl mirror create`

use std::collections::BTreeMap;

use crate::api::Api;
use crate::exit::Failure;
use crate::forecast;
use crate::link_configs::ConfigSources;
use crate::output::{self, Format};
use crate::rest::{ConfigEntry, CreateMirrorRequest, MirrorData};
use crate::wait::{self, Progress};
use state::model::link_config::{START_OFFSET_SPEC, StartOffset, StartOffsetError};

use crate::commands::options::{Global, Wait};
use crate::commands::show;

/// `linkctl mirror create`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  linkctl mirror create users orders --link dr --wait
  linkctl mirror create users --link dr --start-offset latest
  linkctl mirror create users --link dr --start-offset 2026-01-01T00:00:00Z --dry-run

Offsets are those of the source whichever start is chosen. Below the start, the new topic is filled and then trimmed;
--dry-run tells how long that takes.")]
pub(crate) struct Args {
    /// Topics to create on the destination
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Link to mirror through
    #[arg(long)]
    link: String,
    /// Topic on the source, if it has another name (links with a prefix)
    #[arg(long, value_name = "TOPIC")]
    source_topic: Option<String>,
    /// Replication factor [default: the destination's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
    replication_factor: Option<i16>,
    /// Topic configs of the mirror topics themselves
    #[arg(long, value_name = "K=V,K=V")]
    config: Vec<String>,
    /// Start of the mirror: earliest, latest, or a time such as 2026-01-01T00:00:00Z [default: the link's
    /// setting]
    #[arg(long, value_name = "START", value_parser = start_offset)]
    start_offset: Option<String>,
    /// Create nothing; show where each partition would begin, what has to be filled, and how long that takes
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    #[command(flatten)]
    wait: Wait,
}

/// Returns the text unchanged if it is a valid start offset.
fn start_offset(text: &str) -> Result<String, StartOffsetError> {
    text.parse::<StartOffset>().map(|_| text.to_owned())
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if args.source_topic.is_some() && args.topics.len() > 1 {
        return Err(Failure::Usage("--source-topic goes with one topic only".to_owned()));
    }
    let sources = ConfigSources {
        inline: args.config.iter().map(String::as_str).collect(),
        ..ConfigSources::default()
    };
    let mut configs = sources.gather().map_err(|err| Failure::Usage(err.to_string()))?.configs;
    configs.extend(
        args.start_offset
            .iter()
            .map(|start| ConfigEntry { name: START_OFFSET_SPEC.to_owned(), value: Some(start.clone()) }),
    );
    let api = global.connect()?;
    if args.dry_run {
        return forecast(global, args, &api, &configs);
    }
    let mut created = Vec::new();
    for topic in &args.topics {
        match api.create_mirror(&args.link, &request(args, topic, &configs)) {
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
    all_of(args, created.len(), "created")
}

fn request(args: &Args, topic: &str, configs: &[ConfigEntry]) -> CreateMirrorRequest {
    CreateMirrorRequest {
        source_topic_name: args.source_topic.as_deref().unwrap_or(topic).to_owned(),
        mirror_topic_name: Some(topic.to_owned()),
        replication_factor: args.replication_factor,
        configs: configs.to_vec(),
    }
}

fn all_of(args: &Args, done: usize, what: &str) -> Result<(), Failure> {
    match args.topics.len() - done {
        0 => Ok(()),
        failed => Err(Failure::Failed(format!("{failed} of {} mirror topics not {what}", args.topics.len()))),
    }
}

/// Runs `--dry-run`.
fn forecast(global: &Global, args: &Args, api: &Api, configs: &[ConfigEntry]) -> Result<(), Failure> {
    let mut forecasts = Vec::new();
    for topic in &args.topics {
        match api.forecast_mirror(&args.link, &request(args, topic, configs)) {
            Ok(forecast) => forecasts.push(forecast),
            Err(err) => output::note(&format!("{topic}: {err}")),
        }
    }
    let rows = || forecast::rows(&forecasts);
    let text = match global.output {
        Format::Table if forecasts.is_empty() => String::new(),
        Format::Table => {
            let sentences: Vec<String> = forecasts.iter().map(forecast::sentence).collect();
            format!("{}\n\n{}", rows().table(), sentences.join("\n"))
        }
        format => show::render(format, &forecasts, "", rows)?,
    };
    output::print(&text)?;
    all_of(args, forecasts.len(), "valid")
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
