//! The API versions that clients are offered, and the answers that they get, compared with those of a real
//! broker.

#[path = "protocol/normal.rs"]
mod normal;
#[path = "protocol/peer.rs"]
mod peer;
#[path = "protocol/script.rs"]
mod script;

use linkgate_tests::kafka::{Cluster, Version};
use linkgate_tests::rpc::{self, Field, Kind, Schemas};
use linkgate_tests::stage::linkgate::Linkgate;
use proxy::internals::{APIS, REFUSED, api};
use serde_json::{Value, json};

use peer::Peer;

/// Given brokers of two versions and a gateway before each, when all are asked for their API versions, then
/// the gateway offers what both know, and every version that it does not offer is in the list of deliberate
/// refusals.
#[test]
fn every_api_version_of_a_broker_is_offered_or_listed_as_refused() {
    for version in [Version::V3_9_1, Version::V4_3_1] {
        let cluster = Cluster::start_with("drift", version, 1, &[]);
        let linkgate = Linkgate::start(&cluster.bootstrap(), &[]);
        let broker = Peer::open(&cluster.bootstrap()).offered();
        let gateway = Peer::open(&linkgate.bootstrap()).offered();
        for (key, (min, max)) in &broker {
            let refused = REFUSED.iter().find(|row| row.key == *key);
            let row = api(*key);
            let beyond = row.map_or(*min, |row| row.max + 1);
            if beyond <= *max {
                let from = refused.map(|row| row.from);
                assert_eq!(from, Some(beyond), "{}: api {key} v{min}-{max} is neither", version.number());
            }
            let common =
                row.map(|row| (row.min.max(*min), row.max.min(*max))).filter(|(min, max)| min <= max);
            assert_eq!(gateway.get(key).copied(), common, "api {key}, broker {}", version.number());
        }
        assert!(gateway.keys().all(|key| broker.contains_key(key)), "the gateway made something up");
        println!("{}: {} apis of {}", version.number(), gateway.len(), broker.len());
    }
}

/// Bounds values that would keep a broker busy for minutes or break it. Leaves all other values to chance.
fn sane(structure: &str, field: &Field, rng: &mut fastrand::Rng) -> Option<Value> {
    let name = field.name.as_str();
    match (structure, name) {
        ("", "Acks") => Some(json!(-1)),
        (_, "ClientSoftwareName" | "ClientSoftwareVersion") => Some(json!("tests")),
        // Small partition counts; and configs of topics only, since a broker config could stop the broker.
        (_, "NumPartitions" | "Count") => Some(json!(rng.i32(-1..3))),
        (_, "ResourceType") => Some(json!(2)),
        // Requests of a follower are not for clients.
        (_, "ReplicaId") => Some(json!(-1)),
        ("", "ReplicaState") => None,
        // Long enough for every request: with a shorter timeout, the load of the machine would decide the
        // answer.
        _ if name.eq_ignore_ascii_case("TimeoutMs") => Some(json!(9000)),
        _ if field.kind == Kind::Int32 && (name.ends_with("Ms") || name == "MinBytes") => {
            Some(json!(rng.i32(0..100)))
        }
        _ => None,
    }
}

/// APIs that are not asked at random: the versions on offer must differ (see above), a broker does not answer
/// a Produce without batches, SASL tokens follow a handshake, and clients do not manage features and voters
/// of a cluster.
const NOT_AT_RANDOM: [&str; 7] = [
    "ApiVersions",
    "Produce",
    "SaslHandshake",
    "SaslAuthenticate",
    "UpdateFeatures",
    "AddRaftVoter",
    "RemoveRaftVoter",
];

/// Given two equal brokers, one of them behind a gateway, when clients send both the same requests (a script
/// that succeeds, and requests that make little sense), then the answers are the same, errors included,
/// except for addresses and random values.
#[test]
fn a_gateway_answers_the_same_requests_like_a_broker() {
    let schemas = Schemas::of(Version::V4_3_1);
    let start = |name| Cluster::start_with(name, Version::V4_3_1, 1, &[]);
    let (plain, behind) = (start("plain"), start("behind"));
    let linkgate = Linkgate::start(&behind.bootstrap(), &[]);
    let mut sides = [
        normal::Side::new(plain.bootstrap(), &[&plain.bootstrap()], plain.dir()),
        normal::Side::new(linkgate.bootstrap(), &[&linkgate.bootstrap(), &behind.bootstrap()], behind.dir()),
    ];
    let offered = Peer::open(&linkgate.bootstrap()).offered();
    let mut differences = Vec::new();
    let asked = script::run(&schemas, &offered, &mut sides, &mut differences);

    let mut at_random = 0;
    for row in APIS.iter().filter(|row| !NOT_AT_RANDOM.contains(&row.name)) {
        let Some((min, max)) = offered.get(&row.key).copied() else { continue };
        let Some(request) = schemas.requests.get(&row.key) else { continue };
        for version in (min..=max).filter(|version| request.versions.contains(version)) {
            for sample in 0..3 {
                let mut rng = fastrand::Rng::with_seed(sample);
                let body = match sample {
                    0 => json!({}),
                    _ => rpc::generate(&request.fields, version, &mut rng, &sane),
                };
                let mut answers = sides.each_mut().map(|side| side.ask(&schemas, row.key, version, &body));
                if answers[0] != answers[1] {
                    // A coordinator may be ready on one side only, for a moment.
                    for (side, answer) in sides.iter_mut().zip(&mut answers) {
                        if normal::is_beginning(answer) {
                            *answer = side.ask_until_ready(&schemas, row.key, version, &body);
                        }
                    }
                }
                normal::compare(
                    &format!("{} v{version} at random, {body}", row.name),
                    answers,
                    &mut differences,
                );
                at_random += 1;
            }
        }
    }
    println!("{asked} requests of the script, {at_random} at random");
    assert!(asked > 100 && at_random > 400, "{asked} and {at_random} are too few");
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}
