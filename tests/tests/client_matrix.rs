//! Many client libraries through the gateway: admin calls, produce, consumer groups, transactions, and mirror
//! topics with much filler.

use kafka_protocol::messages::CreateAclsRequest;
use kafka_protocol::messages::create_acls_request::AclCreation;
use linkgate_tests::client::{Connection, Error, text};
use linkgate_tests::interop::client::{self, Client};
use linkgate_tests::interop::stage::{MirrorTopic, Place, Stage};
use linkgate_tests::interop::table::{Row, markdown, wrongs};
use linkgate_tests::interop::{judge, run};
use linkgate_tests::kafka::{Cluster, Version};
use linkgate_tests::machine::wait::{LONG, until_ok};

/// Given mirror topics with filler at the start, in the middle, at the end, and in runs longer than one
/// fetch, when each client library manages topics, produces, consumes in a group with changing members, runs
/// transactions, writes to a mirror topic and reads the mirror topics, then each behaves as it does directly
/// at the brokers, except for the deviations that its entry in `clients.json` expects.
///
/// `LINKGATE_CLIENTS` (names, comma separated) selects clients, `LINKGATE_STEPS` selects steps.
/// `LINKGATE_HOLD` first keeps the stage up for 3,000 s, so that programs can be run by hand.
#[test]
fn every_client_library_works_through_the_gateway() {
    let begin = std::time::Instant::now();
    let clients = chosen();
    let mut stage = Stage::build();
    println!("the stage is ready after {:.1} s", begin.elapsed().as_secs_f64());
    if std::env::var_os("LINKGATE_HOLD").is_some() {
        let place = stage.gateway();
        println!(
            "bootstrap={} destination={} source={} mirrors={}",
            place.bootstrap,
            stage.pair.destination.bootstrap(),
            stage.pair.source.bootstrap(),
            place.mirrors_argument()
        );
        std::thread::sleep(std::time::Duration::from_secs(3_000));
    }
    let mut rows: Vec<Row> = Vec::new();
    let (mut readers, mut streamed) = (0, 0);
    for client in clients {
        stage.give_large_topic(&client.client);
        let mut admin = stage.pair.gateway();
        for (suffix, partitions) in [("produce", 4), ("group", 4), ("transactions", 1), ("share", 4)] {
            if client.steps.iter().any(|step| step == suffix) {
                admin.create_topic(&format!("{}-{suffix}", client.client), partitions, &[]);
            }
        }
        let said = run::run(&client, &stage.gateway());
        if said.as_ref().is_some_and(|said| said.steps.contains_key("read")) {
            readers += 1;
            streamed += usize::from(stage.has_streamed(&client.client));
        }
        let judged = said.map(|said| {
            let outcomes = judge::all(&client, &said, &stage);
            (said, outcomes)
        });
        rows.push((client, judged));
        let last = &rows[rows.len() - 1..];
        print!("{}{}", markdown(last), wrongs(last).join("\n"));
    }
    println!("\n{}\nin {:.0} s", markdown(&rows), begin.elapsed().as_secs_f64());
    // A client with small fetches that reaches the filler first gets a small answer, which the gateway holds
    // whole.
    println!("{streamed} of {readers} readers met filler in a streamed answer");
    assert!(2 * streamed >= readers, "filler that clients meet in streamed answers is not seen");
    let wrong = wrongs(&rows);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Given a broker that denies writes to a topic, when each client library writes there in a transaction and
/// aborts it, then the abort ends as it does at the gateway for a mirror topic, except where
/// `abort_at_broker` of its entry in `clients.json` says otherwise.
#[test]
fn a_refused_transaction_aborts_as_on_a_broker_that_denies_writes() {
    let configs = [
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        ("allow.everyone.if.no.acl.found", "true"),
    ];
    let cluster = Cluster::start_with("denied", Version::V4_3_1, 1, &configs);
    cluster.admin().create_topic("denied", 1, &[]);
    deny_writes(&cluster.bootstrap(), "denied");
    let topics = [MirrorTopic { name: "denied".to_owned(), records: Vec::new(), end: 0 }];
    let place = Place { bootstrap: cluster.bootstrap(), mirrors: &topics, linkgate: None };
    let mut clients = chosen();
    for client in &mut clients {
        client.steps.retain(|step| step == "refused");
    }
    clients.retain(|client| !client.steps.is_empty() && !client.expect.transaction.is_empty());
    for client in clients {
        let Some(said) = run::run(&client, &place) else { continue };
        let (abort, expect) = (&said.steps["refused"]["abort"], &client.expect);
        let expected = expect.abort_at_broker.as_ref().unwrap_or(&expect.abort);
        let right = abort.as_str().is_some_and(|abort| abort.contains(expected));
        assert!(right, "{}: {abort}, not {expected:?}\n{}", client.client, said.errors);
    }
}

/// Allows all users everything on the topic, and denies them writes. Where both rules match, the denial
/// counts.
fn deny_writes(bootstrap: &str, topic: &str) {
    // Codes of Kafka's `AclOperation` and `AclPermissionType`.
    let (all, write, deny, allow) = (2, 4, 2, 3);
    let acl = |operation, permission| {
        AclCreation::default()
            .with_resource_type(2)
            .with_resource_name(text(topic))
            .with_resource_pattern_type(3)
            .with_principal(text("User:ANONYMOUS"))
            .with_host(text("*"))
            .with_operation(operation)
            .with_permission_type(permission)
    };
    let request = CreateAclsRequest::default().with_creations(vec![acl(all, allow), acl(write, deny)]);
    until_ok("writes are denied", LONG, || {
        let answer = Connection::open(bootstrap)?.ask(3, &request)?;
        answer.results.iter().try_for_each(|result| Error::check("create acls", result.error_code))
    });
}

/// docs/clients.md has a row for each client of the matrix, and the row holds the `known` text of the client.
#[test]
fn the_clients_page_documents_every_client() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/clients.md");
    let page = std::fs::read_to_string(&path).unwrap();
    for Client { client, known, .. } in client::all() {
        assert!(page.contains(&format!("\n| {client} | ")), "{client} has no row");
        assert!(page.contains(&known), "{client}: the page does not say: {known}");
    }
}

fn chosen() -> Vec<Client> {
    let words = |name: &str| {
        std::env::var(name).ok().map(|text| text.split(',').map(str::to_owned).collect::<Vec<String>>())
    };
    let (names, steps) = (words("LINKGATE_CLIENTS"), words("LINKGATE_STEPS"));
    let mut clients = client::all();
    clients.retain(|client| names.as_ref().is_none_or(|names| names.contains(&client.client)));
    for client in &mut clients {
        client.steps.retain(|step| steps.as_ref().is_none_or(|steps| steps.contains(step)));
    }
    assert!(!clients.is_empty(), "LINKGATE_CLIENTS names no client");
    clients
}
