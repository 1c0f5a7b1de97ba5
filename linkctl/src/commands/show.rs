//! Formats REST bodies as output.

use crate::exit::Failure;
use crate::forecast::duration;
use crate::layout;
use crate::output::Format;
use crate::rest::{LinkData, MirrorData, MirrorPartition, PartitionFilling};
use crate::table::Rows;
use serde::Serialize;

/// Formats `body` in the given format. `empty` replaces a table without rows.
pub(crate) fn render<T: Serialize + ?Sized>(
    format: Format,
    body: &T,
    empty: &str,
    rows: impl FnOnce() -> Rows,
) -> Result<String, Failure> {
    match format {
        Format::Json => serde_json::to_string_pretty(body).map_err(|err| Failure::Failed(err.to_string())),
        Format::Plain => Ok(rows().plain()),
        Format::Table => {
            let rows = rows();
            Ok(if rows.is_empty() { empty.to_owned() } else { rows.table() })
        }
    }
}

/// Returns the table of links.
pub(crate) fn links(links: &[LinkData]) -> Rows {
    let mut rows = Rows::new(&["LINK", "STATE", "SOURCE CLUSTER", "LINK ID", "MIRRORS", "ERROR"]);
    for link in links {
        rows.push([
            link.link_name.clone(),
            link.link_state.clone(),
            link.source_cluster_id.clone().unwrap_or_else(|| "-".to_owned()),
            link.cluster_link_id.clone(),
            link.topic_names.len().to_string(),
            link_error(link),
        ]);
    }
    rows
}

/// Returns the error of a link, or a dash.
pub(crate) fn link_error(link: &LinkData) -> String {
    match (link.link_error.as_str(), link.link_error_message.as_deref().unwrap_or_default()) {
        ("" | "NO_ERROR", _) => "-".to_owned(),
        (error, "") => error.to_owned(),
        (error, message) => format!("{error}: {message}"),
    }
}

/// Returns the table of mirror topics.
pub(crate) fn mirrors(mirrors: &[MirrorData]) -> Rows {
    let heading = ["TOPIC", "LINK", "STATE", "PARTITIONS", "MAX LAG", "SOURCE TOPIC", "REASON"];
    let mut rows = Rows::new(&heading);
    for mirror in mirrors {
        rows.push([
            mirror.mirror_topic_name.clone(),
            mirror.link_name.clone(),
            mirror.mirror_status.clone(),
            mirror.num_partitions.to_string(),
            max_lag(mirror),
            mirror.source_topic_name.clone(),
            reason(mirror),
        ]);
    }
    rows
}

/// Returns the largest lag of a partition, or a dash while none is known.
pub(crate) fn max_lag(mirror: &MirrorData) -> String {
    match mirror.mirror_lags.iter().map(|lag| lag.lag).max() {
        Some(lag) => lag.to_string(),
        None => "-".to_owned(),
    }
}

/// Returns the reason why a mirror topic failed, is held up or is being filled, or a dash.
pub(crate) fn reason(mirror: &MirrorData) -> String {
    let told = mirror.linkgate.as_ref().map_or("", |extension| {
        let held = extension.partitions.iter().find(|partition| !partition.reason.is_empty());
        match (extension.reason.as_str(), held) {
            ("", Some(partition)) => &partition.reason,
            (reason, _) => reason,
        }
    });
    match (told, mirror.mirror_topic_error.as_str()) {
        ("", "" | "NO_ERROR" | "NOT_SET") => most_to_fill(mirror).unwrap_or_else(|| "-".to_owned()),
        ("", error) => error.to_owned(),
        (told, _) => told.to_owned(),
    }
}

/// Returns the progress of the partition that has the most offsets left to fill.
fn most_to_fill(mirror: &MirrorData) -> Option<String> {
    let partitions = mirror.linkgate.iter().flat_map(|extension| &extension.partitions);
    let fillings = partitions.filter_map(|partition| partition.filling.as_ref());
    let filling = fillings.max_by_key(|filling| (filling.to - filling.from).saturating_sub(filling.done))?;
    Some(format!("filling: {}", how_far(filling)))
}

fn how_far(filling: &PartitionFilling) -> String {
    let left = match filling.eta_ms {
        Some(ms) => format!(", about {} left", duration(u64::try_from(ms).unwrap_or(0))),
        None => String::new(),
    };
    format!("{} %{left}", filling.percent)
}

/// Formats the filling of a partition as a line; `None` if nothing is filled.
pub(crate) fn filling(partition: &MirrorPartition) -> Option<String> {
    let filling = partition.filling.as_ref()?;
    Some(format!(
        "partition {} is being filled up to offset {}: {}",
        partition.partition,
        filling.to,
        how_far(filling)
    ))
}

/// Formats the latest log start jump of a partition as a line; `None` if there was none.
pub(crate) fn jump(partition: &MirrorPartition) -> Option<String> {
    let jump = partition.last_jump.as_ref()?;
    let at = layout::state_time(jump.at_ms, &jiff::tz::TimeZone::system());
    let times = match jump.count {
        0 | 1 => String::new(),
        count => format!(", jump {count} of this partition"),
    };
    Some(format!(
        "partition {} jumped from offset {} to {} on {at}{times}; the source had lost these offsets",
        partition.partition, jump.from, jump.to
    ))
}
