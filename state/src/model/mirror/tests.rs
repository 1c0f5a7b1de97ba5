use proptest::prelude::*;

use super::super::sample;
use super::*;
use crate::model::{ConnectionMode, LinkError, LinkMode};

fn any_event() -> impl Strategy<Value = MirrorEvent> {
    prop_oneof![
        Just(MirrorEvent::Started),
        Just(MirrorEvent::Pause),
        Just(MirrorEvent::Resume),
        Just(MirrorEvent::Promote),
        Just(MirrorEvent::Failover),
        Just(MirrorEvent::StopCompleted { log_end_offsets: vec![7] }),
        Just(MirrorEvent::Fail {
            error: MirrorError::IllegalState,
            reason: "offset 7".into(),
            partition: Some(0)
        }),
    ]
}

const LINK_STATES: [LinkState; 4] =
    [LinkState::Active, LinkState::Paused, LinkState::Unavailable, LinkState::Failed];

/// Returns each step of a history of events: the mirror before, the event, and the mirror after.
fn history(events: Vec<MirrorEvent>) -> Vec<(MirrorTopic, MirrorEvent, Option<MirrorTopic>)> {
    let mut mirror = sample::mirror("dr", "users");
    let mut steps = Vec::new();
    for event in events {
        let next = mirror.on(event.clone()).ok().map(|state| MirrorTopic { state, ..mirror.clone() });
        steps.push((mirror.clone(), event, next.clone()));
        mirror = next.unwrap_or(mirror);
    }
    steps
}

proptest! {
    #[test]
    fn every_history_obeys_the_rules(events in prop::collection::vec(any_event(), 0..24)) {
        for (before, event, after) in history(events) {
            let stopped = matches!(before.state, MirrorState::Stopped { .. });
            if stopped {
                prop_assert!(after.is_none(), "stopped is terminal");
            }
            if event == MirrorEvent::Failover {
                prop_assert_eq!(after.is_none(), stopped, "failover is possible from all but stopped");
            }
            prop_assert_eq!(before.is_read_only(), !stopped);
            let Some(after) = after else { continue };
            if !after.is_read_only() {
                let stop = match before.state {
                    MirrorState::PendingStopped { stop } => stop,
                    ref other => return Err(TestCaseError::fail(format!("opened from {other:?}"))),
                };
                prop_assert!(matches!(event, MirrorEvent::StopCompleted { .. }), "opened by {:?}", event);
                prop_assert_eq!(after.state, MirrorState::Stopped { stop, log_end_offsets: vec![7] });
                continue;
            }
            if before.state == (MirrorState::PendingStopped { stop: StopKind::Failover }) {
                prop_assert_eq!(&after.state, &before.state, "a failover goes on until it is done");
            }
            if matches!(before.state, MirrorState::Failed { .. }) && event != MirrorEvent::Failover {
                prop_assert_eq!(&after.state, &before.state, "the first reason stays");
            }
            if matches!(event, MirrorEvent::Started | MirrorEvent::Resume)
                && matches!(before.state, MirrorState::PendingStopped { .. } | MirrorState::Failed { .. })
            {
                prop_assert_ne!(&after.state, &MirrorState::Active, "nothing brings these back");
            }
        }
    }

    #[test]
    fn a_link_never_hides_that_a_mirror_is_stopped_or_failed(events in prop::collection::vec(any_event(), 0..24)) {
        for (mirror, ..) in history(events) {
            for link in LINK_STATES {
                let status = mirror.status(link);
                prop_assert_eq!(status == MirrorStatus::Stopped, !mirror.is_read_only());
                let failed = matches!(mirror.state, MirrorState::Failed { .. });
                prop_assert_eq!(status == MirrorStatus::Failed, failed);
                if status == MirrorStatus::Active {
                    prop_assert!(link == LinkState::Active && mirror.state == MirrorState::Active);
                }
            }
        }
    }

    #[test]
    fn every_state_survives_the_journal(events in prop::collection::vec(any_event(), 0..24)) {
        for (mirror, ..) in history(events) {
            let text = serde_json::to_string(&mirror).unwrap();
            prop_assert_eq!(serde_json::from_str::<MirrorTopic>(&text).unwrap(), mirror);
        }
    }
}

#[test]
fn a_refusal_has_the_text_of_confluent() {
    let mut mirror = sample::mirror("test-link", "users");
    mirror.state = MirrorState::Stopped { stop: StopKind::Promote, log_end_offsets: vec![] };
    let refused = mirror.on(MirrorEvent::Failover).unwrap_err();
    assert_eq!(refused.message, "Topic 'users' has already stopped its mirror from 'test-link'");
}

#[test]
fn a_promote_without_a_source_is_shown_and_can_be_failed_over() {
    let mut mirror = sample::mirror("dr", "users");
    mirror.state = MirrorState::PendingStopped { stop: StopKind::Promote };
    assert_eq!(mirror.status(LinkState::Unavailable), MirrorStatus::SourceUnavailable);
    mirror.state = mirror.on(MirrorEvent::Failover).unwrap();
    assert_eq!(mirror.status(LinkState::Unavailable), MirrorStatus::PendingStopped);
}

#[test]
fn a_promote_that_has_begun_to_fence_does_not_fail_any_more() {
    let fail = MirrorEvent::Fail {
        error: MirrorError::SourceTopicMayBeDeleted,
        reason: "the source has no topic 'users' any more".into(),
        partition: Some(0),
    };
    let promoted = MirrorState::PendingStopped { stop: StopKind::Promote };
    let mut mirror = MirrorTopic { state: promoted.clone(), ..sample::mirror("dr", "users") };
    assert!(matches!(mirror.on(fail.clone()), Ok(MirrorState::Failed { .. })));
    for fencing in [Fencing::Begun, Fencing::Done { log_end_offsets: vec![7] }] {
        mirror.fencing = fencing;
        assert_eq!(mirror.on(fail.clone()), Ok(promoted.clone()));
    }
}

/// Names in the journal are Serde's; those of the REST API and the tools are strum's.
#[test]
fn the_journal_and_the_tools_use_the_same_names() {
    fn check<T: VariantArray + serde::Serialize + Copy>(name: fn(T) -> &'static str) {
        for variant in T::VARIANTS {
            assert_eq!(serde_json::to_value(variant).unwrap(), name(*variant));
        }
    }
    check(MirrorError::name);
    check(MirrorStatus::name);
    check(LinkError::name);
    check(LinkState::name);
    check(LinkMode::name);
    check(ConnectionMode::name);
}
