//! Refuses requests of administrators that would change a read-only mirror topic: to delete records, add
//! partitions, or alter configs that follow the source. Linkgate's own topic cannot be deleted either, nor
//! can any of its configs be altered. If a request names other topics too, the rest of it is sent on.

use std::collections::BTreeSet;

use bytes::Bytes;
use state::model::TopicGuard;

use crate::wire::messages::admin_requests::{
    AlteredResource, TOPIC_RESOURCE, read_alter_configs, read_create_partitions, read_delete_records,
    read_delete_topics,
};
use crate::wire::protocol::header::RequestPrefix;
use crate::wire::protocol::primitive::{Text, WireError};
use crate::wire::protocol::topic_ref::TopicRef;
use crate::wire::protocol::versions;

use crate::gateway::guards::Guards;
use crate::gateway::in_flight::ResponsePlan;
use crate::gateway::reply::refusal::RequestRefusals;
use crate::gateway::request::end::RequestEnd;
use crate::gateway::request::plan::Judged;
use crate::gateway::request::side::RequestSide;

impl RequestSide {
    pub(crate) async fn admin(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), RequestEnd> {
        let frame = self.take(size).await?;
        let judged = self.judged(prefix, &frame, judge).await?;
        if !judged.refused.is_empty() {
            self.count(prefix, &judged.refused);
        }
        let plan = judged.plan(Some(ResponsePlan::Pass));
        self.execute(prefix, &frame, plan, judge).await
    }

    /// Counts each refused topic once per request, however often the request names it, and logs the refusal.
    pub(crate) fn count(&self, prefix: RequestPrefix, refused: &RequestRefusals) {
        let api = versions::api(prefix.api_key).map_or("", |api| api.name);
        for (topic, _) in refused.by_topic() {
            self.metrics.refused_request(api, topic);
        }
        let Some((topic, _)) = refused.by_topic().next() else { return };
        let entries = refused.entries();
        match self.log_limiter.may_log(api) {
            Some(suppressed) => {
                tracing::info!(
                    api,
                    topic,
                    entries,
                    suppressed,
                    "refused a request that would change a mirror topic or Linkgate's own topic"
                );
            }
            None => tracing::debug!(
                api,
                topic,
                entries,
                "refused a request that would change a mirror topic or Linkgate's own topic"
            ),
        }
    }
}

fn judge(guards: &Guards, prefix: RequestPrefix, frame: &Bytes) -> Result<Judged, WireError> {
    let version = prefix.api_version;
    let mut refused = RequestRefusals::default();
    // Returns true if clients may change the topic. Otherwise refuses the entry.
    let mut stays = |name: Text, partitions: Vec<i32>, what: &str| {
        let named = TopicRef::Name(name);
        let Some(guard) = guards.read_only(&named) else { return Ok(true) };
        refused.add(&guard, &named, partitions, || way_out(what, &guard)).map(|()| false)
    };
    let kept = match prefix.api_key {
        // Mirror topics may be deleted, which ends the mirror.
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

/// Returns the reason why these configs may not be altered, or `None` if they may.
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
    // Each config is named once: a request may name one a hundred thousand times.
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
