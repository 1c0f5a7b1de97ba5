//! REST representation of a mirror topic.

use linkctl::rest::{
    MirrorData, MirrorExtension, MirrorLag, MirrorPartition, OpenTransaction, PartitionFilling,
    PartitionJump, ResourceMetadata, StateTransitionError,
};
use state::model::LinkState;
use state::model::{KafkaUuid, MirrorError, MirrorState, MirrorStatus, MirrorTopic, StopKind, View};

use crate::admin::call::Call;

use crate::clock::now_ms;
use crate::mirror::progress::{Filling, PartitionProgress};
use crate::mirror::stop_waits::StopWait;

/// Error code: a promote or failover waits for something.
const STOP_HELD_UP: &str = "STOP_HELD_UP";
/// Error code: a promote or failover finished without something.
const LEFT_UNDONE: &str = "LEFT_UNDONE";

/// Builds the body of a mirror topic without data of its partitions.
pub(crate) fn brief(
    call: &Call,
    cluster: &str,
    view: &View,
    mirror: &MirrorTopic,
    wait: Option<&StopWait>,
) -> MirrorData {
    shown(call, cluster, view, mirror, &[], wait)
}

/// Builds the body of a mirror topic.
pub(crate) fn of(
    call: &Call,
    cluster: &str,
    view: &View,
    mirror: &MirrorTopic,
    progress: &[PartitionProgress],
    wait: Option<&StopWait>,
) -> MirrorData {
    shown(call, cluster, view, mirror, &complete(mirror, progress), wait)
}

fn shown(
    call: &Call,
    cluster: &str,
    view: &View,
    mirror: &MirrorTopic,
    progress: &[PartitionProgress],
    wait: Option<&StopWait>,
) -> MirrorData {
    let status = status(view, mirror);
    let (error, reason) = match &mirror.state {
        MirrorState::Failed { error, reason, .. } => (*error, reason.clone()),
        MirrorState::Stopped { .. } if !mirror.left_undone.is_empty() => {
            (MirrorError::NoError, format!("the stop went on without: {}", mirror.left_undone.join("; ")))
        }
        _ => (MirrorError::NoError, wait.map(|wait| wait.reason.clone()).unwrap_or_default()),
    };
    MirrorData {
        kind: "KafkaMirrorData".into(),
        metadata: ResourceMetadata {
            self_url: url(call, cluster, &mirror.link, &mirror.topic),
            resource_name: Some(format!("crn:///kafka={cluster}")),
        },
        link_name: mirror.link.clone(),
        mirror_topic_name: mirror.topic.clone(),
        source_topic_name: mirror.source_topic.clone(),
        num_partitions: mirror.partitions,
        mirror_lags: lags(progress),
        mirror_status: status.name().into(),
        mirror_topic_error: error.name().into(),
        state_time_ms: state_time(view, mirror, status),
        mirror_state_transition_errors: None,
        linkgate: Some(MirrorExtension {
            link_id: view.links.get(&mirror.link).map_or(KafkaUuid::ZERO, |link| link.id).to_string(),
            source_topic_id: mirror.source_topic_id.to_string(),
            local_topic_id: mirror.local_topic_id.to_string(),
            stopped_sequence_number: mirror.stopped_sequence,
            reason,
            held_up_since_ms: wait.map(|wait| wait.since_ms),
            left_undone: mirror.left_undone.clone(),
            partitions: (0..)
                .zip(progress)
                .map(|(number, at)| partition(number, mirror, status, at))
                .collect(),
        }),
    }
}

/// Returns the time since which the mirror topic has the shown status. A status that follows from the link's
/// state is not older than that state.
fn state_time(view: &View, mirror: &MirrorTopic, status: MirrorStatus) -> i64 {
    let of_link = matches!(
        status,
        MirrorStatus::LinkPaused | MirrorStatus::LinkFailed | MirrorStatus::SourceUnavailable
    );
    match view.links.get(&mirror.link).filter(|_| of_link) {
        Some(link) => mirror.state_ms.max(link.state_ms),
        None => mirror.state_ms,
    }
}

/// Builds the URL of a mirror topic.
pub(crate) fn url(call: &Call, cluster: &str, link: &str, topic: &str) -> String {
    call.url(&["clusters", cluster, "links", link, "mirrors", topic])
}

/// Returns the lag of each partition.
pub(crate) fn lags(progress: &[PartitionProgress]) -> Vec<MirrorLag> {
    let lag = |(partition, at): (i32, &PartitionProgress)| MirrorLag {
        partition,
        lag: at.lag(),
        last_source_fetch_offset: at.last_fetch_offset,
    };
    (0..).zip(progress).map(lag).collect()
}

/// Returns errors that led to the current state, and the reason that delays the next one.
pub(crate) fn transition_errors(mirror: &MirrorTopic, wait: Option<&StopWait>) -> Vec<StateTransitionError> {
    let error = |code: &str, text: &str| StateTransitionError {
        error_code: code.to_owned(),
        error_message: text.to_owned(),
    };
    match &mirror.state {
        MirrorState::Failed { error: failed, reason, .. } => vec![error(failed.name(), reason)],
        MirrorState::Stopped { .. } => {
            mirror.left_undone.iter().map(|line| error(LEFT_UNDONE, line)).collect()
        }
        _ => wait.iter().map(|wait| error(STOP_HELD_UP, &wait.reason)).collect(),
    }
}

/// Returns one entry for each partition. No progress is kept for a stopped mirror, but the journal has its
/// log end offsets.
fn complete(mirror: &MirrorTopic, known: &[PartitionProgress]) -> Vec<PartitionProgress> {
    let mut all = known.to_vec();
    all.resize_with(mirror.partitions as usize, PartitionProgress::default);
    if let MirrorState::Stopped { stop, log_end_offsets, .. } = &mirror.state {
        for (at, end) in all.iter_mut().zip(log_end_offsets) {
            at.log_end_offset = *end;
            // After a promote the destination has everything of the source.
            if *stop == StopKind::Promote && at.source_high_watermark < 0 {
                at.source_high_watermark = *end;
            }
        }
    }
    all
}

fn partition(
    number: i32,
    mirror: &MirrorTopic,
    status: MirrorStatus,
    at: &PartitionProgress,
) -> MirrorPartition {
    let state = match mirror.state {
        _ if at.failed && mirror.is_read_only() => MirrorStatus::Failed,
        // Shown even while the source is unavailable. The status of the topic is SOURCE_UNAVAILABLE then.
        MirrorState::PendingStopped { .. } => MirrorStatus::PendingStopped,
        _ => status,
    };
    MirrorPartition {
        partition: number,
        state: state.name().into(),
        local_log_end_offset: at.log_end_offset,
        last_fetch_source_high_watermark: at.source_high_watermark,
        lag: match mirror.state {
            // The number of records that a failover left behind is unknown after a restart.
            MirrorState::Stopped { .. } => at.lag(),
            _ => at.source_high_watermark.saturating_sub(at.log_end_offset.max(0)),
        },
        time_since_last_fetch_ms: now_ms().saturating_sub(at.last_fetch_ms).max(0),
        reason: at.reason.clone(),
        start_offset: mirror.start_offset(number),
        filling: at.filling.map(|filling| filling_of(filling, at.log_end_offset, now_ms())),
        last_jump: mirror.jumps.get(&number).map(|jump| PartitionJump {
            from: jump.from,
            to: jump.to,
            at_ms: jump.at_ms,
            count: jump.count,
        }),
        open_transaction: at.held.map(|held| OpenTransaction {
            first_offset: held.offset,
            offsets_held_back: at.source_high_watermark.saturating_sub(held.offset).max(0),
            producer_id: held.producer.map(|producer| producer.id),
            producer_epoch: held.producer.map(|producer| producer.epoch),
            since_ms: held.producer.map(|producer| producer.since_ms),
        }),
        unkeyed_records: at.unkeyed_records,
    }
}

fn filling_of(filling: Filling, log_end_offset: i64, now_ms: i64) -> PartitionFilling {
    // The log end offset is -1 during a position recovery.
    let reached = log_end_offset.clamp(filling.from, filling.to.max(filling.from));
    let (done, all) = (reached - filling.from, (filling.to - filling.from).max(1));
    PartitionFilling {
        from: filling.from,
        to: filling.to,
        done,
        percent: u8::try_from(i128::from(done) * 100 / i128::from(all)).unwrap_or(100),
        eta_ms: filling.eta_ms(reached, now_ms),
    }
}

/// Returns the status of a mirror topic, taking the state of its link into account.
pub(crate) fn status(view: &View, mirror: &MirrorTopic) -> MirrorStatus {
    let link = view.links.get(&mirror.link).map_or(LinkState::Failed, |link| link.status().state);
    mirror.status(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filling_shows_its_progress_and_remaining_time() {
        let filling = Filling { from: 1_000, to: 5_000, since_ms: 10_000 };
        let at = |log_end, now| {
            let shown = filling_of(filling, log_end, now);
            (shown.done, shown.percent, shown.eta_ms)
        };
        assert_eq!(at(2_000, 11_000), (1_000, 25, Some(3_000)));
        assert_eq!(at(-1, 11_000), (0, 0, None));
        assert_eq!(at(9_999, 11_000), (4_000, 100, Some(0)));
        let nothing = filling_of(Filling { from: 7, to: 7, since_ms: 0 }, 7, 5);
        assert_eq!((nothing.done, nothing.percent), (0, 0));
    }
}
