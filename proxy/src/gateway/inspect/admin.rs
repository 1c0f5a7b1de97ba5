//! What administrators may not do to a read-only mirror topic: delete records, add partitions, alter configs that follow
//! the source; and to Linkgate's own topic: anything. Of a request that names other topics, too, the rest goes on.

use bytes::Bytes;
use state::model::TopicGuard;

use crate::wire::admin_requests::{
    AlteredResource, TOPIC_RESOURCE, read_alter_configs, read_create_partitions, read_delete_records,
    read_delete_topics,
};
use crate::wire::entry_list::EntryList;
use crate::wire::header::RequestPrefix;
use crate::wire::primitive::{Text, WireError};
use crate::wire::topic_ref::TopicRef;
use crate::wire::versions;

use super::super::inflight::{Answer, RefusedTopic};
use super::super::mirror_guard::Guards;
use super::super::reply;
use super::super::requests::{RequestSide, Stop, request_error, response_error};

/// What becomes of a request.
enum Verdict {
    /// All of it goes on.
    Allowed,
    /// Nothing goes on.
    Refused(Vec<RefusedTopic>),
    /// These pieces go on.
    Partly { rest: Vec<Bytes>, refused: Vec<RefusedTopic> },
}

impl RequestSide {
    pub(super) async fn admin(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), Stop> {
        if self.guards.guard_nothing() {
            self.expect(prefix, Answer::Pass).await?;
            return self.pass(size).await;
        }
        let frame = self.take(size).await?;
        let verdict = judge(&self.guards, prefix, &frame).map_err(|source| request_error(prefix, source))?;
        let (answer, rest) = match verdict {
            Verdict::Allowed => (Answer::Pass, Some(vec![frame])),
            Verdict::Refused(refused) => {
                self.count(prefix, &refused);
                let frame =
                    reply::refused(prefix, &refused).map_err(|source| response_error(prefix, source))?;
                (Answer::Local(frame), None)
            }
            Verdict::Partly { rest, refused } => {
                self.count(prefix, &refused);
                (Answer::Merge(refused), Some(rest))
            }
        };
        self.expect(prefix, answer).await?;
        match rest {
            Some(rest) => self.send(rest).await,
            None => Ok(()),
        }
    }

    fn count(&self, prefix: RequestPrefix, refused: &[RefusedTopic]) {
        let api = versions::api(prefix.api_key).map_or("", |api| api.name);
        for topic in refused {
            self.metrics.refused_request(api, &topic.name);
            tracing::info!(api, topic = topic.name, "request that would change a guarded topic refused");
        }
    }
}

fn judge(guards: &Guards, prefix: RequestPrefix, frame: &Bytes) -> Result<Verdict, WireError> {
    let version = prefix.api_version;
    Ok(match prefix.api_key {
        // Mirror topics may be deleted: that ends the mirror.
        versions::DELETE_TOPICS => verdict(frame, &read_delete_topics(frame, version)?, |topic| {
            let guard = guards.read_only(topic).filter(TopicGuard::is_linkgates_own)?;
            let message = own_topic("Cannot delete", &guard);
            Some(RefusedTopic { topic: topic.clone(), name: guard.topic, partitions: Vec::new(), message })
        }),
        versions::DELETE_RECORDS => verdict(frame, &read_delete_records(frame, version)?, |topic| {
            let guard = guards.read_only_name(&topic.name)?;
            let what = "Cannot delete records of read-only mirror topic";
            Some(refused(&topic.name, topic.partitions.clone(), way_out(what, &guard)))
        }),
        versions::CREATE_PARTITIONS => verdict(frame, &read_create_partitions(frame, version)?, |name| {
            let guard = guards.read_only_name(name)?;
            let what = "Cannot add partitions to read-only mirror topic";
            Some(refused(name, Vec::new(), way_out(what, &guard)))
        }),
        api_key => verdict(frame, &read_alter_configs(frame, api_key, version)?, |resource| {
            let guard = Some(resource)
                .filter(|r| r.kind == TOPIC_RESOURCE)
                .and_then(|r| guards.read_only_name(&r.name))?;
            let message = locked(&guard, resource, api_key == versions::ALTER_CONFIGS)?;
            Some(refused(&resource.name, Vec::new(), message))
        }),
    })
}

fn verdict<E>(
    frame: &Bytes,
    entries: &EntryList<E>,
    refusal: impl Fn(&E) -> Option<RefusedTopic>,
) -> Verdict {
    let refused: Vec<_> = entries.iter().filter_map(&refusal).collect();
    if refused.is_empty() {
        Verdict::Allowed
    } else if refused.len() == entries.iter().len() {
        Verdict::Refused(refused)
    } else {
        Verdict::Partly { rest: entries.kept(frame, |entry| refusal(entry).is_none()), refused }
    }
}

fn refused(name: &Text, partitions: Vec<i32>, message: String) -> RefusedTopic {
    RefusedTopic { topic: TopicRef::Name(name.clone()), name: name.as_str().to_owned(), partitions, message }
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
    let named = resource.configs.iter().map(Text::as_str);
    let locked: Vec<_> = named.filter(|name| guard.locked_configs.contains(*name)).collect();
    (!locked.is_empty()).then(|| {
        format!(
            "Cannot modify mirror topic {topic} because '{}' are set to always sync. They follow its source over link \
             '{link}': change them there, or promote the mirror topic or fail it over first.",
            locked.join(",")
        )
    })
}
