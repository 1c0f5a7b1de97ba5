//! `/clusters/{cid}/links/{link}/configs`: the configs of a link, defaults included. Secrets are never shown.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use linkctl::rest::{
    AlterConfigsRequest, AlterOperation, DataList, LinkConfigData, ResourceMetadata, UpdateConfigRequest,
};
use state::model::Link;
use state::model::link_config::{self, ConfigDef};

use crate::admin::Admin;
use crate::admin::call::{Call, json};
use crate::admin::operator::Operator;
use crate::admin::problem::Problem;

/// `GET …/configs`: lists all configs of a link.
pub(crate) async fn list<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    let cluster = admin.cluster(&call)?;
    let (_, link) = admin.link(&call)?;
    let mut defs: Vec<&ConfigDef> = link_config::all().collect();
    defs.sort_by_key(|def| def.name);
    Ok(json(&DataList {
        kind: "KafkaLinkConfigDataList".into(),
        metadata: call.list_metadata(&["clusters", &cluster, "links", &link.name, "configs"]),
        data: defs.into_iter().map(|def| body(&call, &cluster, &link, def)).collect::<Vec<_>>(),
    }))
}

/// `GET …/configs/{name}`: returns one config.
pub(crate) async fn get<O: Operator>(State(admin): State<Admin<O>>, call: Call) -> Result<Response, Problem> {
    let cluster = admin.cluster(&call)?;
    let (_, link) = admin.link(&call)?;
    let name = call.param("name");
    let def = link_config::find(name).ok_or_else(|| {
        Problem::not_found(format!("Config {name} cannot be found in cluster link {}.", link.name))
    })?;
    Ok(json(&body(&call, &cluster, &link, def)))
}

/// `PUT …/configs/{name}`: sets one config.
pub(crate) async fn put<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<StatusCode, Problem> {
    let _ = admin.cluster(&call)?;
    let request: UpdateConfigRequest = call.json()?;
    call.audit.names([call.param("name")]);
    let change = (call.param("name").to_owned(), request.value);
    admin.operator.alter_link_configs(call.param("link"), vec![change], false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE …/configs/{name}`: resets a config to its default.
pub(crate) async fn reset<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<StatusCode, Problem> {
    let _ = admin.cluster(&call)?;
    call.audit.names([call.param("name")]);
    let change = (call.param("name").to_owned(), None);
    admin.operator.alter_link_configs(call.param("link"), vec![change], false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT …/configs:alter`: makes all changes or none.
pub(crate) async fn alter<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<StatusCode, Problem> {
    let _ = admin.cluster(&call)?;
    let request: AlterConfigsRequest = call.json()?;
    let validate_only = call.flag("validate_only", request.validate_only.unwrap_or(false))?;
    call.audit.names(request.data.iter().map(|change| change.name.as_str()));
    let mut changes = Vec::new();
    for change in request.data {
        let value = match (change.operation.unwrap_or_default(), change.value) {
            (AlterOperation::Delete, _) => None,
            (AlterOperation::Set, Some(value)) => Some(value),
            (AlterOperation::Set, None) => {
                return Err(Problem::bad_request(format!("{}: SET needs a value", change.name)));
            }
        };
        changes.push((change.name, value));
    }
    admin.operator.alter_link_configs(call.param("link"), changes, validate_only).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn body(call: &Call, cluster: &str, link: &Link, def: &ConfigDef) -> LinkConfigData {
    let set = link.configs.get(def.name);
    let shown = set.map(String::as_str).or(def.default).filter(|_| !def.sensitive);
    let is_default = set.is_none();
    LinkConfigData {
        kind: "KafkaLinkConfigData".into(),
        metadata: ResourceMetadata {
            self_url: call.url(&["clusters", cluster, "links", &link.name, "configs", def.name]),
            resource_name: Some(format!("crn:///kafka={cluster}")),
        },
        cluster_id: cluster.to_owned(),
        name: def.name.to_owned(),
        value: shown.unwrap_or_default().to_owned(),
        is_default,
        is_read_only: !def.dynamic,
        is_sensitive: def.sensitive,
        default: is_default,
        read_only: !def.dynamic,
        sensitive: def.sensitive,
        source: if is_default { "DEFAULT_CONFIG" } else { "DYNAMIC_CLUSTER_LINK_CONFIG" }.into(),
        synonyms: Vec::new(),
        link_name: link.name.clone(),
    }
}
