//! The gateway keeps its ports while brokers of the destination are missing, join, and come back at another
//! address.

use std::time::Duration;

use linkgate_tests::client::admin::Admin;
use linkgate_tests::kafka::{Cluster, Version};
use linkgate_tests::machine::ports::PortBlock;
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::machine::workdir::WorkDir;
use linkgate_tests::produce::{Kind, Writer, send};
use linkgate_tests::read;
use linkgate_tests::stage::linkgate::Linkgate;

/// Given a destination with no running broker, when Linkgate starts, then its process lives and is not ready.
/// When brokers come up one after another, then each gets its port and clients are served. When a broker
/// comes back at another address, then its port leads to that address. After a restart of Linkgate, all ports
/// are the same.
#[test]
fn gateway_ports_stay_when_brokers_join_late_and_move() {
    let rack = [("broker.rack", "rack-a")];
    let mut cluster = Cluster::launch(WorkDir::new("moving"), Version::V4_3_1, 3, &rack);
    cluster.wait_ready();
    cluster.admin().create_topic("t", 3, &[]);
    // Broker 3 stops cleanly, so that no partition needs it when the cluster starts again.
    cluster.node(3).stop();
    cluster.kill();

    let mut linkgate = Linkgate::prepare(WorkDir::new("linkgate"), &cluster.bootstrap(), &[]);
    linkgate.launch();
    until("the process lives", LONG, || {
        let answer =
            linkgate_tests::stage::linkgate::http_get(&format!("{}/health/live", linkgate.rest_url()));
        answer.ok().filter(|(status, _)| *status == 200)
    });
    assert_eq!(linkgate.get("/health/ready").0, 503);
    assert!(Admin::connect(&linkgate.bootstrap()).and_then(|mut admin| admin.brokers()).is_err());
    assert_eq!(linkgate.ended(), None);

    // Two of the three nodes are a quorum.
    cluster.node(1).start();
    cluster.node(2).start();
    cluster.wait_ready();
    linkgate.wait_ready();
    let gateway = linkgate.bootstrap();
    let address = |id: u16| format!("127.0.0.1:{}", bootstrap_port(&gateway) + 1 + id);
    let known =
        |ids: &[u16]| -> Vec<(i32, String)> { ids.iter().map(|id| (i32::from(*id), address(*id))).collect() };
    let told = || Admin::to(&gateway).brokers().map(Vec::from_iter).unwrap_or_default();
    until("two brokers are told", LONG, || (told() == known(&[1, 2])).then_some(()));
    send(&gateway, "t", Kind::idempotent("lz4"), 30);

    cluster.node(3).start();
    cluster.wait_ready();
    until("the third is told", LONG, || (told() == known(&[1, 2, 3])).then_some(()));
    until("it is reached through its port", LONG, || {
        Admin::connect(&address(3)).and_then(|mut a| a.brokers()).ok()
    });

    let writer = Writer::start(&gateway, "t", Kind::idempotent("none"), 200);
    std::thread::sleep(Duration::from_secs(1));
    let elsewhere = PortBlock::claim();
    cluster.node(3).stop();
    cluster.node(3).move_to(elsewhere.port(0));
    cluster.node(3).start();
    cluster.wait_ready();
    until("it is reached at its new address", LONG, || {
        Admin::connect(&address(3)).and_then(|mut a| a.brokers()).ok()
    });
    assert_eq!(told(), known(&[1, 2, 3]));
    std::thread::sleep(Duration::from_secs(1));
    let written = writer.stop();

    linkgate.restart();
    until("the ports are the same", LONG, || (told() == known(&[1, 2, 3])).then_some(()));
    for id in 1..=3 {
        until("each broker is reached", LONG, || {
            Admin::connect(&address(id)).and_then(|mut a| a.brokers()).ok()
        });
    }
    let records: usize = read::topic(&gateway, "t").values().map(|copy| copy.records.len()).sum();
    assert_eq!(records as u64, written + 30);
    assert_eq!(racks(&cluster.bootstrap()), racks(&gateway));
    assert_eq!(racks(&gateway), vec![Some("rack-a".to_owned()); 3]);
}

fn bootstrap_port(address: &str) -> u16 {
    address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("host:port")
}

fn racks(bootstrap: &str) -> Vec<Option<String>> {
    Admin::to(bootstrap).racks()
}
