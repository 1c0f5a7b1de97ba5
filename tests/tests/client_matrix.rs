//! Many client libraries through the gateway: admin calls, producing, groups, transactions, and mirror topics full of filler.

use linkgate_tests::interop::client::{self, Client};
use linkgate_tests::interop::stage::Stage;
use linkgate_tests::interop::table::{Row, markdown, wrongs};
use linkgate_tests::interop::{judge, run};

/// Given mirror topics with filler at the start, in the middle, at the end and for longer than a fetch, when each client library
/// manages topics, produces, consumes in a group whose members change, runs transactions, writes where it must not and
/// reads those topics, then each does what it would do with the brokers, and what is written down beside it.
///
/// `LINKGATE_CLIENTS` (names, comma separated) selects some, `LINKGATE_STEPS` some steps.
#[test]
fn every_client_library_works_through_the_gateway() {
    let begin = std::time::Instant::now();
    let clients = chosen();
    let stage = Stage::build();
    println!("the stage is ready after {:.1} s", begin.elapsed().as_secs_f64());
    let bootstrap = stage.pair.linkgate.bootstrap();
    if std::env::var_os("LINKGATE_HOLD").is_some() {
        println!(
            "bootstrap={bootstrap} direct={} mirrors={}",
            stage.pair.destination.bootstrap(),
            stage.mirrors_argument()
        );
        std::thread::sleep(std::time::Duration::from_secs(3_000));
    }
    let mut rows: Vec<Row> = Vec::new();
    for client in clients {
        let mut admin = stage.pair.gateway();
        for (suffix, partitions) in [("produce", 4), ("group", 4), ("transactions", 1), ("share", 4)] {
            if client.steps.iter().any(|step| step == suffix) {
                admin.create_topic(&format!("{}-{suffix}", client.client), partitions, &[]);
            }
        }
        let said = run::run(&client, &stage, &bootstrap);
        let judged = said.map(|said| {
            let outcomes = judge::all(&client, &said, &stage);
            (said, outcomes)
        });
        rows.push((client, judged));
        let last = &rows[rows.len() - 1..];
        print!("{}{}", markdown(last), wrongs(last).join("\n"));
    }
    println!("\n{}\nin {:.0} s", markdown(&rows), begin.elapsed().as_secs_f64());
    let wrong = wrongs(&rows);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// docs/clients.md has a row for each client of the matrix and says what is known of it.
#[test]
fn the_page_tells_of_every_client() {
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
