//! Common part of pause, resume, promote and failover: selects the topics, sends one request per link, prints
//! one line per topic.
//!
//! If the request for one link fails, the others are still sent: in an emergency, a failover does as much as
//! it can.

use linkctl::api::{Action, Api};
use linkctl::chosen::{self, Chosen};
use linkctl::opts::{Options, UsageError};
use linkctl::rest::AlterMirrorsEntry;
use linkctl::select::Picked;
use linkctl::tool::{self, ToolError};
use linkctl::{output, texts};

const OWN: &[&str] = &["link", "links", "topics", "validate-only"];

/// Runs `action`. `word` is the option that the operator used for it.
pub(crate) fn run(options: &Options, action: Action, word: &str) -> Result<(), ToolError> {
    tool::only_with(options, word, OWN)?;
    let (links, topics) = (crate::links(options)?, options.names("topics")?);
    if links.is_empty() && topics.is_empty() {
        let text = format!("Option \"[{word}]\" needs --topics or --link to say which mirror topics");
        return Err(UsageError(text).into());
    }
    let api = tool::connect(options)?;
    let Chosen { picked, failed } = chosen::choose(&api, &links, &topics)?;
    for (_, error) in &failed {
        output::note(&format!("{}{}", texts::MIRROR_ERROR_PREFIX, texts::server_message(error)));
    }
    let names: Vec<&str> = picked.topics().collect();
    if names.is_empty() && picked.unknown.is_empty() {
        output::print(texts::NO_MIRRORS)?;
        return if failed.is_empty() { Ok(()) } else { Err(ToolError::Told) };
    }
    if action == Action::Promote && !names.is_empty() {
        output::print(&texts::calculating_lag(&names))?;
        output::print(&texts::calculated_lag(&names))?;
    }
    let all_accepted = send(&api, action, &picked, options.has("validate-only"))?;
    if all_accepted && failed.is_empty() { Ok(()) } else { Err(ToolError::Told) }
}

/// Sends the requests and prints the result per topic. Returns true if all were accepted.
fn send(api: &Api, action: Action, picked: &Picked, validate_only: bool) -> Result<bool, ToolError> {
    let mut all_accepted = true;
    for (link, topics) in &picked.by_link {
        match api.alter_mirrors(link, action, topics, validate_only) {
            Ok(entries) => {
                for topic in topics {
                    let entry = entries.iter().find(|entry| &entry.mirror_topic_name == topic);
                    all_accepted &= tell(action, topic, entry, validate_only)?;
                }
            }
            Err(err) => {
                all_accepted = false;
                output::note(&format!("{}{}", texts::MIRROR_ERROR_PREFIX, texts::server_message(&err)));
            }
        }
    }
    for topic in &picked.unknown {
        all_accepted = false;
        output::note(&texts::refused(action, topic, 404, &texts::not_a_mirror(topic)));
    }
    Ok(all_accepted)
}

fn tell(
    action: Action,
    topic: &str,
    entry: Option<&AlterMirrorsEntry>,
    validate_only: bool,
) -> Result<bool, ToolError> {
    let refusal = match entry {
        None => Some((500, "the server did not answer for this topic")),
        Some(entry) => entry
            .error_code
            .map(|code| (code, entry.error_message.as_deref().unwrap_or("the server gave no reason"))),
    };
    match refusal {
        Some((code, message)) => output::note(&texts::refused(action, topic, code, message)),
        None if validate_only => output::print(&texts::validated(action, topic))?,
        None => output::print(&texts::scheduled(action, topic))?,
    }
    Ok(refusal.is_none())
}
