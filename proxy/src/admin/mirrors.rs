//! `/clusters/{cid}/links/{link}/mirrors`: mirror topics. `-` for a link means all links.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use linkctl::rest::{CreateMirrorRequest, DataList};
use state::model::{LinkState, MirrorStatus, MirrorTopic, View};

use super::Admin;
use super::call::{Call, json};
use super::links::configs;
use super::mirror_body;
use super::operator::Operator;
use super::problem::Problem;
use crate::mirror::handle::CreateMirror;

/// The link segment that means all links.
pub(super) const ALL_LINKS: &str = "-";

const STATUSES: [MirrorStatus; 9] = [
    MirrorStatus::Active,
    MirrorStatus::Failed,
    MirrorStatus::LinkFailed,
    MirrorStatus::LinkPaused,
    MirrorStatus::Paused,
    MirrorStatus::PendingStopped,
    MirrorStatus::SourceUnavailable,
    MirrorStatus::Stopped,
    MirrorStatus::PendingMirror,
];

/// `GET …/mirrors`.
pub(super) async fn list<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    let cluster = admin.cluster(&call)?;
    let wanted = call.query("mirror_status").map(status_named).transpose()?;
    let link = call.param("link");
    let view = match link {
        ALL_LINKS => admin.operator.view(),
        _ => admin.link(&call)?.0,
    };
    let of_link = view.mirrors.values().filter(|mirror| link == ALL_LINKS || mirror.link == link);
    let data = of_link.filter_map(|mirror| {
        let status = status(&view, mirror);
        let take = wanted.is_none_or(|wanted| wanted == status);
        take.then(|| mirror_body::of(&call, &cluster, &view, mirror, &admin.operator.progress(&mirror.topic)))
    });
    Ok(json(&DataList {
        kind: "KafkaMirrorDataList".into(),
        metadata: call.list_metadata(&["clusters", &cluster, "links", link, "mirrors"]),
        data: data.collect::<Vec<_>>(),
    }))
}

/// `GET …/mirrors/{topic}`.
pub(super) async fn get<O: Operator>(State(admin): State<Admin<O>>, call: Call) -> Result<Response, Problem> {
    let cluster = admin.cluster(&call)?;
    let with_errors = call.flag("include_state_transition_errors", false)?;
    let (link, topic) = (call.param("link"), call.param("topic"));
    let view = match link {
        ALL_LINKS => admin.operator.view(),
        _ => admin.link(&call)?.0,
    };
    let mirror = view.mirrors.get(topic).filter(|mirror| link == ALL_LINKS || mirror.link == link);
    let mirror = mirror.ok_or_else(|| Problem::not_a_mirror(topic))?;
    let mut body = mirror_body::of(&call, &cluster, &view, mirror, &admin.operator.progress(topic));
    if with_errors {
        body.mirror_state_transition_errors = Some(mirror_body::transition_errors(mirror));
    }
    Ok(json(&body))
}

/// `POST …/mirrors`.
pub(super) async fn create<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<StatusCode, Problem> {
    let _ = admin.cluster(&call)?;
    let request: CreateMirrorRequest = call.json()?;
    if request.source_topic_name.is_empty() {
        return Err(Problem::bad_request("source_topic_name is required"));
    }
    let request = CreateMirror {
        link: call.param("link").to_owned(),
        source_topic: request.source_topic_name,
        mirror_topic: request.mirror_topic_name.filter(|name| !name.is_empty()),
        replication_factor: request.replication_factor,
        configs: configs(request.configs)?,
    };
    admin.operator.create_mirror(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a mirror topic's status is, its link's state included.
pub(super) fn status(view: &View, mirror: &MirrorTopic) -> MirrorStatus {
    let link = view.links.get(&mirror.link).map_or(LinkState::Failed, |link| link.state);
    mirror.status(link)
}

fn status_named(text: &str) -> Result<MirrorStatus, Problem> {
    let found = STATUSES.into_iter().find(|status| status.name().eq_ignore_ascii_case(text));
    found.ok_or_else(|| {
        let names: Vec<&str> = STATUSES.iter().map(|status| status.name()).collect();
        Problem::bad_request(format!("mirror_status={text}: expected one of {}", names.join(", ")))
    })
}
