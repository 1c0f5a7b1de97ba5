//! `/clusters/{cid}/links/{link}/mirrors`: mirror topics. The link `-` stands for all links.

use crate::admin::mirror_body::status;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use linkctl::rest::{
    CreateMirrorRequest, DataList, MirrorData, MirrorForecastData, PartitionForecast, ResourceMetadata,
};
use state::model::{MirrorStatus, MirrorTopic, View};

use crate::admin::Admin;
use crate::admin::call::{Call, json};
use crate::admin::links::configs;
use crate::admin::mirror_body;
use crate::admin::operator::Operator;
use crate::admin::problem::Problem;
use crate::mirror::command::start_offset::SourceRange;
use crate::mirror::command::types::{CreateMirror, MirrorForecast};

/// The link segment that stands for all links.
pub(crate) const ALL_LINKS: &str = "-";

/// Statuses of features that this version does not have. No mirror topic has them, but clients may filter by
/// any status.
const NEVER: [&str; 3] = ["PENDING_SYNCHRONIZE", "PENDING_SETUP_FOR_RESTORE", "PENDING_RESTORE"];

/// `GET …/mirrors`. With `include_partitions=false` the response holds no data of partitions: neither lags
/// nor states.
pub(crate) async fn list<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    let cluster = admin.cluster(&call)?;
    let wanted = call.query("mirror_status").map(StateFilter::named).transpose()?.unwrap_or(StateFilter::Any);
    let with_partitions = call.flag("include_partitions", true)?;
    let link = call.param("link");
    let view = match link {
        ALL_LINKS => admin.operator.view(),
        _ => admin.link(&call)?.0,
    };
    let of_link = view.mirrors.values().filter(|mirror| link == ALL_LINKS || mirror.link == link);
    let data = of_link.filter_map(|mirror| {
        let status = status(&view, mirror);
        wanted.takes(status).then(|| match with_partitions {
            true => body_of(&admin, &call, &cluster, &view, mirror),
            false => {
                let wait = admin.operator.stop_wait(&view, mirror);
                mirror_body::brief(&call, &cluster, &view, mirror, wait.as_ref())
            }
        })
    });
    Ok(json(&DataList {
        kind: "KafkaMirrorDataList".into(),
        metadata: call.list_metadata(&["clusters", &cluster, "links", link, "mirrors"]),
        data: data.collect::<Vec<_>>(),
    }))
}

/// `GET …/mirrors/{topic}`: returns one mirror topic.
pub(crate) async fn get<O: Operator>(State(admin): State<Admin<O>>, call: Call) -> Result<Response, Problem> {
    let cluster = admin.cluster(&call)?;
    let with_errors = call.flag("include_state_transition_errors", false)?;
    let (view, mirror) = named(&admin, &call)?;
    let mut body = body_of(&admin, &call, &cluster, &view, &mirror);
    if with_errors {
        let wait = admin.operator.stop_wait(&view, &mirror);
        body.mirror_state_transition_errors = Some(mirror_body::transition_errors(&mirror, wait.as_ref()));
    }
    Ok(json(&body))
}

fn body_of<O: Operator>(
    admin: &Admin<O>,
    call: &Call,
    cluster: &str,
    view: &View,
    mirror: &MirrorTopic,
) -> MirrorData {
    let (progress, wait) = (admin.operator.progress(&mirror.topic), admin.operator.stop_wait(view, mirror));
    mirror_body::of(call, cluster, view, mirror, &progress, wait.as_ref())
}

/// Returns the mirror topic that the path names, and its view.
pub(crate) fn named<O: Operator>(admin: &Admin<O>, call: &Call) -> Result<(Arc<View>, MirrorTopic), Problem> {
    let (link, topic) = (call.param("link"), call.param("topic"));
    let view = match link {
        ALL_LINKS => admin.operator.view(),
        _ => admin.link(call)?.0,
    };
    let mirror = view.mirrors.get(topic).filter(|mirror| link == ALL_LINKS || mirror.link == link);
    let mirror = mirror.cloned().ok_or_else(|| Problem::not_a_mirror(topic))?;
    Ok((view, mirror))
}

/// `POST …/mirrors`: 204; with `validate_only=true` 200 and a forecast of the creation.
pub(crate) async fn create<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    let cluster = admin.cluster(&call)?;
    let validate_only = call.flag("validate_only", false)?;
    let request: CreateMirrorRequest = call.json()?;
    call.audit.names([request.source_topic_name.as_str()]);
    call.audit.names(request.configs.iter().map(|entry| entry.name.as_str()));
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
    if validate_only {
        let forecast = admin.operator.forecast_mirror(request).await?;
        return Ok(json(&forecast_body(&call, &cluster, forecast)));
    }
    admin.operator.create_mirror(request).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn forecast_body(call: &Call, cluster: &str, forecast: MirrorForecast) -> MirrorForecastData {
    let partition = |(partition, range): (i32, &SourceRange)| PartitionForecast {
        partition,
        source_log_start_offset: range.log_start,
        start_offset: range.start,
        source_high_watermark: range.end,
        offsets_to_fill: range.to_fill(),
        offsets_to_copy: range.to_copy(),
    };
    let partitions: Vec<PartitionForecast> = (0..).zip(&forecast.partitions).map(partition).collect();
    MirrorForecastData {
        kind: "KafkaMirrorForecast".into(),
        metadata: ResourceMetadata {
            self_url: mirror_body::url(call, cluster, &forecast.link, &forecast.topic),
            resource_name: Some(format!("crn:///kafka={cluster}")),
        },
        link_name: forecast.link,
        mirror_topic_name: forecast.topic,
        source_topic_name: forecast.source_topic,
        start_offset_spec: forecast.start.to_string(),
        offsets_to_fill: forecast.fill.offsets,
        offsets_to_copy: partitions
            .iter()
            .fold(0, |sum: u64, partition| sum.saturating_add(partition.offsets_to_copy)),
        estimated_fill_ms: forecast.fill.millis,
        estimated_fill_bytes: forecast.fill.bytes,
        partitions,
    }
}

/// Filter of a list of mirror topics.
#[derive(Clone, Copy)]
enum StateFilter {
    Any,
    None,
    Only(MirrorStatus),
}

impl StateFilter {
    fn named(text: &str) -> Result<StateFilter, Problem> {
        if NEVER.iter().any(|name| name.eq_ignore_ascii_case(text)) {
            return Ok(StateFilter::None);
        }
        let found = MirrorStatus::ALL.iter().copied().find(|status| status.name().eq_ignore_ascii_case(text));
        found.map(StateFilter::Only).ok_or_else(|| {
            let names: Vec<&str> =
                MirrorStatus::ALL.iter().map(|status| status.name()).chain(NEVER).collect();
            Problem::bad_request(format!("mirror_status={text}: expected one of {}", names.join(", ")))
        })
    }

    fn takes(self, status: MirrorStatus) -> bool {
        match self {
            StateFilter::Any => true,
            StateFilter::None => false,
            StateFilter::Only(wanted) => wanted == status,
        }
    }
}
