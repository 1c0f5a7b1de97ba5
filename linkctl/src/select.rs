//! Which mirror topics an operator means. Pure.

use crate::rest::MirrorData;

/// Name of the state in which a mirror topic is an ordinary topic again.
pub const STOPPED: &str = "STOPPED";

/// Topics of one request: a body must not become larger than the API takes.
const MAX_TOPICS: usize = 1000;

/// The topics meant, by link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picked {
    /// Each link with its topics, in the order given; a link with very many more than once.
    pub by_link: Vec<(String, Vec<String>)>,
    /// Named, but no mirror topics (of these links).
    pub unknown: Vec<String>,
}

impl Picked {
    /// All topics that are mirror topics.
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

/// The topics named, or, when none is named, every mirror topic that has not stopped.
///
/// `mirrors` holds the mirror topics of the links meant, so that topics and links together mean what is in both.
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

/// What a listing shows of `mirrors`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shown<'a> {
    /// Only these; all when empty.
    pub topics: &'a [String],
    /// Only those on their way to being stopped.
    pub pending_stopped_only: bool,
    /// Those that have stopped too. One that is named is always shown.
    pub include_stopped: bool,
}

impl Shown<'_> {
    /// Whether `mirror` is shown.
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

/// A promote whose source is gone shows as SOURCE_UNAVAILABLE with partitions that are PENDING_STOPPED.
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
    fn without_names_all_that_have_not_stopped_are_meant() {
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
    fn a_request_holds_so_many_topics_and_no_more() {
        let mirrors: Vec<_> = (0..2500).map(|n| mirror("a", &format!("t{n}"), "ACTIVE")).collect();
        let picked = pick(&mirrors, &[]);
        let sizes: Vec<usize> = picked.by_link.iter().map(|(_, topics)| topics.len()).collect();
        assert_eq!(sizes, [1000, 1000, 500]);
        assert_eq!(picked.topics().count(), 2500);
    }

    #[test]
    fn named_topics_are_meant_even_when_stopped_and_unknown_ones_are_told() {
        let mirrors = [mirror("a", "t1", "ACTIVE"), mirror("a", "t3", "STOPPED")];
        let picked = pick(&mirrors, &names(&["t3", "nope", "t1"]));
        assert_eq!(picked.by_link, [("a".into(), names(&["t3", "t1"]))]);
        assert_eq!(picked.unknown, ["nope"]);
    }

    #[test]
    fn stopped_topics_show_when_named_or_asked_for() {
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
