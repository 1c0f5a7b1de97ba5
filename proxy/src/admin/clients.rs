//! `/clusters/{cid}/clients`: the open connections of Kafka clients.

use axum::extract::State;
use axum::response::Response;
use linkctl::rest::{ClientData, DataList};

use crate::admin::Admin;
use crate::admin::call::{Call, json};
use crate::admin::operator::Operator;
use crate::admin::page::PageSize;
use crate::admin::problem::Problem;
use crate::gateway::ClientConnection;

/// `GET …/clients`, ordered by connection number. `page_token` is the number after which the page begins.
pub(crate) async fn list<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    let cluster = admin.cluster(&call)?;
    let size = PageSize::of(&call)?;
    let after = call.number("page_token", 0)?;
    let (client_id, principal) = (call.query("client_id"), call.query("principal"));
    let wanted = |one: &ClientConnection| {
        client_id.is_none_or(|wanted| wanted == one.identity.client_id)
            && principal.is_none_or(|wanted| wanted == one.identity.principal)
    };
    // An extra entry shows that there is another page.
    let mut page = admin.clients.page(after, size.get() + 1, wanted);
    let is_more = page.len() > size.get();
    page.truncate(size.get());
    let next = page.last().filter(|_| is_more).map(|last| last.id);
    let filters = [("client_id", client_id), ("principal", principal)];
    Ok(json(&DataList {
        kind: "KafkaClientConnectionList".into(),
        metadata: size.metadata(&call, &["clusters", &cluster, "clients"], next, &filters),
        data: page.into_iter().map(body).collect::<Vec<_>>(),
    }))
}

fn body(one: ClientConnection) -> ClientData {
    let identity = one.identity;
    ClientData {
        kind: "KafkaClientConnection".into(),
        connection_id: one.id,
        peer: one.peer.to_string(),
        broker_id: one.broker,
        client_id: identity.client_id,
        software_name: identity.software_name,
        software_version: identity.software_version,
        sasl_mechanism: identity.sasl_mechanism,
        principal: identity.principal,
        authenticated: identity.authenticated,
        connected_ms: one.connected_ms,
        requests: one.requests,
        bytes_in: one.bytes_in,
        bytes_out: one.bytes_out,
        last_produce_ms: one.last_produce_ms,
        last_fetch_ms: one.last_fetch_ms,
    }
}
