//! A rolling restart of the destination brokers under load: through the gateway, clients see no error that
//! they would not see without it.

mod rolling_restart {
    pub(crate) mod librdkafka;
    pub(crate) mod load;
}

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use linkgate_tests::kafka::Cluster;
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::read;
use linkgate_tests::stage::linkgate::Linkgate;
use rolling_restart::load::{ALL, Client, Load, Outcome};
use serde_json::Value;

/// Given four kinds of client that write and read through the gateway, and the same four directly at the
/// brokers, when each of three brokers is stopped and started again, then no application behind the gateway
/// sees a kind of error that its twin does not see, and every acknowledged record is in the log and was read.
/// Only librdkafka may leave a few records twice in the log.
#[test]
fn a_rolling_restart_is_no_worse_through_the_gateway() {
    let mut cluster = Cluster::start("rolling", 3);
    let linkgate = Linkgate::start(&cluster.bootstrap(), &[]);
    let mut running: Vec<(Client, &str, String, Load)> = Vec::new();
    for client in ALL {
        for (way, bootstrap) in [("gateway", linkgate.bootstrap()), ("direct", cluster.bootstrap())] {
            let topic = format!("{}-{way}", client.name());
            cluster.admin().create_topic(&topic, 3, &[("min.insync.replicas", "2")]);
            let load = client.start(&bootstrap, &topic);
            running.push((client, way, topic, load));
        }
    }
    wait_listed(&linkgate);
    std::thread::sleep(Duration::from_secs(5));
    for id in 1..=3 {
        cluster.node(id).stop();
        std::thread::sleep(Duration::from_secs(3));
        cluster.node(id).start();
        cluster.wait_ready();
        until("every replica is in sync again", LONG, || {
            let mut admin = cluster.admin();
            running.iter().all(|(_, _, topic, _)| admin.in_sync(topic).iter().all(|n| *n == 3)).then_some(())
        });
        std::thread::sleep(Duration::from_secs(3));
    }

    let mut outcomes: Vec<(Client, &str, String, Outcome)> = Vec::new();
    for (client, way, topic, load) in running {
        let outcome = load.finish();
        println!("{topic}: {outcome:?}");
        outcomes.push((client, way, topic, outcome));
    }
    for pair in outcomes.chunks(2) {
        let [(client, _, topic, through), (_, _, _, direct)] = pair else {
            panic!("two ways for each client")
        };
        let kinds = |outcome: &Outcome| outcome.errors.keys().cloned().collect::<BTreeSet<_>>();
        let only_here: Vec<_> = kinds(through).difference(&kinds(direct)).cloned().collect();
        assert!(only_here.is_empty(), "{client:?} saw through the gateway only: {only_here:?}");
        assert!(through.failed <= direct.failed, "{client:?}: {through:?}, directly {direct:?}");
        assert_eq!(through.missing, 0, "{client:?}: {through:?}");
        assert!(through.acked > 1_000, "{client:?}: {through:?}");
        // At most about a second of records, if a group lost its member before a commit.
        assert!(through.repeated < through.acked / 10, "{client:?}: {through:?}");
        // A failed record may be in the log or not; an acknowledged record is there.
        let (values, twice) = log_of(&linkgate.bootstrap(), topic);
        let bounds = through.acked..=through.acked + through.failed;
        assert!(bounds.contains(&values), "{client:?}: {values} records for {through:?}");
        let (_, twice_directly) = log_of(&cluster.bootstrap(), &topic.replace("gateway", "direct"));
        println!("{topic}: twice in the log {twice:?}, directly {twice_directly:?}");
        assert!(twice.len() <= client.may_repeat(), "{client:?}: twice in the log {twice:?}");
    }
    until("no client is listed any more", LONG, || listed(&linkgate).is_empty().then_some(()));
    let left = linkgate.metric("linkgate_gateway_buffered_bytes{");
    assert_eq!(left, 0.0, "memory held by nobody");
}

/// Returns the number of distinct values in the log of a topic, and a line for each value that is there
/// twice: partition, offset, producer, epoch and sequence of both records.
fn log_of(bootstrap: &str, topic: &str) -> (usize, Vec<String>) {
    let mut places: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    let mut twice = Vec::new();
    for partition in 0..3 {
        for batch in read::raw(bootstrap, topic, partition) {
            for (n, record) in batch.records.iter().enumerate() {
                let (id, epoch, sequence) = (batch.producer_id, batch.producer_epoch, batch.base_sequence);
                let place = format!("{partition}@{} by {id}/{epoch} {sequence}+{n}", record.offset);
                let value = record.value.clone().unwrap_or_default();
                if let Some(first) = places.insert(value, place.clone()) {
                    twice.push(format!("{first} and {place}"));
                }
            }
        }
    }
    (places.len(), twice)
}

/// Returns the connections of the loads, as `linkctl clients` lists them.
fn listed(linkgate: &Linkgate) -> Vec<Value> {
    let said = linkgate.linkctl(&["clients", "--output", "json"]).success("linkctl clients").stdout;
    let all: Vec<Value> = serde_json::from_str(&said).expect("a list");
    all.into_iter()
        .filter(|one| one["client_id"].as_str().is_some_and(|id| id.starts_with("load-")))
        .collect()
}

/// Waits until every load is listed under its client id, with its library name (kafka-python sends none) and
/// with the times of its requests.
fn wait_listed(linkgate: &Linkgate) {
    let is = |one: &Value, field: &str| one[field].is_i64();
    for (client, software) in ALL.into_iter().zip(["librdkafka", "apache-kafka-java", "", "kgo"]) {
        until(&format!("linkctl clients tells all about {client:?}"), LONG, || {
            let mut of = listed(linkgate);
            of.retain(|one| one["client_id"] == format!("load-{}", client.name()));
            let told =
                |one: &Value| one["software_name"].as_str().is_some_and(|name| name.starts_with(software));
            let any = |field: &str| of.iter().any(|one| is(one, field));
            (any("last_produce_ms") && any("last_fetch_ms") && any("broker_id") && of.iter().any(told))
                .then_some(())
        });
    }
}
