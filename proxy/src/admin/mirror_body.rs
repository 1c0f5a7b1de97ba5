//! A mirror topic as the REST API shows it.

use linkctl::rest::{
    MirrorData, MirrorExtension, MirrorLag, MirrorPartition, OpenTransaction, PartitionFilling,
    PartitionJump, ResourceMetadata, StateTransitionError,
};
use state::model::{KafkaUuid, MirrorError, MirrorState, MirrorStatus, MirrorTopic, Stop, View};

use super::call::Call;
use super::mirrors::status;
use crate::clock::now_ms;
use crate::mirror::progress::{Filling, PartitionProgress};
use crate::mirror::stop_waits::StopWait;

/// A promote or failover waits for something.
const STOP_HELD_UP: &str = "STOP_HELD_UP";
/// A promote or failover went on without something.
const LEFT_UNDONE: &str = "LEFT_UNDONE";

/// The body of one mirror topic without what its partitions make of it.
pub(super) fn brief(
    call: &Call,
    cluster: &str,
    view: &View,
    mirror: &MirrorTopic,
    wait: Option<&StopWait>,
) -> MirrorData {
    shown(call, cluster, view, mirror, &[], wait)
}

/// The body of one mirror topic.
pub(super) fn of(
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

/// Since when it has the status that is shown: one that follows from the link's state is no older than that.
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

/// URL of a mirror topic.
pub(super) fn url(call: &Call, cluster: &str, link: &str, topic: &str) -> String {
    call.url(&["clusters", cluster, "links", link, "mirrors", topic])
}

/// Lag by partition.
pub(super) fn lags(progress: &[PartitionProgress]) -> Vec<MirrorLag> {
    let lag = |(partition, at): (i32, &PartitionProgress)| MirrorLag {
        partition,
        lag: at.lag(),
        last_source_fetch_offset: at.last_fetch_offset,
    };
    (0..).zip(progress).map(lag).collect()
}

/// What went wrong on the way to the present state, and what holds up the next.
pub(super) fn transition_errors(mirror: &MirrorTopic, wait: Option<&StopWait>) -> Vec<StateTransitionError> {
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

/// One entry for each partition. Of a stopped mirror nobody keeps the progress, but the journal has its log ends.
fn complete(mirror: &MirrorTopic, known: &[PartitionProgress]) -> Vec<PartitionProgress> {
    let mut all = known.to_vec();
    all.resize_with(mirror.partitions as usize, PartitionProgress::default);
    if let MirrorState::Stopped { stop, log_end_offsets, .. } = &mirror.state {
        for (at, end) in all.iter_mut().zip(log_end_offsets) {
            at.log_end_offset = *end;
            // A promote ends with everything that the source had.
            if *stop == Stop::Promote && at.source_high_watermark < 0 {
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
        // Also while the source is away: the topic then shows SOURCE_UNAVAILABLE.
        MirrorState::PendingStopped { .. } => MirrorStatus::PendingStopped,
        _ => status,
    };
    MirrorPartition {
        partition: number,
        state: state.name().into(),
        local_log_end_offset: at.log_end_offset,
        last_fetch_source_high_watermark: at.source_high_watermark,
        lag: match mirror.state {
            // How much a failover left behind is not known after a restart.
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
    // The log end is not known while its register is read.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filling_shows_how_far_it_is_and_how_long_it_will_take() {
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
