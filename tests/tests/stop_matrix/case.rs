//! One way to end a mirror, and the selection of cases.

use std::collections::BTreeSet;

/// The command that ends the mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    Promote,
    Failover,
}

/// The state in which the mirror is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Before {
    Active,
    Paused,
    Failed,
    LinkPaused,
    SourceUnavailable,
    /// A promote was requested, and the source does not answer.
    PendingStopped,
}

/// `cleanup.policy` of the source topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Policy {
    Delete,
    Compact,
    Both,
}

/// The start of the mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Start {
    Earliest,
    Latest,
    Time,
}

/// The part of the sync that the destination refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refused {
    Nothing,
    Group,
    Config,
}

/// One case, with a topic of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case {
    pub(crate) stop: Stop,
    pub(crate) before: Before,
    pub(crate) policy: Policy,
    pub(crate) start: Start,
    /// The source topic gets a partition in that state, which the mirror has not seen.
    pub(crate) grown: bool,
    pub(crate) refused: Refused,
}

impl Case {
    /// Name of the topic of the case.
    pub(crate) fn topic(&self) -> String {
        let Case { stop, before, policy, start, grown, refused } = self;
        let grown = if *grown { "grown" } else { "same" };
        format!("{stop:?}.{before:?}.{policy:?}.{start:?}.{grown}.{refused:?}").to_lowercase()
    }

    /// Name of the link of the case. One link is paused as a whole.
    pub(crate) fn link(&self) -> &'static str {
        if self.before == Before::LinkPaused { "paused" } else { "running" }
    }

    /// Returns true if the mirror is ended while the source does not answer.
    pub(crate) fn is_without_source(&self) -> bool {
        matches!(self.before, Before::SourceUnavailable | Before::PendingStopped)
    }

    fn values(&self) -> [u8; 6] {
        [
            self.stop as u8,
            self.before as u8,
            self.policy as u8,
            self.start as u8,
            u8::from(self.grown),
            self.refused as u8,
        ]
    }
}

/// Returns all cases.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for stop in [Stop::Promote, Stop::Failover] {
        for before in [
            Before::Active,
            Before::Paused,
            Before::Failed,
            Before::LinkPaused,
            Before::SourceUnavailable,
            Before::PendingStopped,
        ] {
            for policy in [Policy::Delete, Policy::Compact, Policy::Both] {
                for start in [Start::Earliest, Start::Latest, Start::Time] {
                    for grown in [false, true] {
                        for refused in [Refused::Nothing, Refused::Group, Refused::Config] {
                            cases.push(Case { stop, before, policy, start, grown, refused });
                        }
                    }
                }
            }
        }
    }
    cases
}

/// Returns a small selection in which any three values of three different properties still meet in one case.
pub(crate) fn every_three() -> Vec<Case> {
    let triples = |case: &Case| -> Vec<[(usize, u8); 3]> {
        let values = case.values();
        let mut found = Vec::new();
        for a in 0..values.len() {
            for b in a + 1..values.len() {
                for c in b + 1..values.len() {
                    found.push([(a, values[a]), (b, values[b]), (c, values[c])]);
                }
            }
        }
        found
    };
    let mut cases = all();
    let mut missing: BTreeSet<_> = cases.iter().flat_map(triples).collect();
    let mut chosen = Vec::new();
    while !missing.is_empty() {
        let gain = |case: &Case| triples(case).iter().filter(|triple| missing.contains(*triple)).count();
        // The first of the best cases: every run has the same selection.
        let best =
            cases.iter().enumerate().max_by_key(|(n, case)| (gain(case), usize::MAX - n)).map(|(n, _)| n);
        let Some(best) = best else { break };
        let case = cases.swap_remove(best);
        for triple in triples(&case) {
            let _ = missing.remove(&triple);
        }
        chosen.push(case);
    }
    chosen.sort();
    chosen
}
