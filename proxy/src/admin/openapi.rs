//! `/openapi.json`. The schemas come from the REST data types, the paths from the table of operations.

use axum::response::Response;
use linkctl::rest;
use serde_json::{Map, Value, json};
use utoipa::OpenApi as _;

use crate::admin::call;
use crate::admin::operations::{CREATE_MIRROR, Operation, operations};
use crate::admin::operator::Operator;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Linkgate REST API", description = "Cluster links and mirror topics, as REST v3 of Confluent Server has them."),
    components(schemas(
        rest::DataList<rest::ClusterData>,
        rest::ClusterData,
        rest::DataList<rest::ClientData>,
        rest::ClientData,
        rest::DataList<rest::JournalRecordData>,
        rest::JournalRecordData,
        rest::JournalChange,
        rest::JournalField,
        rest::JournalBackupRequest,
        rest::JournalBackupData,
        rest::DataList<rest::LinkData>,
        rest::LinkData,
        rest::CreateLinkRequest,
        rest::DataList<rest::LinkConfigData>,
        rest::LinkConfigData,
        rest::UpdateConfigRequest,
        rest::AlterConfigsRequest,
        rest::DataList<rest::MirrorData>,
        rest::MirrorData,
        rest::CreateMirrorRequest,
        rest::MirrorForecastData,
        rest::FillerData,
        rest::AlterMirrorsRequest,
        rest::DataList<rest::AlterMirrorsEntry>,
        rest::AlterMirrorsEntry,
        rest::ErrorBody,
    ))
)]
struct Schemas;

/// `GET /openapi.json`: returns the document.
pub(crate) async fn document<O: Operator>() -> Response {
    call::json(&build::<O>())
}

/// Builds the whole document.
pub(crate) fn build<O: Operator>() -> Value {
    let mut document = serde_json::to_value(Schemas::openapi()).unwrap_or_default();
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations::<O>() {
        let item = paths.entry(operation.path).or_insert_with(|| json!({}));
        item[operation.method] = describe(&operation);
    }
    document["paths"] = Value::Object(paths);
    document["servers"] = json!([{"url": rest::PREFIXES[0]}, {"url": rest::PREFIXES[1]}]);
    document
}

fn describe<O>(operation: &Operation<O>) -> Value {
    let in_path = operation.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let parameters: Vec<Value> = in_path
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .chain(operation.query.iter().map(|(name, kind)| {
            json!({"name": name, "in": "query", "required": *name == "link_name", "schema": {"type": kind}})
        }))
        .collect();
    let success = match operation.response {
        Some(schema) => ("200", json!({"description": "Done", "content": content(schema)})),
        None => ("204", json!({"description": "Done"})),
    };
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": parameters,
        "responses": {
            success.0: success.1,
            "default": {"description": "What went wrong", "content": content("ErrorBody")},
        },
    });
    if operation.id == CREATE_MIRROR {
        described["responses"]["204"] = json!({"description": "Done"});
    }
    if let Some(schema) = operation.request {
        described["requestBody"] = json!({"required": true, "content": content(schema)});
    }
    described
}

fn content(schema: &str) -> Value {
    json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}})
}
