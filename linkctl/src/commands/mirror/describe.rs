//! `linkctl mirror describe`

use crate::exit::Failure;
use crate::layout;
use crate::output::Format;
use crate::rest::MirrorData;
use crate::table::Rows;
use crate::watch;

use crate::commands::options::{Global, Watch};
use crate::commands::show;

/// `linkctl mirror describe`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Mirror topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    #[command(flatten)]
    watch: Watch,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    watch::show(args.watch.interval(), || {
        let mut mirrors = global.connect()?.mirrors_named(&[], &args.topics)?;
        mirrors.retain(|mirror| args.topics.contains(&mirror.mirror_topic_name));
        let missing = args
            .topics
            .iter()
            .find(|topic| !mirrors.iter().any(|mirror| &mirror.mirror_topic_name == *topic));
        if let Some(topic) = missing {
            return Err(Failure::Failed(crate::texts::not_a_mirror(topic)));
        }
        match global.output {
            Format::Table => Ok(mirrors.iter().map(block).collect::<Vec<_>>().join("\n\n")),
            format => show::render(format, &mirrors, "", || partitions(&mirrors)),
        }
    })
}

fn block(mirror: &MirrorData) -> String {
    let since = layout::state_time(mirror.state_time_ms, &jiff::tz::TimeZone::system());
    let partitions_text = match mirror.num_partitions {
        1 => "1 partition".to_owned(),
        count => format!("{count} partitions"),
    };
    let mut text = format!(
        "{} is {} since {since}: mirror of '{}' on link '{}', {partitions_text}",
        mirror.mirror_topic_name, mirror.mirror_status, mirror.source_topic_name, mirror.link_name
    );
    let reason = show::reason(mirror);
    if reason != "-" {
        text.push_str(&format!("\nreason: {reason}"));
    }
    let rows = partitions(std::slice::from_ref(mirror));
    if !rows.is_empty() {
        text.push_str(&format!("\n\n{}", rows.table()));
    }
    let events: Vec<String> = mirror
        .linkgate
        .iter()
        .flat_map(|extension| &extension.partitions)
        .flat_map(|partition| [show::filling(partition), show::jump(partition)])
        .flatten()
        .collect();
    if !events.is_empty() {
        text.push_str(&format!("\n\n{}", events.join("\n")));
    }
    text
}

fn partitions(mirrors: &[MirrorData]) -> Rows {
    let heading = ["TOPIC", "PARTITION", "STATE", "LOG END", "SOURCE HW", "LAG", "LAST FETCH MS", "REASON"];
    let mut rows = Rows::new(&heading);
    for mirror in mirrors {
        for partition in mirror.linkgate.iter().flat_map(|extension| &extension.partitions) {
            let reason = if partition.reason.is_empty() { "-" } else { &partition.reason };
            rows.push([
                mirror.mirror_topic_name.clone(),
                partition.partition.to_string(),
                partition.state.clone(),
                partition.local_log_end_offset.to_string(),
                partition.last_fetch_source_high_watermark.to_string(),
                partition.lag.to_string(),
                partition.time_since_last_fetch_ms.to_string(),
                reason.to_owned(),
            ]);
        }
    }
    rows
}
