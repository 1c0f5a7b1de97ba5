//! Selects mirror topics by name, link and state. No I/O.

use crate::rest::MirrorData;

/// State of a mirror topic that has become an ordinary topic again.
pub const STOPPED: &str = "STOPPED";

/// Maximum number of topics per request, so that the body stays below the API's limit.
const MAX_TOPICS: usize = 1000;

/// Mirror topics of an action, grouped by link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picked {
    /// Links with their topics, in the order given. A link with more than 1000 topics appears more than once.
    pub by_link: Vec<(String, Vec<String>)>,
    /// Given names that are no mirror topics (of the links considered).
    pub unknown: Vec<String>,
}

impl Picked {
    /// Returns all topics that are mirror topics.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.by_link.iter().flat_map(|(_, topics)| topics).map(String::as_str)
    }

    fn add(&mut self, link: &str, topic: &str) {
        let has_room =
            |(known, topics): &&mut (String, Vec<String>)| known == link && topics.len() < MAX_TOPICS;
        match self.by_link.iter_mut().rev().find(has_room) {
            Some((_, topics)) => topics.push(topic.to_owned()),
            None => self.by_link.push((link.to_owned(), vec![topic.to_owned()])),
        }
    }
}

/// Returns the given topics. Without topics, returns every mirror topic that has not stopped.
///
/// `mirrors` holds the mirror topics of the links considered, so a topic on another link counts as unknown.
#[must_use]
pub fn pick(mirrors: &[MirrorData], topics: &[String]) -> Picked {
    let mut picked = Picked::default();
    if topics.is_empty() {
        for mirror in mirrors.iter().filter(|mirror| mirror.mirror_status != STOPPED) {
            picked.add(&mirror.link_name, &mirror.mirror_topic_name);
        }
        return picked;
    }
    for topic in topics {
        match mirrors.iter().find(|mirror| &mirror.mirror_topic_name == topic) {
            Some(mirror) => picked.add(&mirror.link_name, topic),
            None => picked.unknown.push(topic.clone()),
        }
    }
    picked
}

/// Filter for the mirror topics of a listing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shown<'a> {
    /// Shows only these topics; all topics if empty.
    pub topics: &'a [String],
    /// Shows only topics that are being stopped.
    pub pending_stopped_only: bool,
    /// Shows stopped topics, too. A topic in `topics` is shown even when stopped.
    pub include_stopped: bool,
}

impl Shown<'_> {
    /// Returns true if `mirror` is shown.
    #[must_use]
    pub fn contains(&self, mirror: &MirrorData) -> bool {
        let named = self.topics.contains(&mirror.mirror_topic_name);
        if !self.topics.is_empty() && !named {
            return false;
        }
        if self.pending_stopped_only {
            return is_pending_stopped(mirror);
        }
        named || self.include_stopped || mirror.mirror_status != STOPPED
    }
}

/// Returns true if the topic is being stopped. During a promote with the source gone, the topic is
/// SOURCE_UNAVAILABLE, and only its partitions are PENDING_STOPPED.
fn is_pending_stopped(mirror: &MirrorData) -> bool {
    const PENDING: &str = "PENDING_STOPPED";
    mirror.mirror_status == PENDING
        || mirror
            .linkgate
            .as_ref()
            .is_some_and(|extension| extension.partitions.iter().any(|partition| partition.state == PENDING))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::ResourceMetadata;

    fn mirror(link: &str, topic: &str, status: &str) -> MirrorData {
        MirrorData {
            kind: "KafkaMirrorData".to_owned(),
            metadata: ResourceMetadata { self_url: String::new(), resource_name: None },
            link_name: link.to_owned(),
            mirror_topic_name: topic.to_owned(),
            source_topic_name: topic.to_owned(),
            num_partitions: 1,
            mirror_lags: Vec::new(),
            mirror_status: status.to_owned(),
            mirror_topic_error: "NO_ERROR".to_owned(),
            state_time_ms: 0,
            mirror_state_transition_errors: None,
            linkgate: None,
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn without_names_all_topics_that_have_not_stopped_are_selected() {
        let mirrors = [
            mirror("a", "t1", "ACTIVE"),
            mirror("b", "t2", "FAILED"),
            mirror("a", "t3", "STOPPED"),
            mirror("a", "t4", "PAUSED"),
        ];
        let picked = pick(&mirrors, &[]);
        assert_eq!(picked.by_link, [("a".into(), names(&["t1", "t4"])), ("b".into(), names(&["t2"]))]);
        assert!(picked.unknown.is_empty());
    }

    #[test]
    fn a_request_holds_at_most_1000_topics() {
        let mirrors: Vec<_> = (0..2500).map(|n| mirror("a", &format!("t{n}"), "ACTIVE")).collect();
        let picked = pick(&mirrors, &[]);
        let sizes: Vec<usize> = picked.by_link.iter().map(|(_, topics)| topics.len()).collect();
        assert_eq!(sizes, [1000, 1000, 500]);
        assert_eq!(picked.topics().count(), 2500);
    }

    #[test]
    fn named_topics_are_selected_even_if_stopped_and_unknown_ones_are_reported() {
        let mirrors = [mirror("a", "t1", "ACTIVE"), mirror("a", "t3", "STOPPED")];
        let picked = pick(&mirrors, &names(&["t3", "nope", "t1"]));
        assert_eq!(picked.by_link, [("a".into(), names(&["t3", "t1"]))]);
        assert_eq!(picked.unknown, ["nope"]);
    }

    #[test]
    fn stopped_topics_are_shown_if_named_or_requested() {
        let stopped = mirror("a", "t", "STOPPED");
        let topics = names(&["t"]);
        assert!(!Shown::default().contains(&stopped));
        assert!(Shown { topics: &topics, ..Shown::default() }.contains(&stopped));
        assert!(Shown { include_stopped: true, ..Shown::default() }.contains(&stopped));
        assert!(
            !Shown { topics: &topics, pending_stopped_only: true, ..Shown::default() }.contains(&stopped)
        );
        assert!(Shown { pending_stopped_only: true, ..Shown::default() }.contains(&mirror(
            "a",
            "t",
            "PENDING_STOPPED"
        )));
    }
}
