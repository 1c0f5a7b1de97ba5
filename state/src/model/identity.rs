//! Identity of a journal and its destination, and a digest of its decisions to compare it with its copies.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{KafkaUuid, MirrorState, StopKind, View, link_config};

/// Identity of a journal. Copies share it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalIdentity {
    /// Journal id. Created at the journal's first contact with its destination, and never changed.
    pub id: KafkaUuid,
    /// Cluster id of the destination. Answers of other clusters are ignored.
    #[serde(default)]
    pub destination_cluster_id: String,
}

impl View {
    /// Returns a digest of all decisions: which links and mirror topics exist, by generation; which of them
    /// are paused, stopping or stopped, and how; the links' configs except secrets. What each Linkgate finds
    /// out by itself (failures, link states, jumps, added partitions) is not in it. Two journals with the
    /// same digest do the same to the destination.
    #[must_use]
    pub fn decisions(&self) -> Uuid {
        let mut text = String::new();
        let mut put = |part: &str| {
            text.push_str(part);
            // No name of a link or topic contains this separator.
            text.push('\n');
        };
        for (name, link) in &self.links {
            put(name);
            put(&link.id.to_string());
            for (config, value) in &link.configs {
                if !link_config::is_sensitive(config) {
                    put(config);
                    put(value);
                }
            }
        }
        put("");
        for (topic, mirror) in &self.mirrors {
            put(topic);
            put(&mirror.link);
            put(&mirror.generation.to_string());
            put(match mirror.state {
                MirrorState::PendingMirror | MirrorState::Active | MirrorState::Failed { .. } => "mirrored",
                MirrorState::Paused => "paused",
                MirrorState::PendingStopped { stop } | MirrorState::Stopped { stop, .. } => match stop {
                    StopKind::Promote => "promoted",
                    StopKind::Failover => "failed over",
                },
            });
        }
        Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::model::{LinkState, MirrorError, MirrorTopic};

    #[test]
    fn the_digest_covers_decisions_and_not_findings() {
        let mut view = View::default();
        let link = sample::link("dr");
        let _ = view.links.insert("dr".into(), link);
        let mirror = MirrorTopic { state: MirrorState::Active, ..sample::mirror("dr", "t") };
        let _ = view.mirrors.insert("t".into(), mirror);
        let before = view.decisions();
        assert_eq!(before, view.clone().decisions());

        let mut found_out = view.clone();
        found_out.sequence += 7;
        found_out.links.get_mut("dr").unwrap().state = LinkState::Unavailable;
        let mirror = found_out.mirrors.get_mut("t").unwrap();
        mirror.partitions += 1;
        mirror.state =
            MirrorState::Failed { error: MirrorError::Unknown, reason: String::new(), partition: None };
        assert_eq!(before, found_out.decisions());
        let configs = &mut found_out.links.get_mut("dr").unwrap().configs;
        drop(configs.insert("sasl.jaas.config".into(), "another password".into()));
        assert_eq!(before, found_out.decisions(), "no digest tells anything of a secret");

        let decided = |change: fn(&mut View)| {
            let mut after = view.clone();
            change(&mut after);
            after.decisions()
        };
        let all = [
            before,
            decided(|view| view.links.clear()),
            decided(|view| {
                let configs = &mut view.links.get_mut("dr").unwrap().configs;
                drop(configs.insert("consumer.offset.sync.enable".into(), "false".into()));
            }),
            decided(|view| view.mirrors.clear()),
            decided(|view| view.mirrors.get_mut("t").unwrap().generation += 1),
            decided(|view| view.mirrors.get_mut("t").unwrap().state = MirrorState::Paused),
            decided(|view| {
                let state = MirrorState::PendingStopped { stop: StopKind::Promote };
                view.mirrors.get_mut("t").unwrap().state = state;
            }),
            decided(|view| {
                let state = MirrorState::Stopped { stop: StopKind::Failover, log_end_offsets: vec![1] };
                view.mirrors.get_mut("t").unwrap().state = state;
            }),
        ];
        for (index, digest) in all.iter().enumerate() {
            assert!(!all[..index].contains(digest), "{index}");
        }
    }
}
