//! `…/mirrors/{topic}/filler`: the amount of filler that a topic still holds. While there is filler, its
//! clients need the gateway.
//!
//! Counting reads the topic's logs. So a POST begins a scan, and GETs query it.

use axum::extract::State;
use axum::response::Response;
use linkctl::rest::{FillerData, FillerPartition, ResourceMetadata};
use state::model::MirrorTopic;

use crate::admin::Admin;
use crate::admin::call::{Call, json};
use crate::admin::mirrors::named;
use crate::admin::operator::Operator;
use crate::admin::problem::Problem;
use crate::mirror::filler_report::{FillerReport, PartitionFiller, ReportState, verdict};

/// `GET …/filler`: returns the latest scan, in progress or finished.
pub(crate) async fn get<O: Operator>(State(admin): State<Admin<O>>, call: Call) -> Result<Response, Problem> {
    let cluster = admin.cluster(&call)?;
    let (_, mirror) = named(&admin, &call)?;
    Ok(json(&body(&call, &cluster, &mirror, admin.operator.filler(&mirror))))
}

/// `POST …/filler:scan`: begins a scan, unless one of this topic is in progress.
pub(crate) async fn scan<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    let cluster = admin.cluster(&call)?;
    let (_, mirror) = named(&admin, &call)?;
    let census = admin.operator.scan_filler(&mirror);
    Ok(json(&body(&call, &cluster, &mirror, Some(census))))
}

fn body(call: &Call, cluster: &str, mirror: &MirrorTopic, census: Option<FillerReport>) -> FillerData {
    let verdict = verdict(mirror, census.as_ref());
    let (state, error) = match census.as_ref().map(|census| &census.state) {
        None => ("NONE", ""),
        Some(ReportState::Running) => ("RUNNING", ""),
        Some(ReportState::Done) => ("DONE", ""),
        Some(ReportState::Failed(reason)) => ("FAILED", reason.as_str()),
    };
    FillerData {
        kind: "KafkaMirrorFiller".into(),
        metadata: ResourceMetadata {
            self_url: call.url(&[
                "clusters",
                cluster,
                "links",
                &mirror.link,
                "mirrors",
                &mirror.topic,
                "filler",
            ]),
            resource_name: Some(format!("crn:///kafka={cluster}")),
        },
        link_name: mirror.link.clone(),
        mirror_topic_name: mirror.topic.clone(),
        state: state.into(),
        error: error.into(),
        started_ms: census.as_ref().map(|census| census.started_ms),
        finished_ms: census.as_ref().and_then(|census| census.finished_ms),
        percent: census.as_ref().map_or(0, FillerReport::percent),
        filler_offsets: census.as_ref().map_or(0, FillerReport::filler_offsets),
        gateway_needed: verdict.gateway_needed,
        explanation: verdict.explanation,
        partitions: census.map_or(Vec::new(), |census| {
            (0..).zip(census.partitions).map(|(number, tally)| partition(number, &tally)).collect()
        }),
    }
}

fn partition(partition: i32, tally: &PartitionFiller) -> FillerPartition {
    FillerPartition {
        partition,
        log_start_offset: tally.log_start,
        scan_end_offset: tally.end,
        scanned_to_offset: tally.scanned_to,
        filler_offsets: tally.filler_offsets,
        filler_batches: tally.filler_batches,
        last_filler_offset: tally.last_filler_offset,
    }
}
