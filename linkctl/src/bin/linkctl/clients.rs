//! `linkctl clients`

use linkctl::exit::Failure;
use linkctl::layout;
use linkctl::rest::ClientData;
use linkctl::table::Rows;
use linkctl::watch;

use crate::options::{Global, Watch};
use crate::show;

const ABOUT: &str = "\
List the open connections of Kafka clients: who they are, and when they last wrote and read

A client usually has several connections: one to the bootstrap port and one for every broker that it speaks to. What it \
says of itself is shown as it says it, its principal as it was claimed: a broker has accepted the exchange where there is no \
question mark, but may know the client of OAUTHBEARER or of a delegation token by another name.";

const AFTER: &str = "\
Columns:
  CLIENT ID   client.id of the first request
  PRINCIPAL   whom it claims to be with SASL; with a question mark while no broker has accepted that
  SOFTWARE    library and version, which clients tell since Kafka 2.4
  BROKER      whose port it came to; a dash for the bootstrap port
  IN, OUT     bytes that the client sent, and took

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
    /// Only those with this client.id
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Only those of this principal
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
