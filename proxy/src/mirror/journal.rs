//! Writes to the journal what happens to mirror topics.

use std::collections::BTreeMap;
use std::time::Duration;

use state::model::{Change, IllegalTransition, Jump, MirrorEvent, MirrorTopic};
use state::store::{Store, TransactError};
use tracing::{debug, error, info, warn};

use crate::client::Cluster;
use crate::mirror::command::Commands;
use crate::mirror::replication::failure::PartitionFailure;
use crate::mirror::sync::configs::policy::ConfigChange;
use crate::mirror::sync::configs::topics;
use crate::wire::protocol::error_code::ErrorCode;

/// Pause before a failed creation is tried again.
const RETRY_BACKOFF: Duration = Duration::from_millis(500);

/// Pause after a failed write to the journal.
const JOURNAL_PAUSE: Duration = Duration::from_secs(5);

/// Journals that this generation of a mirror topic failed. If that cannot be recorded, returns only after a
/// pause.
pub(crate) async fn fail(store: &Store, mirror: &MirrorTopic, partition: i32, failure: PartitionFailure) {
    let (link, topic) = (&mirror.link, &mirror.topic);
    let (name, generation) = (topic.clone(), mirror.generation);
    let event = MirrorEvent::Fail {
        error: failure.error,
        reason: format!("partition {partition}: {}", failure.reason),
        partition: Some(partition),
    };
    let transition = move |view: &state::model::View, now_ms: i64| {
        let same = view.mirrors.get(&name).filter(|mirror| mirror.generation == generation);
        let Some(mirror) = same else {
            return Ok::<_, IllegalTransition>((Vec::new(), false));
        };
        let state = mirror.on(event)?;
        if state == mirror.state {
            return Ok((Vec::new(), false));
        }
        let mut next = mirror.clone();
        next.state = state;
        next.state_ms = now_ms;
        Ok((vec![Change::PutMirror(next)], true))
    };
    match store.transact("engine", "mirroring cannot continue", transition).await {
        Ok(true) => {
            error!(link, topic, partition, reason = failure.reason, "mirror topic failed");
        }
        Ok(false) => {}
        Err(error) => {
            warn!(link, topic, partition, %error, "the failure of a mirror topic could not be recorded");
            tokio::time::sleep(JOURNAL_PAUSE).await;
        }
    }
}

/// Journals log start jumps of this generation of a mirror topic: by partition, the first offset that the
/// source no longer has, and its new log start. Skips a jump that the journal has already. If it cannot be
/// recorded, returns false after a pause.
pub(crate) async fn jumps(store: &Store, mirror: &MirrorTopic, met: BTreeMap<i32, (i64, i64)>) -> bool {
    if met.is_empty() {
        return true;
    }
    let (link, topic) = (&mirror.link, &mirror.topic);
    let places: Vec<String> = met
        .iter()
        .map(|(partition, (from, to))| format!("partition {partition}: {from} to {}", to - 1))
        .collect();
    let why = format!(
        "the source no longer has offsets that were to be mirrored; filler takes their place ({})",
        places.join(", ")
    );
    let (name, generation) = (topic.clone(), mirror.generation);
    let transition = move |view: &state::model::View, now_ms: i64| {
        let same = view.mirrors.get(&name).filter(|mirror| mirror.generation == generation);
        let Some(mirror) = same else { return Ok((Vec::new(), Vec::new())) };
        let mut next = mirror.clone();
        let mut news = Vec::new();
        for (partition, (from, to)) in met {
            let before = next.jumps.get(&partition);
            if before.is_some_and(|jump| jump.to == to && jump.from <= from) {
                continue;
            }
            let count = before.map_or(0, |jump| jump.count) + 1;
            let _ = next.jumps.insert(partition, Jump { from, to, at_ms: now_ms, count });
            news.push((partition, from, to));
        }
        let changes = if news.is_empty() { Vec::new() } else { vec![Change::PutMirror(next)] };
        Ok::<_, std::convert::Infallible>((changes, news))
    };
    match store.transact("engine", &why, transition).await {
        Ok(news) => {
            for (partition, from, to) in news {
                warn!(
                    link,
                    topic,
                    partition,
                    from,
                    to,
                    "the source no longer has these offsets; filler takes their place"
                );
            }
            true
        }
        Err(error) => {
            warn!(link, topic, %error, "a jump of the source's log start could not be recorded; the mirror waits");
            tokio::time::sleep(JOURNAL_PAUSE).await;
            false
        }
    }
}

/// Adds partitions to a mirror topic until it has `count`, as its source has, and journals that.
///
/// # Errors
/// Fails with the obstacle, as text for operators.
pub(crate) async fn grow(
    store: &Store,
    destination: &Cluster,
    mirror: &MirrorTopic,
    count: u32,
) -> Result<(), String> {
    let (link, topic) = (&mirror.link, &mirror.topic);
    let wanted = i32::try_from(count).unwrap_or(i32::MAX);
    let there = match topics::describe(destination, topic).await {
        Ok(found) => found.map_or(0, |found| found.partitions),
        Err(error) => return Err(format!("the mirror topic's partitions cannot be counted: {error}")),
    };
    // An earlier attempt or somebody else may have added them already.
    if there < count
        && let Err(error) = destination.create_partitions(topic, wanted).await
        && error.code() != Some(ErrorCode::INVALID_PARTITIONS)
    {
        return Err(format!("the mirror topic cannot get {count} partitions: {error}"));
    }
    let (name, generation) = (topic.clone(), mirror.generation);
    let transition = move |view: &state::model::View, _: i64| {
        let same = view.mirrors.get(&name).filter(|mirror| mirror.generation == generation);
        // A mirror that is being fenced has its target already.
        let grows = same.filter(|mirror| mirror.partitions < count && !mirror.is_closed());
        let changes = grows.map(|mirror| {
            let mut next = mirror.clone();
            next.partitions = count;
            Change::PutMirror(next)
        });
        Ok::<_, std::convert::Infallible>((changes.into_iter().collect(), ()))
    };
    let why = format!("the source topic has {count} partitions");
    store
        .transact("engine", &why, transition)
        .await
        .map_err(|error| format!("the new partitions could not be recorded: {error}"))?;
    info!(link, topic, partitions = count, "the mirror topic has more partitions");
    Ok(())
}

/// Calls [`forget`], once the whole destination cluster says that the topic is gone.
///
/// # Errors
/// Fails if the journal cannot be written.
pub(crate) async fn forget_if_gone(
    store: &Store,
    destination: &Cluster,
    mirror: &MirrorTopic,
) -> Result<(), TransactError<std::convert::Infallible>> {
    let (link, topic) = (&mirror.link, &mirror.topic);
    // Without its mirror, the topic name is open to all producers: the metadata of one broker is not enough.
    match destination.topic_is_gone(topic, mirror.local_topic_id).await {
        Ok(true) => forget(store, mirror).await,
        Ok(false) => {
            debug!(link, topic, "a broker does not know the destination topic yet");
            Ok(())
        }
        Err(error) => {
            warn!(link, topic, %error, "the destination topic seems to be deleted, but the brokers do not confirm it; its mirror is kept");
            Ok(())
        }
    }
}

/// Journals that a mirror topic is gone, because its destination topic does not exist. Does nothing if
/// another generation has taken its name.
///
/// # Errors
/// Fails if the journal cannot be written.
pub(crate) async fn forget(
    store: &Store,
    mirror: &MirrorTopic,
) -> Result<(), TransactError<std::convert::Infallible>> {
    let (link, topic) = (&mirror.link, &mirror.topic);
    let (name, generation) = (topic.clone(), mirror.generation);
    let removal = move |view: &state::model::View, _: i64| {
        let same = view.mirrors.get(&name).filter(|mirror| mirror.generation == generation);
        let changes = same.map(|_| Change::RemoveMirror(name.clone())).into_iter().collect();
        Ok::<_, std::convert::Infallible>((changes, ()))
    };
    store.transact("engine", "the destination topic does not exist", removal).await?;
    info!(link, topic, "the destination topic does not exist; the mirror is forgotten");
    Ok(())
}

/// Finishes a creation that an earlier process began, or that is still running. Returns when it is done or
/// given up.
pub(crate) async fn finish_create(commands: &Commands, topic: &str) {
    loop {
        match commands.finish_create(topic).await {
            Ok(()) => return,
            Err(error) => debug!(topic, %error, "the mirror topic is not created yet"),
        }
        tokio::time::sleep(RETRY_BACKOFF).await;
    }
}

/// Raises `max.message.bytes` of a mirror topic, so that a batch of `size` bytes fits. The source took the
/// batch, so the mirror must.
pub(crate) async fn raise_max_message_bytes(destination: &Cluster, topic: &str, size: usize) {
    let change = ConfigChange { name: "max.message.bytes".to_owned(), value: Some(size.to_string()) };
    match topics::alter_configs(destination, topic, std::slice::from_ref(&change)).await {
        Ok(()) => info!(topic, size, "max.message.bytes of the mirror topic raised"),
        Err(error) => warn!(topic, size, %error, "max.message.bytes of the mirror topic could not be raised"),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use state::model::{MirrorError, MirrorState};

    use super::*;
    use crate::mirror::test_support::{link, mirror};

    /// Creates a journal with one mirror topic.
    async fn journal(mirror: &MirrorTopic) -> Store {
        let store = Store::in_memory().unwrap();
        let changes = vec![
            Change::PutLink(state::model::Link { generations: mirror.generation + 1, ..link(&mirror.link) }),
            Change::PutMirror(mirror.clone()),
        ];
        store.transact("test", "test", |_, _| Ok::<_, Infallible>((changes, ()))).await.unwrap();
        store
    }

    #[tokio::test]
    async fn events_of_an_earlier_generation_are_not_recorded_for_the_present_one() {
        let present = MirrorTopic { generation: 1, ..mirror("dr", "t", MirrorState::Active) };
        let earlier = MirrorTopic { generation: 0, ..present.clone() };
        let store = journal(&present).await;
        let failure = PartitionFailure { error: MirrorError::IllegalState, reason: "foreign".to_owned() };
        fail(&store, &earlier, 0, failure.clone()).await;
        assert!(jumps(&store, &earlier, BTreeMap::from([(0, (3, 9))])).await);
        assert_eq!(store.view().mirrors["t"], present);

        assert!(jumps(&store, &present, BTreeMap::from([(0, (3, 9))])).await);
        assert_eq!(store.view().mirrors["t"].jumps[&0].to, 9);
        fail(&store, &present, 0, failure).await;
        assert!(matches!(store.view().mirrors["t"].state, MirrorState::Failed { .. }));
    }
}
