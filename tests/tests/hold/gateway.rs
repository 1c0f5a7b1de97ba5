//! Input that no client library sends: bytes behind a handshake, a request that is cheap to send and
//! expensive to handle, forged marks.

use std::time::{Duration, Instant};

use linkgate_tests::client::Connection;
use linkgate_tests::client::admin::{Admin, LATEST};
use linkgate_tests::client::raw_frame::{
    METADATA, PRODUCE, RawClient, SASL_HANDSHAKE, frame, produce, produce_of_nothing, put_text,
};
use linkgate_tests::produce::crafted::{Crafted, CraftedRecord};
use linkgate_tests::produce::raw_batch::{now_ms, write};
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::stage::pair::LINK;
use linkgate_tests::stage::trio::Trio;
use linkgate_tests::stage::vitals::{Vitals, Watch, Watched};

use crate::stage::mirrored;

/// Given a listener without SASL, when a client sends SaslHandshake v0, which the broker refuses, and then
/// requests on the same connection, then each request is answered like any other or ends the connection: no
/// answer holds the address of a broker, and nothing is written to a mirror.
pub(crate) fn nothing_passes_unread_behind_a_handshake(trio: &mut Trio) {
    mirrored(trio, "smuggled", 1, 20);
    let leader = trio.gateway().leaders("smuggled").remove(0).address;
    let before = trio.destination.admin().offsets("smuggled", LATEST);
    let batch = Crafted::new(vec![CraftedRecord {
        timestamp: now_ms(),
        value: Some(b"smuggled".to_vec()),
        ..CraftedRecord::default()
    }]);
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER"] {
        let mut name = Vec::new();
        put_text(&mut name, mechanism);
        let handshake = frame(SASL_HANDSHAKE, 0, 1, &name);
        let mut client = RawClient::open(&leader, Duration::from_secs(20)).expect("the gateway listens");
        if client.ask(&handshake).is_ok()
            && let Ok(answer) = client.ask(&frame(METADATA, 1, 2, &(-1i32).to_be_bytes()))
        {
            let told = ports_of_brokers(&answer);
            let own = [trio.destination.client_ports(), ports(&trio.destination.bootstrap())].concat();
            assert!(!told.is_empty(), "{mechanism}: an answer without brokers");
            assert!(
                told.iter().all(|port| !own.contains(port)),
                "{mechanism}: brokers' own addresses: {told:?}"
            );
        }
        let mut client = RawClient::open(&leader, Duration::from_secs(20)).expect("the gateway listens");
        if client.ask(&handshake).is_ok()
            && let Ok(answer) = client.ask(&frame(PRODUCE, 3, 3, &produce("smuggled", 0, &batch.seal())))
        {
            // Correlation id, topic count, topic name, partition count, partition index; then the error code.
            let at = 4 + 4 + 2 + "smuggled".len() + 4 + 4;
            assert_eq!(answer.get(at..at + 2), Some(&42i16.to_be_bytes()[..]), "{mechanism}: not refused");
        }
    }
    assert_eq!(
        trio.destination.admin().offsets("smuggled", LATEST),
        before,
        "something was written to the mirror"
    );
    send(&trio.source.bootstrap(), "smuggled", Kind::plain("none"), 5);
    trio.assert_mirrored("smuggled");
    assert_eq!(trio.linkgate.status(LINK, "smuggled"), "ACTIVE");
}

fn ports(bootstrap: &str) -> Vec<u16> {
    bootstrap.split(',').filter_map(|address| address.rsplit(':').next()?.parse().ok()).collect()
}

/// Returns the ports of the brokers in a Metadata v1 answer.
fn ports_of_brokers(answer: &[u8]) -> Vec<u16> {
    let number = |at: usize| {
        let bytes = answer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, i32::from_be_bytes)
    };
    let length = |at: usize| {
        let bytes = answer.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
        usize::try_from(bytes.map_or(0, i16::from_be_bytes)).unwrap_or(0)
    };
    let mut at = 8;
    (0..number(4))
        .map(|_| {
            at += 4;
            at += 2 + length(at);
            let port = number(at);
            at += 4;
            at += 2 + length(at);
            u16::try_from(port).unwrap_or(0)
        })
        .collect()
}

/// Given a client without credentials, when it sends four Produce requests of 3 MB that name a mirror and
/// another topic 99,000 times each, then meanwhile the daemon answers its probes, the mirror follows and
/// another client is served.
pub(crate) fn a_costly_request_stops_nobody(trio: &mut Trio) {
    mirrored(trio, "costly-one", 1, 5);
    mirrored(trio, "watched", 1, 5);
    for topic in ["own-one", "own-two"] {
        trio.destination.admin().create_topic(topic, 1, &[]);
    }
    let watched = Watched::of(
        &trio.linkgate,
        &trio.source.direct_bootstrap(),
        &trio.destination.direct_bootstrap(),
        ["own-one", "own-two"],
        "watched",
    );
    let body = produce_of_nothing(&[("costly-one", 99_000), ("costly-two", 99_000)]);
    let watch = Watch::start(&watched);
    let begin = Instant::now();
    let clients: Vec<_> = (0..4)
        .map(|n| {
            let (gateway, frame) = (trio.linkgate.bootstrap(), frame(PRODUCE, 3, n, &body));
            std::thread::spawn(move || {
                // Closed, refused and answered are all acceptable.
                RawClient::open(&gateway, Duration::from_secs(15))
                    .and_then(|mut client| client.ask(&frame))
                    .is_ok()
            })
        })
        .collect();
    for client in clients {
        let _ = client.join();
    }
    std::thread::sleep(Duration::from_secs(3).saturating_sub(begin.elapsed()));
    let vitals: Vitals = watch.stop();
    println!("costly Produce: {vitals}");
    assert!(vitals.health < Duration::from_secs(1) && vitals.unhealthy == 0, "{vitals}");
    assert!(vitals.lag < Duration::from_secs(3) && vitals.produce < Duration::from_secs(3), "{vitals}");
    assert_eq!(trio.linkgate.status(LINK, "costly-one"), "ACTIVE");
}

/// Given a mirrored topic, when a producer at the source writes records under the header of filler (a
/// reserved producer id and the mark as base timestamp), which a broker accepts, then the mirror holds those
/// records, or is FAILED.
pub(crate) fn forged_filler_of_a_source_hides_nothing(trio: &mut Trio) {
    mirrored(trio, "forged", 1, 10);
    let record = |n: u8| CraftedRecord {
        timestamp: now_ms(),
        key: Some(vec![b'k', n]),
        value: Some(b"hidden?".to_vec()),
        ..CraftedRecord::default()
    };
    let mut forged = Crafted::new((0..3).map(record).collect()).by((1 << 62) + 5, 0, 0);
    forged.base_timestamp = -64;
    let leader = Admin::to(&trio.source.direct_bootstrap()).leaders("forged").remove(0).address;
    let mut connection = Connection::open(&leader).expect("the source listens");
    write(&mut connection, "forged", 0, &forged.seal()).expect("the broker takes it");
    send(&trio.source.bootstrap(), "forged", Kind::plain("none"), 5);
    let begin = Instant::now();
    while trio.linkgate.status(LINK, "forged") == "ACTIVE" {
        let want = trio.source.admin().offsets("forged", LATEST);
        if trio.destination.admin().offsets("forged", LATEST) == want {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "neither mirrored nor FAILED");
        std::thread::sleep(Duration::from_millis(100));
    }
    if trio.linkgate.status(LINK, "forged") == "ACTIVE" {
        trio.assert_mirrored("forged");
    }
}
