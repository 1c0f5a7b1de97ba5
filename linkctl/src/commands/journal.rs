//! `linkctl journal`

use crate::exit::Failure;
use crate::output::{self, Format};
use crate::rest::{JournalChange, JournalField, JournalRecordData};
use crate::table::Rows;
use crate::{layout, watch};
use clap::Subcommand;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use state::model::link_config::StartOffset;

use crate::commands::options::{Global, Watch};
use crate::commands::show;

const ABOUT: &str = "\
Read the journal: who changed which link or mirror topic, when and why

Every change of a link or mirror topic is a record, whether an operator asked for it or Linkgate itself noticed something. \
Records are shown the oldest first. Values of passwords and keys are never shown, only that they changed.";

const AFTER: &str = "\
Columns:
  RECORD  sequence number; records are numbered without gaps
  WHO     an operator, or a part of Linkgate
  WHAT    the changed link or mirror topic, and the kind of change
  FIELDS  each changed field: before -> after

Old records are trimmed: journal.retention.ms and journal.retention.bytes of the daemon.

Examples:
  linkctl journal --since 2h
  linkctl journal --since 2026-11-30T03:00:00Z --limit 1000
  linkctl journal --output json | jq -r '.[] | select(.who == \"engine\") | .why'
  linkctl journal backup before-upgrade";

/// `linkctl journal`
#[derive(Debug, clap::Args)]
#[command(
    about = "Read the journal: who changed which link or mirror topic, when and why",
    long_about = ABOUT,
    after_help = AFTER,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Only records of the last 30s, 15m, 2h or 7d, or since a time such as 2026-11-30T03:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<i64>,
    /// Maximum number of records; the latest are shown
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    watch: Watch,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a consistent copy of the journal and its key, on the daemon's machine, while the daemon runs
    ///
    /// The copy is a state directory. To restore it, stop Linkgate and set state.dir to a copy of this
    /// directory. The backup is below the daemon's journal.backup.dir (default: backups/ in its state
    /// directory). It contains secret.key, so anyone who can read the backup can read the passwords of the
    /// links.
    Backup {
        /// Name of the backup's directory [default: the current time]
        name: Option<String>,
    },
}

pub(crate) fn run(global: &Global, args: Args) -> Result<(), Failure> {
    if let Some(Verb::Backup { name }) = args.verb {
        return back_up(global, name.as_deref());
    }
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    watch::show(args.watch.interval(), || {
        let mut records = global.connect()?.journal(args.since, limit)?;
        records.reverse();
        show::render(global.output, &records, "No records.", || rows(&records))
    })
}

fn back_up(global: &Global, name: Option<&str>) -> Result<(), Failure> {
    let made = global.connect()?.back_up_journal(name)?;
    let text = match global.output {
        Format::Json => {
            serde_json::to_string_pretty(&made).map_err(|error| Failure::Failed(error.to_string()))?
        }
        Format::Plain => format!("{}\t{}", made.path, made.sequence),
        Format::Table => format!(
            "The journal up to record {} is in {} on Linkgate's machine, with its secret.key.",
            made.sequence, made.path
        ),
    };
    Ok(output::print(&text)?)
}

/// Returns one row for each link or mirror topic that a record changed.
fn rows(records: &[JournalRecordData]) -> Rows {
    let mut rows = Rows::new(&["RECORD", "TIME", "WHO", "WHY", "WHAT", "FIELDS"]);
    for record in records {
        let mut push = |what: String, fields: String| {
            rows.push([
                record.sequence.to_string(),
                layout::state_time(record.at_ms, &TimeZone::system()),
                record.who.clone(),
                record.why.clone(),
                what,
                fields,
            ]);
        };
        for change in &record.changes {
            push(what(change), fields(&change.fields));
        }
        if record.omitted > 0 {
            push(format!("and {} more", record.omitted), String::new());
        }
        if record.changes.is_empty() {
            // Records of older versions do not tell the changes.
            push("-".to_owned(), String::new());
        }
    }
    rows
}

fn what(change: &JournalChange) -> String {
    let (subject, effect) = (change.subject.to_ascii_lowercase(), change.effect.to_ascii_lowercase());
    format!("{subject} {} {effect}", change.name)
}

fn fields(fields: &[JournalField]) -> String {
    let each = fields.iter().map(|field| match (&field.before, &field.after) {
        (None, Some(after)) => format!("{}: {after}", field.field),
        (before, after) => {
            let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
            format!("{}: {} -> {}", field.field, text(before), text(after))
        }
    });
    each.collect::<Vec<_>>().join(", ")
}

/// Parses a time into milliseconds since the epoch.
fn since(text: &str) -> Result<i64, String> {
    since_at(text, Timestamp::now().as_millisecond())
}

fn since_at(text: &str, now_ms: i64) -> Result<i64, String> {
    let expected = || "expected 30s, 15m, 2h or 7d, or an instant such as 2026-11-30T03:00:00Z".to_owned();
    let unit = match text.chars().last() {
        Some('s') => 1_000,
        Some('m') => 60_000,
        Some('h') => 3_600_000,
        Some('d') => 86_400_000,
        _ => {
            return match text.parse::<StartOffset>() {
                Ok(StartOffset::Timestamp(ms)) => Ok(ms),
                _ => Err(expected()),
            };
        }
    };
    let count: i64 = text[..text.len() - 1].parse().map_err(|_| expected())?;
    let span = count.checked_mul(unit).filter(|span| *span >= 0).ok_or_else(expected)?;
    Ok(now_ms.saturating_sub(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_accepts_a_duration_or_an_instant() {
        let now = 1_796_065_533_000;
        assert_eq!(since_at("30s", now), Ok(now - 30_000));
        assert_eq!(since_at("2h", now), Ok(now - 7_200_000));
        assert_eq!(since_at("7d", now), Ok(now - 604_800_000));
        assert_eq!(since_at("2026-11-30T19:05:33Z", now), Ok(now));
        assert_eq!(since_at("1796065533000", now), Ok(now));
        for wrong in ["", "h", "-1h", "1.5h", "2", "latest", "9999999999999999d", "ä", "2026-11-30"] {
            assert!(since_at(wrong, now).is_err(), "{wrong}");
        }
    }
}
