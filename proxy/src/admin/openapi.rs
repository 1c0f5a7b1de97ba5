//! `/openapi.json`. The schemas come from the REST data types, the paths from the table below.

use axum::response::Response;
use linkctl::rest;
use serde_json::{Map, Value, json};
use utoipa::OpenApi as _;

use crate::admin::call;

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

/// One operation of the API.
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    /// The path, without the prefix.
    pub(crate) path: &'static str,
    id: &'static str,
    summary: &'static str,
    /// Query parameters with their types.
    query: &'static [(&'static str, &'static str)],
    request: Option<&'static str>,
    /// Schema of the 200 response; `None` if the response is 204.
    response: Option<&'static str>,
}

type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    Option<&'static str>,
    Option<&'static str>,
);

const LINK: &str = "/clusters/{cluster}/links/{link}";
const CONFIG: &str = "/clusters/{cluster}/links/{link}/configs/{name}";
const MIRRORS: &str = "/clusters/{cluster}/links/{link}/mirrors";
/// The only operation with two successful responses.
const CREATE_MIRROR: &str = "createMirror";
const VALIDATE: &[(&str, &str)] = &[("validate_only", "boolean")];
const ALTER: Option<&str> = Some("AlterMirrorsRequest");
const ALTERED: Option<&str> = Some("DataList_AlterMirrorsEntry");

#[rustfmt::skip]
const ROWS: [Row; 23] = [
    ("get", "/clusters", "listClusters", "The destination cluster", &[], None, Some("DataList_ClusterData")),
    ("get", "/clusters/{cluster}", "getCluster", "The destination cluster", &[], None, Some("ClusterData")),
    ("get", "/clusters/{cluster}/clients", "listClients", "Open connections of Kafka clients",
        &[("client_id", "string"), ("principal", "string"), ("page_size", "integer"), ("page_token", "integer")],
        None, Some("DataList_ClientData")),
    ("get", "/clusters/{cluster}/journal", "listJournal", "Journal records: what changed, when, by whom and why; the latest first",
        &[("since_ms", "integer"), ("page_size", "integer"), ("page_token", "integer")],
        None, Some("DataList_JournalRecordData")),
    ("post", "/clusters/{cluster}/journal:backup", "backUpJournal",
        "Makes a consistent copy of the journal on the daemon's machine", &[], Some("JournalBackupRequest"), Some("JournalBackupData")),
    ("get", "/clusters/{cluster}/links", "listLinks", "All links", &[], None, Some("DataList_LinkData")),
    ("post", "/clusters/{cluster}/links", "createLink", "Creates a link",
        &[("link_name", "string"), ("validate_only", "boolean"), ("validate_link", "boolean")], Some("CreateLinkRequest"), None),
    ("get", LINK, "getLink", "A link", &[("include_tasks", "boolean")], None, Some("LinkData")),
    ("delete", LINK, "deleteLink", "Deletes a link", &[("force", "boolean"), ("validate_only", "boolean")], None, None),
    ("get", "/clusters/{cluster}/links/{link}/configs", "listLinkConfigs", "All configs of a link, defaults included",
        &[], None, Some("DataList_LinkConfigData")),
    ("put", "/clusters/{cluster}/links/{link}/configs:alter", "alterLinkConfigs", "Alters configs, all or none",
        VALIDATE, Some("AlterConfigsRequest"), None),
    ("get", CONFIG, "getLinkConfig", "A config of a link", &[], None, Some("LinkConfigData")),
    ("put", CONFIG, "updateLinkConfig", "Sets a config", &[], Some("UpdateConfigRequest"), None),
    ("delete", CONFIG, "resetLinkConfig", "Resets a config to its default", &[], None, None),
    ("get", MIRRORS, "listMirrors", "Mirror topics of a link, or of all with '-'",
        &[("mirror_status", "string"), ("include_partitions", "boolean")], None, Some("DataList_MirrorData")),
    ("post", MIRRORS, CREATE_MIRROR, "Creates a mirror topic (204), or shows what that would take (200)",
        VALIDATE, Some("CreateMirrorRequest"), Some("MirrorForecastData")),
    ("get", "/clusters/{cluster}/links/{link}/mirrors/{topic}", "getMirror", "A mirror topic",
        &[("include_state_transition_errors", "boolean")], None, Some("MirrorData")),
    ("get", "/clusters/{cluster}/links/{link}/mirrors/{topic}/filler", "getFiller",
        "Filler in the topic, from the latest scan", &[], None, Some("FillerData")),
    ("post", "/clusters/{cluster}/links/{link}/mirrors/{topic}/filler:scan", "scanFiller",
        "Starts a count of filler, unless one is running", &[], None, Some("FillerData")),
    ("post", "/clusters/{cluster}/links/{link}/mirrors:promote", "promoteMirrors", "Promotes mirror topics", VALIDATE, ALTER, ALTERED),
    ("post", "/clusters/{cluster}/links/{link}/mirrors:failover", "failoverMirrors", "Fails mirror topics over", VALIDATE, ALTER, ALTERED),
    ("post", "/clusters/{cluster}/links/{link}/mirrors:pause", "pauseMirrors", "Pauses mirror topics", VALIDATE, ALTER, ALTERED),
    ("post", "/clusters/{cluster}/links/{link}/mirrors:resume", "resumeMirrors", "Resumes mirror topics", VALIDATE, ALTER, ALTERED),
];

/// Returns all operations of the REST v3 API.
pub(crate) fn operations() -> impl Iterator<Item = Operation> {
    ROWS.into_iter().map(|(method, path, id, summary, query, request, response)| Operation {
        method,
        path,
        id,
        summary,
        query,
        request,
        response,
    })
}

/// `GET /openapi.json`: returns the document.
pub(crate) async fn document() -> Response {
    call::json(&build())
}

/// Builds the whole document.
pub(crate) fn build() -> Value {
    let mut document = serde_json::to_value(Schemas::openapi()).unwrap_or_default();
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations() {
        let item = paths.entry(operation.path).or_insert_with(|| json!({}));
        item[operation.method] = describe(&operation);
    }
    document["paths"] = Value::Object(paths);
    document["servers"] = json!([{"url": rest::PREFIXES[0]}, {"url": rest::PREFIXES[1]}]);
    document
}

fn describe(operation: &Operation) -> Value {
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
