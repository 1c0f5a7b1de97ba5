//! `linkctl clients`

use crate::exit::Failure;
use crate::layout;
use crate::rest::ClientData;
use crate::table::Rows;
use crate::watch;

use crate::commands::options::{Global, Watch};
use crate::commands::show;

const ABOUT: &str = "\
List the open connections of Kafka clients: who they are, and when they last wrote and read

A client usually has several connections: one to the bootstrap port, and one for each broker that it uses. Names and \
versions are shown as the client sends them, and the principal as the client claims it. Without a question mark, a broker \
has accepted the authentication. With OAUTHBEARER and delegation tokens, the broker may know the client by another name.";

const AFTER: &str = "\
Columns:
  CLIENT ID   client.id of the first request
  PRINCIPAL   SASL principal that it claims; with a ? while no broker has accepted it
  SOFTWARE    library and version; clients send them since Kafka 2.4
  BROKER      broker whose port it connected to; a dash for the bootstrap port
  IN, OUT     bytes received from the client, and sent to it

Examples:
  linkctl clients --watch
  linkctl clients --principal alice
  linkctl clients --output json | jq -r '.[] | select(.software_name == \"librdkafka\") | .software_version' | sort | uniq -c";

/// `linkctl clients`
#[derive(Debug, clap::Args)]
#[command(
    about = "List the open connections of Kafka clients: who they are, and when they last wrote and read",
    long_about = ABOUT,
    after_help = AFTER
)]
pub(crate) struct Args {
    /// Only clients with this client.id
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Only clients of this principal
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    #[command(flatten)]
    watch: Watch,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    watch::show(args.watch.interval(), || {
        let clients = global.connect()?.clients(args.client_id.as_deref(), args.principal.as_deref())?;
        show::render(global.output, &clients, "No clients.", || rows(&clients))
    })
}

fn rows(clients: &[ClientData]) -> Rows {
    let heading = [
        "CLIENT ID",
        "PRINCIPAL",
        "SOFTWARE",
        "PEER",
        "BROKER",
        "CONNECTED",
        "REQUESTS",
        "IN",
        "OUT",
        "LAST PRODUCE",
        "LAST FETCH",
    ];
    let mut rows = Rows::new(&heading);
    for client in clients {
        rows.push([
            or_dash(client.client_id.clone()),
            principal(client),
            or_dash(format!("{} {}", client.software_name, client.software_version).trim().to_owned()),
            client.peer.clone(),
            client.broker_id.map_or("-".to_owned(), |id| id.to_string()),
            time(Some(client.connected_ms)),
            client.requests.to_string(),
            client.bytes_in.to_string(),
            client.bytes_out.to_string(),
            time(client.last_produce_ms),
            time(client.last_fetch_ms),
        ]);
    }
    rows
}

fn principal(client: &ClientData) -> String {
    match (client.principal.as_str(), client.authenticated) {
        ("", _) => "-".to_owned(),
        (name, true) => name.to_owned(),
        (name, false) => format!("{name}?"),
    }
}

fn time(ms: Option<i64>) -> String {
    ms.map_or("-".to_owned(), |ms| layout::state_time(ms, &jiff::tz::TimeZone::system()))
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}
