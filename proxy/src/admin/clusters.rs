//! `/clusters`: the one destination cluster.

use axum::extract::State;
use axum::response::Response;
use linkctl::rest::{ClusterData, DataList, Related, ResourceMetadata};

use super::Admin;
use super::call::{Call, json};
use super::operator::Operator;
use super::problem::Problem;

/// `GET /clusters`.
pub(super) async fn list<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    let id = admin.known_cluster()?;
    Ok(json(&DataList {
        kind: "KafkaClusterList".into(),
        metadata: call.list_metadata(&["clusters"]),
        data: vec![cluster(&call, &id)],
    }))
}

/// `GET /clusters/{cid}`.
pub(super) async fn get<O: Operator>(State(admin): State<Admin<O>>, call: Call) -> Result<Response, Problem> {
    let id = admin.cluster(&call)?;
    Ok(json(&cluster(&call, &id)))
}

/// What the body of a cluster refers to, as Confluent's does, and brokers tell better.
const RELATED: [&str; 6] = ["controller", "acls", "brokers", "broker-configs", "consumer-groups", "topics"];

/// Any of those: says where to ask instead, so that no client takes it for a cluster without topics.
pub(super) async fn elsewhere<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    let _ = admin.cluster(&call)?;
    match call.param("related") {
        name if RELATED.contains(&name) => Err(Problem::not_served(name)),
        _ => Err(Problem::not_found("HTTP 404 Not Found")),
    }
}

/// The same for a topic and what is below it.
pub(super) async fn topic<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    let _ = admin.cluster(&call)?;
    Err(Problem::not_served("topics"))
}

fn cluster(call: &Call, id: &str) -> ClusterData {
    let related = |name: &str| Related { related: call.url(&["clusters", id, name]) };
    ClusterData {
        kind: "KafkaCluster".into(),
        metadata: ResourceMetadata {
            self_url: call.url(&["clusters", id]),
            resource_name: Some(format!("crn:///kafka={id}")),
        },
        cluster_id: id.to_owned(),
        controller: related("controller"),
        acls: related("acls"),
        brokers: related("brokers"),
        broker_configs: related("broker-configs"),
        consumer_groups: related("consumer-groups"),
        topics: related("topics"),
        partition_reassignments: Related {
            related: format!("{}/topics/-/partitions/-/reassignment", call.url(&["clusters", id])),
        },
    }
}
