//! `…/mirrors:{verb}`: promote, failover, pause and resume. The answer is 200 when every topic has its own verdict.

use axum::extract::State;
use axum::response::Response;
use linkctl::rest::{AlterMetadata, AlterMirrorsEntry, AlterMirrorsRequest, DataList};

use super::Admin;
use super::call::{Call, json};
use super::mirror_body::{lags, url};
use super::mirrors::ALL_LINKS;
use super::operator::Operator;
use super::problem::Problem;
use crate::mirror::handle::{MirrorAction, Selector};

/// `POST …/mirrors:promote`.
pub(super) async fn promote<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    alter(&admin, &call, MirrorAction::Promote).await
}

/// `POST …/mirrors:failover`.
pub(super) async fn failover<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    alter(&admin, &call, MirrorAction::Failover).await
}

/// `POST …/mirrors:pause`.
pub(super) async fn pause<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    alter(&admin, &call, MirrorAction::Pause).await
}

/// `POST …/mirrors:resume`.
pub(super) async fn resume<O: Operator>(
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
            error_code: error.as_ref().map(|error| error.error_code),
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
