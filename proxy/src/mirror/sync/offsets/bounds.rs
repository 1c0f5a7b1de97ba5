//! How far group offsets may follow the source: to what all in-sync replicas of the mirror have.

use std::collections::BTreeMap;

use futures::future::join_all;
use state::model::MirrorTopic;

use crate::client::ClientError;
use crate::client::types::OffsetSpec;
use crate::mirror::log_bounds::list_offset;
use crate::mirror::sync::offsets::OffsetSync;
use crate::mirror::sync::offsets::plan::MirrorEnds;
use crate::mirror::sync::offsets::trouble::GroupTrouble;

/// What follows a sync. It decides what may be left to a later round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another round, which brings what this one could not.
    Round,
    /// None: the topic opens. Whatever is left out is a trouble.
    Open,
}

/// Mirrors with the bounds of their group offsets, and the troubles with bounds.
pub(crate) struct Bounds {
    /// Keyed by source topic. The end of a partition is -1 where its bound is not known.
    pub(crate) mirrors: BTreeMap<String, MirrorEnds>,
    /// At most one for each topic.
    pub(crate) troubles: Vec<GroupTrouble>,
}

impl OffsetSync {
    /// Returns the known log ends of a mirror, -1 where none is known. They may be only on the leader.
    pub(crate) fn ends_of(&self, mirror: &MirrorTopic) -> MirrorEnds {
        let known = self.progress.of(&mirror.topic);
        let ends = (0..mirror.partitions as usize)
            .map(|index| known.get(index).map_or(-1, |progress| progress.log_end_offset))
            .collect();
        MirrorEnds { topic: mirror.topic.clone(), ends }
    }

    /// Limits each end to what all in-sync replicas have. Records that only the leader has may be lost with
    /// it, and a group beyond that point would skip what clients write in their place.
    pub(crate) async fn bounds(&self, mirrors: &BTreeMap<String, MirrorEnds>, next: Next) -> Bounds {
        let asked = mirrors.iter().map(|(source_topic, mirror)| async move {
            let partitions =
                (0..).zip(&mirror.ends).map(|(index, end)| self.bound(mirror, index, *end, next));
            let mut bounded = MirrorEnds { topic: mirror.topic.clone(), ends: Vec::new() };
            let mut short = Vec::new();
            for (index, (bound, why)) in join_all(partitions).await.into_iter().enumerate() {
                bounded.ends.push(bound);
                short.extend(why.map(|why| (index, why)));
            }
            (source_topic.clone(), bounded, trouble(&mirror.topic, short))
        });
        let mut bounds = Bounds { mirrors: BTreeMap::new(), troubles: Vec::new() };
        for (source_topic, bounded, trouble) in join_all(asked).await {
            let _ = bounds.mirrors.insert(source_topic, bounded);
            bounds.troubles.extend(trouble);
        }
        bounds
    }

    /// Returns the bound of one partition, -1 if it is not known, and why it is short of `end`.
    async fn bound(&self, mirror: &MirrorEnds, index: i32, end: i64, next: Next) -> (i64, Option<Short>) {
        if end < 0 {
            // Mirroring has not begun. A round after that knows the end.
            return (end, (next == Next::Open).then_some(Short::Unknown));
        }
        match list_offset(&self.destination, &mirror.topic, index, OffsetSpec::Latest).await {
            Err(error) => (-1, Some(Short::Unread(error))),
            Ok(mark) if mark < end => {
                (mark, (next == Next::Open).then_some(Short::NotReplicated { end, mark }))
            }
            Ok(_) => (end, None),
        }
    }
}

/// Reason why the bound of a partition is short of its log end.
enum Short {
    Unknown,
    Unread(ClientError),
    NotReplicated { end: i64, mark: i64 },
}

/// Combines the reasons of the partitions of a topic. The first one stands for all.
fn trouble(topic: &str, short: Vec<(usize, Short)>) -> Option<GroupTrouble> {
    let others = short.len().saturating_sub(1);
    // One that passes decides: waiting for it helps.
    let passes = short.iter().any(|(_, why)| !matches!(why, Short::Unread(error) if !error.retriable()));
    let (index, first) = short.into_iter().next()?;
    let and = if others == 0 { String::new() } else { format!(" (and {others} more)") };
    let what = format!("offsets of groups in partition {index}{and} of topic '{topic}'");
    Some(match first {
        Short::Unknown => {
            GroupTrouble::bound(topic, passes, format!("{what} are not synced: its end is not known yet"))
        }
        Short::NotReplicated { end, mark } => GroupTrouble::bound(
            topic,
            passes,
            format!("{what} are synced only up to {mark}: the log ends at {end}, but is not replicated"),
        ),
        Short::Unread(error) => GroupTrouble::unbounded(topic, passes, &what, &error),
    })
}
