//! `/clusters`: the destination cluster. There is exactly one.

use axum::extract::State;
use axum::response::Response;
use linkctl::rest::{ClusterData, DataList, Related, ResourceMetadata};

use crate::admin::Admin;
use crate::admin::call::{Call, json};
use crate::admin::operator::Operator;
use crate::admin::problem::Problem;

/// `GET /clusters`: lists the destination cluster.
pub(crate) async fn list<O: Operator>(
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

/// `GET /clusters/{cid}`: returns the destination cluster.
pub(crate) async fn get<O: Operator>(State(admin): State<Admin<O>>, call: Call) -> Result<Response, Problem> {
    let id = admin.cluster(&call)?;
    Ok(json(&cluster(&call, &id)))
}

/// Resources that the body of a cluster links to, as in Confluent's API. Clients must ask the brokers about
/// them.
const RELATED: [&str; 6] = ["controller", "acls", "brokers", "broker-configs", "consumer-groups", "topics"];

/// Answers a request for such a resource: an error that refers to the brokers. A bare 404 could be taken for
/// a cluster without topics.
pub(crate) async fn elsewhere<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    let _ = admin.cluster(&call)?;
    match call.param("related") {
        name if RELATED.contains(&name) => Err(Problem::not_served(name)),
        _ => Err(Problem::not_found("HTTP 404 Not Found")),
    }
}

/// Answers a request for a topic, or for something below it, with the same error.
pub(crate) async fn topic<O: Operator>(
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
