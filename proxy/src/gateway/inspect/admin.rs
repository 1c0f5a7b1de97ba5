//! What administrators may not do to a read-only mirror topic: delete records, add partitions, alter configs that follow
//! the source; and to Linkgate's own topic: anything. Of a request that names other topics, too, the rest goes on.

use std::collections::BTreeSet;

use bytes::Bytes;
use state::model::TopicGuard;

use crate::wire::admin_requests::{
    AlteredResource, TOPIC_RESOURCE, read_alter_configs, read_create_partitions, read_delete_records,
    read_delete_topics,
};
use crate::wire::header::RequestPrefix;
use crate::wire::primitive::{Text, WireError};
use crate::wire::topic_ref::TopicRef;
use crate::wire::versions;

use super::super::inflight::Answer;
use super::super::mirror_guard::Guards;
use super::super::refusal::Refusals;
use super::super::reply;
use super::super::requests::{RequestSide, Stop, response_error};
use super::Judged;

impl RequestSide {
    pub(super) async fn admin(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), Stop> {
        let frame = self.take(size).await?;
        let Judged { kept, refused } = self.judged(prefix, &frame, judge).await?;
        if refused.is_empty() {
            self.expect(prefix, Answer::Pass).await?;
            return self.send_kept(prefix, &frame, &kept, judge).await;
        }
        self.count(prefix, &refused);
        if kept.is_none() {
            let reply = reply::refused(prefix, &refused.topics);
            let reply = reply.map_err(|source| response_error(prefix, source))?;
            return Ok(self.expect(prefix, Answer::Local(reply)).await?);
        }
        self.expect(prefix, Answer::Merge(refused)).await?;
        self.send_kept(prefix, &frame, &kept, judge).await
    }

    /// Once a request and topic, however often the request names it.
    pub(super) fn count(&self, prefix: RequestPrefix, refused: &Refusals) {
        let api = versions::api(prefix.api_key).map_or("", |api| api.name);
        for (topic, _) in refused.by_topic() {
            self.metrics.refused_request(api, topic);
        }
        let Some((topic, _)) = refused.by_topic().next() else { return };
        let entries = refused.entries();
        match self.complaints.may_tell(api) {
            Some(untold) => {
                tracing::info!(
                    api,
                    topic,
                    entries,
                    untold,
                    "request that would change a guarded topic refused"
                );
            }
            None => tracing::debug!(api, topic, entries, "request that would change a guarded topic refused"),
        }
    }
}

fn judge(guards: &Guards, prefix: RequestPrefix, frame: &Bytes) -> Result<Judged, WireError> {
    let version = prefix.api_version;
    let mut refused = Refusals::default();
    // Whether the topic is no mirror; otherwise it is refused.
    let mut stays = |name: Text, partitions: Vec<i32>, what: &str| {
        let named = TopicRef::Name(name);
        let Some(guard) = guards.read_only(&named) else { return Ok(true) };
        refused.add(&guard, &named, partitions, || way_out(what, &guard)).map(|()| false)
    };
    let kept = match prefix.api_key {
        // Mirror topics may be deleted: that ends the mirror.
        versions::DELETE_TOPICS => read_delete_topics(frame, version, |named| {
            let guard = guards.read_only(&named).filter(TopicGuard::is_linkgates_own);
            let Some(guard) = guard else { return Ok(true) };
            let message = || own_topic("Cannot delete", &guard);
            refused.add(&guard, &named, Vec::new(), message).map(|()| false)
        }),
        versions::DELETE_RECORDS => read_delete_records(frame, version, |topic| {
            stays(topic.name, topic.partitions, "Cannot delete records of read-only mirror topic")
        }),
        versions::CREATE_PARTITIONS => read_create_partitions(frame, version, |name| {
            stays(name, Vec::new(), "Cannot add partitions to read-only mirror topic")
        }),
        api_key => read_alter_configs(frame, api_key, version, |resource| {
            let named = TopicRef::Name(resource.name.clone());
            let guard = Some(&named).filter(|_| resource.kind == TOPIC_RESOURCE);
            let Some(guard) = guard.and_then(|named| guards.read_only(named)) else { return Ok(true) };
            let Some(message) = locked(&guard, &resource, api_key == versions::ALTER_CONFIGS) else {
                return Ok(true);
            };
            refused.add(&guard, &named, Vec::new(), || message).map(|()| false)
        }),
    }?;
    Ok(Judged { kept, refused })
}

fn own_topic(what: &str, guard: &TopicGuard) -> String {
    format!("{what} topic '{}': it is Linkgate's own.", guard.topic)
}

fn way_out(what: &str, guard: &TopicGuard) -> String {
    if guard.is_linkgates_own() {
        return own_topic("Cannot change", guard);
    }
    let TopicGuard { topic, link, .. } = guard;
    format!(
        "{what} '{topic}'. It follows its source over link '{link}': do it on the source, or promote the mirror topic or \
         fail it over first."
    )
}

/// Why these configs may not be altered; `None` where they may.
fn locked(guard: &TopicGuard, resource: &AlteredResource, replaces_all: bool) -> Option<String> {
    if guard.is_linkgates_own() {
        return Some(own_topic("Cannot change", guard));
    }
    let TopicGuard { topic, link, .. } = guard;
    if replaces_all {
        return Some(format!(
            "Cannot modify mirror topic {topic}: AlterConfigs replaces all its configs, also those that follow its source \
             over link '{link}'. Use IncrementalAlterConfigs for those that do not."
        ));
    }
    // Each once: a request may name one a hundred thousand times.
    let named: BTreeSet<_> = resource.configs.iter().map(Text::as_str).collect();
    let locked: Vec<_> = named.into_iter().filter(|name| guard.locked_configs.contains(*name)).collect();
    (!locked.is_empty()).then(|| {
        format!(
            "Cannot modify mirror topic {topic} because '{}' are set to always sync. They follow its source over link \
             '{link}': change them there, or promote the mirror topic or fail it over first.",
            locked.join(",")
        )
    })
}
