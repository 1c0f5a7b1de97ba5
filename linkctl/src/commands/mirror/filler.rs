//! `linkctl mirror filler`

use std::collections::BTreeMap;

use crate::api::Api;
use crate::client::ClientError;
use crate::exit::Failure;
use crate::output::{self, Format};
use crate::rest::FillerData;
use crate::table::Rows;
use crate::wait::{self, Progress};

use crate::commands::options::{Global, Wait};
use crate::commands::show;

const ABOUT: &str = "\
Count the filler that topics still hold, and tell whether their clients need the gateway

Filler occupies offsets that held no record on the source: transaction markers, aborted records, offsets below the start \
of the mirror. The gateway hides it. After a topic was promoted or failed over and no longer holds filler, consumers \
may read it from the brokers directly.";

/// `linkctl mirror filler`
#[derive(Debug, clap::Args)]
#[command(
    about = "Count the filler that topics still hold, and tell whether their clients need the gateway",
    long_about = ABOUT,
    after_help = "Examples:\n  linkctl mirror filler users --wait\n  linkctl mirror filler users --last --output json"
)]
pub(crate) struct Args {
    /// Topics that are or were mirrors
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Show the latest count and its progress, without starting a new one
    #[arg(long)]
    last: bool,
    #[command(flatten)]
    wait: Wait,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let api = global.connect()?;
    let mut found = Vec::new();
    for topic in &args.topics {
        let asked = if args.last { api.filler(topic) } else { api.scan_filler(topic) };
        match asked {
            Ok(filler) => found.push(filler),
            Err(err) => output::note(&format!("{topic}: {err}")),
        }
    }
    let refused = args.topics.len() - found.len();
    if let Some(timeout) = args.wait.timeout().filter(|_| !found.is_empty()) {
        let topics: Vec<String> = found.iter().map(|filler| filler.mirror_topic_name.clone()).collect();
        let waited = wait::until_done(timeout, || progress(&api, &topics));
        found = topics.iter().map(|topic| api.filler(topic)).collect::<Result<_, _>>()?;
        print(global, &found)?;
        waited?;
    } else {
        print(global, &found)?;
    }
    if found.iter().any(|filler| filler.state == "RUNNING") {
        output::note("the count continues; --last shows its progress");
    }
    let failed = refused + found.iter().filter(|filler| filler.state == "FAILED").count();
    match failed {
        0 => Ok(()),
        failed => Err(Failure::Failed(format!("{failed} of {} topics not counted", args.topics.len()))),
    }
}

fn progress(api: &Api, topics: &[String]) -> Result<BTreeMap<String, Progress>, ClientError> {
    let mut all = BTreeMap::new();
    for topic in topics {
        let filler = api.filler(topic)?;
        let at = match filler.state.as_str() {
            // Rounds down to tens, so that a long count does not print every percent.
            "RUNNING" => Progress::Pending(format!("RUNNING, {} %", filler.percent / 10 * 10)),
            "FAILED" => Progress::Failed(format!("FAILED ({})", filler.error)),
            state => Progress::Done(state.to_owned()),
        };
        let _ = all.insert(topic.clone(), at);
    }
    Ok(all)
}

fn print(global: &Global, found: &[FillerData]) -> Result<(), Failure> {
    let text = match global.output {
        Format::Table => {
            let lines: Vec<String> = found.iter().map(sentence).collect();
            let rows = partitions(found);
            let table = if rows.is_empty() { String::new() } else { format!("{}\n\n", rows.table()) };
            format!("{table}{}", lines.join("\n"))
        }
        format => show::render(format, found, "", || partitions(found))?,
    };
    Ok(output::print(&text)?)
}

fn sentence(filler: &FillerData) -> String {
    let topic = &filler.mirror_topic_name;
    let needed = match filler.gateway_needed {
        Some(true) => "gateway needed",
        Some(false) => "gateway not needed",
        None => "not known whether the gateway is needed",
    };
    let progress = match filler.state.as_str() {
        "RUNNING" => format!(" ({} % read)", filler.percent),
        _ => String::new(),
    };
    format!("{topic}: {needed}{progress}: {}", filler.explanation)
}

fn partitions(found: &[FillerData]) -> Rows {
    let heading =
        ["TOPIC", "PARTITION", "LOG START", "READ TO", "READ UNTIL", "FILLER", "BATCHES", "LAST FILLER"];
    let mut rows = Rows::new(&heading);
    for filler in found {
        for partition in &filler.partitions {
            rows.push([
                filler.mirror_topic_name.clone(),
                partition.partition.to_string(),
                partition.log_start_offset.to_string(),
                partition.scanned_to_offset.to_string(),
                partition.scan_end_offset.to_string(),
                partition.filler_offsets.to_string(),
                partition.filler_batches.to_string(),
                partition.last_filler_offset.map_or("-".to_owned(), |offset| offset.to_string()),
            ]);
        }
    }
    rows
}
