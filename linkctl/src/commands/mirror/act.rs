//! Common part of pause, resume, promote and failover.
//!
//! If the request for one link fails, the others are still sent: in an emergency, a failover does as much as
//! it can.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::{Action, Api, FEW};
use crate::chosen::{self, Chosen};
use crate::exit::Failure;
use crate::output;
use crate::rest::{AlterMetadata, AlterMirrorsEntry, MirrorData};
use crate::select::{Picked, STOPPED};
use crate::table::Rows;
use crate::wait::{self, Progress};

use crate::commands::options::{Confirm, Global};
use crate::commands::show;

/// Options that select the mirror topics of an action.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// Mirror topics
    #[arg(value_name = "TOPIC", required_unless_present = "all", conflicts_with = "all")]
    topics: Vec<String>,
    /// All mirror topics that have not stopped (of --link, if given)
    #[arg(long)]
    all: bool,
    /// Only mirror topics of this link
    #[arg(long)]
    link: Vec<String>,
    /// Only check that the request would be accepted
    #[arg(long)]
    dry_run: bool,
}

/// Runs an action. Asks for confirmation if `confirm` is given, and waits for the end if `timeout` is given.
pub(crate) fn run(
    global: &Global,
    action: Action,
    which: &Which,
    confirm: Option<&Confirm>,
    timeout: Option<Duration>,
) -> Result<(), Failure> {
    let api = global.connect()?;
    let Chosen { picked, failed } = chosen::choose(&api, &which.link, &which.topics)?;
    for (link, error) in &failed {
        output::note(&format!("link '{link}': {error}"));
    }
    let topics: Vec<String> = picked.topics().map(str::to_owned).collect();
    if topics.is_empty() && picked.unknown.is_empty() {
        output::note("no mirror topics, nothing to do");
    }
    if let Some(confirm) = confirm.filter(|_| !which.dry_run && !topics.is_empty()) {
        let verb = if action == Action::Failover { "Fail over" } else { "Promote" };
        let question = format!("{verb} {}? This ends their mirroring for good.", topics.join(", "));
        confirm.ask(&question)?;
    }
    let entries = send(&api, action, &picked, which.dry_run);
    let text = show::render(global.output, &entries, "", || results(&entries, which.dry_run))?;
    output::print(&text)?;
    let accepted: Vec<&str> = entries
        .iter()
        .filter(|entry| entry.error_code.is_none())
        .map(|entry| entry.mirror_topic_name.as_str())
        .collect();
    if let Some(timeout) = timeout.filter(|_| !which.dry_run && !accepted.is_empty()) {
        wait::until_done(timeout, || stopping(&api, action, &accepted))?;
    }
    let links: Vec<String> = failed.into_iter().map(|(link, _)| format!("'{link}'")).collect();
    match entries.len() - accepted.len() {
        0 if links.is_empty() => Ok(()),
        0 => Err(Failure::Failed(format!("nothing was done for {}", links.join(", ")))),
        refused => Err(Failure::Failed(format!("{refused} of {} refused", entries.len()))),
    }
}

/// Sends one request per link. Returns one entry per topic, also for topics whose request failed.
fn send(api: &Api, action: Action, picked: &Picked, dry_run: bool) -> Vec<AlterMirrorsEntry> {
    let mut entries = Vec::new();
    for (link, topics) in &picked.by_link {
        match api.alter_mirrors(link, action, topics, dry_run) {
            Ok(answered) => {
                let silent = topics
                    .iter()
                    .filter(|topic| !answered.iter().any(|entry| &entry.mirror_topic_name == *topic))
                    .map(|topic| refusal(topic, 500, "the server did not answer for this topic"));
                let silent: Vec<_> = silent.collect();
                entries.extend(answered);
                entries.extend(silent);
            }
            Err(err) => {
                let code = err.status().map_or(503, i32::from);
                entries.extend(topics.iter().map(|topic| refusal(topic, code, &err.to_string())));
            }
        }
    }
    entries
        .extend(picked.unknown.iter().map(|topic| refusal(topic, 404, &crate::texts::not_a_mirror(topic))));
    entries
}

fn refusal(topic: &str, code: i32, message: &str) -> AlterMirrorsEntry {
    AlterMirrorsEntry {
        kind: "AlterMirrorsData".to_owned(),
        metadata: AlterMetadata { self_url: String::new(), resource: None },
        mirror_topic_name: topic.to_owned(),
        error_code: Some(code),
        error_message: Some(message.to_owned()),
        mirror_lags: Vec::new(),
        messages_truncated: None,
        partition_level_truncation_data: Vec::new(),
    }
}

fn results(entries: &[AlterMirrorsEntry], dry_run: bool) -> Rows {
    let mut rows = Rows::new(&["TOPIC", "RESULT", "MAX LAG", "ERROR"]);
    for entry in entries {
        let result = match entry.error_code {
            None if dry_run => "valid".to_owned(),
            None => "accepted".to_owned(),
            Some(code) => format!("refused ({code})"),
        };
        let lag = entry.mirror_lags.iter().map(|lag| lag.lag).max();
        rows.push([
            entry.mirror_topic_name.clone(),
            result,
            lag.map_or("-".to_owned(), |lag| lag.to_string()),
            entry.error_message.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    rows
}

fn stopping(
    api: &Api,
    action: Action,
    topics: &[&str],
) -> Result<BTreeMap<String, Progress>, crate::client::ClientError> {
    let mirrors = if topics.len() <= FEW {
        let mut found = Vec::new();
        for topic in topics {
            found.extend(api.mirror(topic)?);
        }
        found
    } else {
        api.mirrors_in_brief(None)?
    };
    Ok(topics
        .iter()
        .map(|topic| {
            let mirror = mirrors.iter().find(|mirror| mirror.mirror_topic_name == *topic);
            let progress = match mirror {
                Some(mirror) => stop_progress(mirror, action),
                None => Progress::Failed("it is no longer a mirror topic".to_owned()),
            };
            ((*topic).to_owned(), progress)
        })
        .collect())
}

fn stop_progress(mirror: &MirrorData, action: Action) -> Progress {
    let state = mirror.mirror_status.clone();
    match (state.as_str(), action) {
        (STOPPED, _) => Progress::Done(state),
        // A failed mirror can still fail over, but not be promoted.
        ("FAILED", Action::Promote) => Progress::Failed(format!("{state} ({})", show::reason(mirror))),
        // Many topics are polled without lags, to keep the answers small.
        _ if mirror.mirror_lags.is_empty() => Progress::Pending(state),
        _ => Progress::Pending(format!("{state}, lag {}", show::max_lag(mirror))),
    }
}
