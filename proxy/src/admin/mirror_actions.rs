//! `…/mirrors:{verb}`: promote, failover, pause and resume. The response is 200 with a result for each topic.

use axum::extract::State;
use axum::response::Response;
use linkctl::rest::{AlterMetadata, AlterMirrorsEntry, AlterMirrorsRequest, DataList};

use crate::admin::Admin;
use crate::admin::call::{Call, json};
use crate::admin::mirror_body::{lags, url};
use crate::admin::mirrors::ALL_LINKS;
use crate::admin::operator::Operator;
use crate::admin::problem::{Problem, codes};
use crate::mirror::command::types::{MirrorAction, Selector};

/// `POST …/mirrors:promote`: promotes mirror topics.
pub(crate) async fn promote<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    alter(&admin, &call, MirrorAction::Promote).await
}

/// `POST …/mirrors:failover`: fails mirror topics over.
pub(crate) async fn failover<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    alter(&admin, &call, MirrorAction::Failover).await
}

/// `POST …/mirrors:pause`: pauses mirror topics.
pub(crate) async fn pause<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    alter(&admin, &call, MirrorAction::Pause).await
}

/// `POST …/mirrors:resume`: resumes mirror topics.
pub(crate) async fn resume<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    alter(&admin, &call, MirrorAction::Resume).await
}

async fn alter<O: Operator>(
    admin: &Admin<O>,
    call: &Call,
    action: MirrorAction,
) -> Result<Response, Problem> {
    let cluster = admin.cluster(call)?;
    let request: AlterMirrorsRequest = call.json()?;
    let selector = match (request.mirror_topic_names, request.mirror_topic_name_pattern) {
        (Some(names), None) => {
            call.audit.names(names.iter().map(String::as_str));
            Selector::Names(names)
        }
        (None, Some(pattern)) => {
            call.audit.names([pattern.as_str()]);
            Selector::Pattern(pattern)
        }
        _ => {
            let message = "Give either mirror_topic_names or mirror_topic_name_pattern.";
            return Err(Problem::bad_request(message));
        }
    };
    let link = match call.param("link") {
        ALL_LINKS => None,
        _ => Some(admin.link(call)?.1.name),
    };
    let validate_only = call.flag("validate_only", false)?;
    let outcomes = admin.operator.alter_mirrors(link.as_deref(), selector, action, validate_only).await?;
    let view = admin.operator.view();
    let shown = link.as_deref().unwrap_or(ALL_LINKS);
    let entries = outcomes.into_iter().map(|outcome| {
        let of = view.mirrors.get(&outcome.topic).map_or(shown, |mirror| mirror.link.as_str());
        let error = outcome.result.err();
        AlterMirrorsEntry {
            kind: "AlterMirrorsData".into(),
            metadata: AlterMetadata {
                self_url: url(call, &cluster, of, &outcome.topic),
                resource: Some(format!("crn:///kafka={cluster}")),
            },
            mirror_topic_name: outcome.topic,
            error_code: error.as_ref().map(|error| codes(error.kind).1),
            error_message: error.map(|error| error.message),
            mirror_lags: lags(&outcome.progress),
            messages_truncated: None,
            partition_level_truncation_data: Vec::new(),
        }
    });
    Ok(json(&DataList {
        kind: "KafkaPromoteMirror".into(),
        metadata: call.list_metadata(&["clusters", &cluster, "links", shown, "mirrors"]),
        data: entries.collect::<Vec<_>>(),
    }))
}
