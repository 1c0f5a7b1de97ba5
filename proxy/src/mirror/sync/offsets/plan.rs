//! Decides which consumer group offsets to commit on the destination. Pure.
//!
//! It never commits an offset beyond the given end (the caller gives what all in-sync replicas have), a negative offset, or one
//! that is committed already. A partition whose end is not known is left out: a later round commits it.

use std::collections::BTreeMap;

use state::invariant;

/// A partition of a topic.
pub(crate) type TopicPartition = (String, i32);

/// Committed position of a group in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    /// Next offset to consume.
    pub offset: i64,
    /// Metadata that the consumer committed with the offset.
    pub metadata: String,
}

/// Committed positions of a group.
pub(crate) type Offsets = BTreeMap<TopicPartition, Committed>;

/// Destination of the positions in one source topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MirrorEnds {
    /// Name of the mirror topic.
    pub topic: String,
    /// End of each partition: a log end that may be only on the leader, or a high watermark. -1 while not
    /// known.
    pub ends: Vec<i64>,
}

/// Returns the commits that bring `local` in line with `source`, by mirror topic. `mirrors` is keyed by
/// source topic. Positions in other topics are ignored.
#[must_use]
pub(crate) fn due(source: &Offsets, mirrors: &BTreeMap<String, MirrorEnds>, local: &Offsets) -> Offsets {
    let mut commits = Offsets::new();
    for ((topic, partition), committed) in source {
        let Some(mirror) = mirrors.get(topic) else { continue };
        let end = usize::try_from(*partition).ok().and_then(|index| mirror.ends.get(index));
        let Some(&end) = end.filter(|end| **end >= 0) else { continue };
        if committed.offset < 0 {
            continue;
        }
        let wanted = Committed { offset: committed.offset.min(end), metadata: committed.metadata.clone() };
        debug_assert_eq!(invariant::group_offset_within_log(wanted.offset, end), Ok(()));
        let at = (mirror.topic.clone(), *partition);
        if local.get(&at) != Some(&wanted) {
            let _ = commits.insert(at, wanted);
        }
    }
    commits
}

/// Returns the commits that lower positions beyond the ends of these topics to the ends. An end of -1 is not
/// known.
#[must_use]
pub(crate) fn beyond(local: &Offsets, ends: &BTreeMap<String, Vec<i64>>) -> Offsets {
    let end_of = |(topic, partition): &TopicPartition| {
        ends.get(topic)?.get(usize::try_from(*partition).ok()?).copied()
    };
    local
        .iter()
        .filter_map(|(at, committed)| {
            let end = end_of(at).filter(|end| *end >= 0 && committed.offset > *end)?;
            Some((at.clone(), Committed { offset: end, metadata: committed.metadata.clone() }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offsets<const N: usize>(entries: [(&str, i32, i64, &str); N]) -> Offsets {
        entries
            .into_iter()
            .map(|(topic, partition, offset, metadata)| {
                ((topic.to_owned(), partition), Committed { offset, metadata: metadata.to_owned() })
            })
            .collect()
    }

    fn mirrors(source: &str, topic: &str, ends: &[i64]) -> BTreeMap<String, MirrorEnds> {
        let ends = MirrorEnds { topic: topic.to_owned(), ends: ends.to_vec() };
        BTreeMap::from([(source.to_owned(), ends)])
    }

    #[test]
    fn positions_move_to_the_mirror_topic_with_their_metadata() {
        let source = offsets([("a", 0, 5, "hint"), ("a", 1, 7, ""), ("other", 0, 9, "")]);
        let commits = due(&source, &mirrors("a", "west.a", &[10, 10]), &Offsets::new());
        assert_eq!(commits, offsets([("west.a", 0, 5, "hint"), ("west.a", 1, 7, "")]));
    }

    #[test]
    fn a_position_beyond_the_mirror_is_clamped_to_its_end() {
        let source = offsets([("a", 0, 500, "m")]);
        assert_eq!(due(&source, &mirrors("a", "a", &[42]), &Offsets::new()), offsets([("a", 0, 42, "m")]));
    }

    #[test]
    fn offsets_that_are_already_committed_are_not_committed_again() {
        let source = offsets([("a", 0, 5, ""), ("a", 1, 5, "new"), ("a", 2, 500, "")]);
        let local = offsets([("a", 0, 5, ""), ("a", 1, 5, "old"), ("a", 2, 10, "")]);
        let commits = due(&source, &mirrors("a", "a", &[10, 10, 10]), &local);
        assert_eq!(commits, offsets([("a", 1, 5, "new")]));
    }

    #[test]
    fn the_source_wins_even_if_its_offset_is_lower() {
        let commits =
            due(&offsets([("a", 0, 3, "")]), &mirrors("a", "a", &[10]), &offsets([("a", 0, 8, "")]));
        assert_eq!(commits, offsets([("a", 0, 3, "")]));
    }

    #[test]
    fn unknown_ends_absent_commits_and_foreign_partitions_are_left_out() {
        let source = offsets([("a", 0, 5, ""), ("a", 1, -1, ""), ("a", 2, 5, ""), ("a", -1, 5, "")]);
        assert!(due(&source, &mirrors("a", "a", &[-1, 10]), &Offsets::new()).is_empty());
    }

    #[test]
    fn only_positions_beyond_the_log_end_are_lowered() {
        let local = offsets([("a", 0, 11, "m"), ("a", 1, 10, ""), ("a", 2, 99, ""), ("b", 0, 99, "")]);
        let ends = BTreeMap::from([("a".to_owned(), vec![10, 10, -1])]);
        assert_eq!(beyond(&local, &ends), offsets([("a", 0, 10, "m")]));
    }

    proptest! {
        #[test]
        fn no_commit_lies_outside_the_log_and_a_second_round_finds_nothing(
            positions in proptest::collection::vec((0i32..6, -2i64..100), 0..12),
            ends in proptest::collection::vec(-1i64..60, 0..6),
        ) {
            let source: Offsets = positions
                .into_iter()
                .map(|(partition, offset)| {
                    (("a".to_owned(), partition), Committed { offset, metadata: String::new() })
                })
                .collect();
            let mirrors = mirrors("a", "a", &ends);
            let commits = due(&source, &mirrors, &Offsets::new());
            for ((_, partition), committed) in &commits {
                let end = ends[usize::try_from(*partition).unwrap()];
                prop_assert_eq!(invariant::group_offset_within_log(committed.offset, end), Ok(()));
            }
            prop_assert!(due(&source, &mirrors, &commits).is_empty());
            prop_assert!(beyond(&commits, &BTreeMap::from([("a".to_owned(), ends)])).is_empty());
        }
    }
}
