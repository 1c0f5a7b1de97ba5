//! The operations of the REST v3 API. One table makes the routes and the OpenAPI document, so that neither can lack one.

use axum::routing::{MethodRouter, delete, get, post, put};

use crate::admin::operator::Operator;
use crate::admin::{Admin, clients, clusters, filler, journal, link_configs, links, mirror_actions, mirrors};

/// One operation of the API.
pub(crate) struct Operation<O> {
    pub(crate) method: &'static str,
    /// The path, without the prefix.
    pub(crate) path: &'static str,
    pub(crate) route: MethodRouter<Admin<O>>,
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    /// Query parameters with their types.
    pub(crate) query: &'static [(&'static str, &'static str)],
    pub(crate) request: Option<&'static str>,
    /// Schema of the 200 response; `None` if the response is 204.
    pub(crate) response: Option<&'static str>,
}

/// The only operation with two successful responses.
pub(crate) const CREATE_MIRROR: &str = "createMirror";

const LINK: &str = "/clusters/{cluster}/links/{link}";
const CONFIG: &str = "/clusters/{cluster}/links/{link}/configs/{name}";
const MIRRORS: &str = "/clusters/{cluster}/links/{link}/mirrors";
const VALIDATE: &[(&str, &str)] = &[("validate_only", "boolean")];
const ALTER: Option<&str> = Some("AlterMirrorsRequest");
const ALTERED: Option<&str> = Some("DataList_AlterMirrorsEntry");

/// Method and handler, path, id, summary, query parameters, schemas of request and response.
macro_rules! row {
    ($method:ident $handler:expr, $path:expr, $id:expr, $summary:literal, $query:expr, $request:expr, $response:expr) => {
        Operation {
            method: stringify!($method),
            path: $path,
            route: $method($handler),
            id: $id,
            summary: $summary,
            query: $query,
            request: $request,
            response: $response,
        }
    };
}

/// Returns all operations.
#[rustfmt::skip]
pub(crate) fn operations<O: Operator>() -> [Operation<O>; 23] {
    [
        row!(get clusters::list::<O>, "/clusters", "listClusters", "The destination cluster", &[], None, Some("DataList_ClusterData")),
        row!(get clusters::get::<O>, "/clusters/{cluster}", "getCluster", "The destination cluster", &[], None, Some("ClusterData")),
        row!(get clients::list::<O>, "/clusters/{cluster}/clients", "listClients", "Open connections of Kafka clients",
            &[("client_id", "string"), ("principal", "string"), ("page_size", "integer"), ("page_token", "integer")],
            None, Some("DataList_ClientData")),
        row!(get journal::list::<O>, "/clusters/{cluster}/journal", "listJournal", "Journal records: what changed, when, by whom and why; the latest first",
            &[("since_ms", "integer"), ("page_size", "integer"), ("page_token", "integer")],
            None, Some("DataList_JournalRecordData")),
        row!(post journal::back_up::<O>, "/clusters/{cluster}/journal:backup", "backUpJournal",
            "Makes a consistent copy of the journal on the daemon's machine", &[], Some("JournalBackupRequest"), Some("JournalBackupData")),
        row!(get links::list::<O>, "/clusters/{cluster}/links", "listLinks", "All links", &[], None, Some("DataList_LinkData")),
        row!(post links::create::<O>, "/clusters/{cluster}/links", "createLink", "Creates a link",
            &[("link_name", "string"), ("validate_only", "boolean"), ("validate_link", "boolean")], Some("CreateLinkRequest"), None),
        row!(get links::get::<O>, LINK, "getLink", "A link", &[("include_tasks", "boolean")], None, Some("LinkData")),
        row!(delete links::delete::<O>, LINK, "deleteLink", "Deletes a link", &[("force", "boolean"), ("validate_only", "boolean")], None, None),
        row!(get link_configs::list::<O>, "/clusters/{cluster}/links/{link}/configs", "listLinkConfigs", "All configs of a link, defaults included",
            &[], None, Some("DataList_LinkConfigData")),
        row!(put link_configs::alter::<O>, "/clusters/{cluster}/links/{link}/configs:alter", "alterLinkConfigs", "Alters configs, all or none",
            VALIDATE, Some("AlterConfigsRequest"), None),
        row!(get link_configs::get::<O>, CONFIG, "getLinkConfig", "A config of a link", &[], None, Some("LinkConfigData")),
        row!(put link_configs::put::<O>, CONFIG, "updateLinkConfig", "Sets a config", &[], Some("UpdateConfigRequest"), None),
        row!(delete link_configs::reset::<O>, CONFIG, "resetLinkConfig", "Resets a config to its default", &[], None, None),
        row!(get mirrors::list::<O>, MIRRORS, "listMirrors", "Mirror topics of a link, or of all with '-'",
            &[("mirror_status", "string"), ("include_partitions", "boolean")], None, Some("DataList_MirrorData")),
        row!(post mirrors::create::<O>, MIRRORS, CREATE_MIRROR, "Creates a mirror topic (204), or shows what that would take (200)",
            VALIDATE, Some("CreateMirrorRequest"), Some("MirrorForecastData")),
        row!(get mirrors::get::<O>, "/clusters/{cluster}/links/{link}/mirrors/{topic}", "getMirror", "A mirror topic",
            &[("include_state_transition_errors", "boolean")], None, Some("MirrorData")),
        row!(get filler::get::<O>, "/clusters/{cluster}/links/{link}/mirrors/{topic}/filler", "getFiller",
            "Filler in the topic, from the latest scan", &[], None, Some("FillerData")),
        row!(post filler::scan::<O>, "/clusters/{cluster}/links/{link}/mirrors/{topic}/filler:scan", "scanFiller",
            "Starts a count of filler, unless one is running", &[], None, Some("FillerData")),
        row!(post mirror_actions::promote::<O>, "/clusters/{cluster}/links/{link}/mirrors:promote", "promoteMirrors", "Promotes mirror topics", VALIDATE, ALTER, ALTERED),
        row!(post mirror_actions::failover::<O>, "/clusters/{cluster}/links/{link}/mirrors:failover", "failoverMirrors", "Fails mirror topics over", VALIDATE, ALTER, ALTERED),
        row!(post mirror_actions::pause::<O>, "/clusters/{cluster}/links/{link}/mirrors:pause", "pauseMirrors", "Pauses mirror topics", VALIDATE, ALTER, ALTERED),
        row!(post mirror_actions::resume::<O>, "/clusters/{cluster}/links/{link}/mirrors:resume", "resumeMirrors", "Resumes mirror topics", VALIDATE, ALTER, ALTERED),
    ]
}
