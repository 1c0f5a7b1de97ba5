//! The report: one line for each client, one column for each step, and a list of the unexpected outcomes.

use std::collections::BTreeMap;

use super::client::Client;
use super::judge::{Outcome, STEPS};
use super::run::Said;

/// A client and the outcomes of its steps; `None` if it is not installed.
pub type Row = (Client, Option<(Said, BTreeMap<&'static str, Outcome>)>);

/// Returns the table as Markdown.
#[must_use]
pub fn markdown(rows: &[Row]) -> String {
    let mut text = format!(
        "| client | version | {} | took |\n|---|---|{}---|\n",
        STEPS.join(" | "),
        "---|".repeat(STEPS.len())
    );
    for (client, ran) in rows {
        let Some((said, outcomes)) = ran else {
            text.push_str(&format!("| {} | not installed |{} |\n", client.client, " |".repeat(STEPS.len())));
            continue;
        };
        let cells: Vec<String> = STEPS.iter().map(|step| cell(outcomes.get(step))).collect();
        let (version, took) = (&said.version, said.took.as_secs_f64());
        text.push_str(&format!("| {} | {version} | {} | {took:.1} s |\n", client.client, cells.join(" | ")));
    }
    text
}

fn cell(outcome: Option<&Outcome>) -> String {
    match outcome {
        Some(Outcome::Right(remark)) if remark.is_empty() => "ok".to_owned(),
        Some(Outcome::Right(remark)) => format!("ok: {remark}"),
        Some(Outcome::NotAvailable) | None => "n.a.".to_owned(),
        Some(Outcome::Wrong(_)) => "WRONG".to_owned(),
    }
}

/// Returns one sentence for each unexpected outcome. An optional client may be missing, unless
/// `LINKGATE_ALL_CLIENTS` is set.
#[must_use]
pub fn wrongs(rows: &[Row]) -> Vec<String> {
    let mut all = Vec::new();
    for (client, ran) in rows {
        match ran {
            None if client.optional && std::env::var_os("LINKGATE_ALL_CLIENTS").is_none() => {}
            None => all.push(format!("{} is not installed: tests/setup/interop.sh", client.client)),
            Some((said, outcomes)) => {
                let wrong = outcomes.iter().filter_map(|(step, outcome)| match outcome {
                    Outcome::Wrong(what) => Some(format!("{} {step}: {what}", client.client)),
                    _ => None,
                });
                let before = all.len();
                all.extend(wrong);
                if all.len() > before && !said.errors.is_empty() {
                    all.push(format!("{} wrote:\n{}", client.client, said.errors));
                }
            }
        }
    }
    all
}
