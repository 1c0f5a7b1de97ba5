//! `/clusters/{cid}/links`: cluster links.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use linkctl::rest::{
    CategoryCount, ConfigEntry, CreateLinkRequest, DataList, LinkData, LinkExtension, LinkTask,
    ResourceMetadata, TaskError,
};
use state::model::{Link, LinkState, MirrorStatus, View};

use crate::admin::Admin;
use crate::admin::call::{Call, json};
use crate::admin::operator::Operator;
use crate::admin::problem::Problem;
use crate::mirror::command::types::CreateLink;
use crate::mirror::sync::task_status::TaskStatus;

/// `GET …/links`: lists all links.
pub(crate) async fn list<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    let cluster = admin.cluster(&call)?;
    let view = admin.operator.view();
    Ok(json(&DataList {
        kind: "KafkaLinkDataList".into(),
        metadata: call.list_metadata(&["clusters", &cluster, "links"]),
        data: view.links.values().map(|link| body(&call, &cluster, &view, link, None)).collect::<Vec<_>>(),
    }))
}

/// `GET …/links/{link}`: returns one link.
pub(crate) async fn get<O: Operator>(State(admin): State<Admin<O>>, call: Call) -> Result<Response, Problem> {
    let cluster = admin.cluster(&call)?;
    let with_tasks = call.flag("include_tasks", false)?;
    let (view, link) = admin.link(&call)?;
    let tasks = with_tasks.then(|| admin.operator.tasks(&link.name));
    Ok(json(&body(&call, &cluster, &view, &link, tasks)))
}

/// `POST …/links`: creates a link.
pub(crate) async fn create<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<StatusCode, Problem> {
    let _ = admin.cluster(&call)?;
    let name = call.query("link_name").ok_or_else(|| Problem::bad_request("link_name is required"))?;
    let request: CreateLinkRequest = call.json()?;
    call.audit.names(request.configs.iter().map(|entry| entry.name.as_str()));
    for (field, value) in [
        ("destination_cluster_id", &request.destination_cluster_id),
        ("remote_cluster_id", &request.remote_cluster_id),
        ("cluster_link_id", &request.cluster_link_id),
    ] {
        if value.as_ref().is_some_and(|value| !value.is_empty()) {
            return Err(Problem::bad_request(format!(
                "{field}: this version supports destination-initiated links only; give source_cluster_id"
            )));
        }
    }
    let request = CreateLink {
        name: name.to_owned(),
        configs: configs(request.configs)?,
        expected_source_cluster_id: request.source_cluster_id.filter(|id| !id.is_empty()),
        validate_only: call.flag("validate_only", false)?,
        validate_link: call.flag("validate_link", true)?,
    };
    admin.operator.create_link(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE …/links/{link}`: deletes a link.
pub(crate) async fn delete<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<StatusCode, Problem> {
    let _ = admin.cluster(&call)?;
    let (force, validate_only) = (call.flag("force", false)?, call.flag("validate_only", false)?);
    admin.operator.delete_link(call.param("link"), force, validate_only).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Collects configs by name. A null value means unset; a repeated name is an error.
pub(crate) fn configs(entries: Vec<ConfigEntry>) -> Result<BTreeMap<String, String>, Problem> {
    let mut configs = BTreeMap::new();
    for ConfigEntry { name, value } in entries {
        let Some(value) = value else { continue };
        if configs.insert(name.clone(), value).is_some() {
            return Err(Problem::bad_request(format!("configs: '{name}' is given twice")));
        }
    }
    Ok(configs)
}

fn body(call: &Call, cluster: &str, view: &View, link: &Link, tasks: Option<Vec<TaskStatus>>) -> LinkData {
    let named = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mirrors = || view.mirrors_of(&link.name);
    let status = link.status();
    LinkData {
        kind: "KafkaLinkData".into(),
        metadata: ResourceMetadata {
            self_url: call.url(&["clusters", cluster, "links", &link.name]),
            resource_name: Some(format!("crn:///kafka={cluster}")),
        },
        source_cluster_id: named(&link.source_cluster_id),
        destination_cluster_id: None,
        remote_cluster_id: None,
        link_name: link.name.clone(),
        link_id: link.id.hyphenated(),
        cluster_link_id: link.id.to_string(),
        topic_names: mirrors()
            .filter(|mirror| mirror.is_read_only())
            .map(|mirror| mirror.topic.clone())
            .collect(),
        link_error: status.error.name().into(),
        link_error_message: named(&status.message),
        link_state: status.state.name().into(),
        tasks: tasks.map(|tasks| tasks.into_iter().map(task).collect()),
        category_counts: categories(mirrors().map(|mirror| mirror.status(status.state))),
        linkgate: Some(LinkExtension {
            local_cluster_id: cluster.to_owned(),
            link_mode: link.mode.name().into(),
            connection_mode: link.connection_mode.name().into(),
            // The source of a paused link is not contacted.
            remote_cluster_available: status.state == LinkState::Active,
        }),
    }
}

fn task(status: TaskStatus) -> LinkTask {
    let error = |(error_code, error_message)| TaskError { error_code, error_message };
    LinkTask {
        task_name: status.name.into(),
        state: status.state.into(),
        errors: status.errors.into_iter().map(error).collect(),
    }
}

fn categories(statuses: impl Iterator<Item = MirrorStatus>) -> Vec<CategoryCount> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for status in statuses {
        *counts.entry(category(status)).or_default() += 1;
    }
    counts.into_iter().map(|(name, count)| CategoryCount { state_category: name.to_owned(), count }).collect()
}

fn category(status: MirrorStatus) -> &'static str {
    match status {
        MirrorStatus::Active => "ACTIVE",
        MirrorStatus::Paused | MirrorStatus::LinkPaused => "PAUSED",
        MirrorStatus::PendingMirror | MirrorStatus::PendingStopped => "PENDING",
        MirrorStatus::Failed | MirrorStatus::LinkFailed | MirrorStatus::SourceUnavailable => "IN_ERROR",
        MirrorStatus::Stopped => "NOT_APPLICABLE",
    }
}
