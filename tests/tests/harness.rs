//! Tests of the test harness itself: if it read wrongly, no other suite would prove anything.

use linkgate_tests::kafka::{Cluster, Version};
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::read;

/// Given a topic written with every codec and a topic with aborted transactions, when they are read, then
/// exactly the committed records are there, with their keys, headers and offsets.
#[test]
fn reads_exactly_the_committed_records_in_every_codec() {
    let cluster = Cluster::start("harness", 1);
    let bootstrap = cluster.bootstrap();
    cluster.admin().create_topic("plain", 1, &[]);
    for codec in ["none", "gzip", "lz4", "zstd"] {
        send(&bootstrap, "plain", Kind::idempotent(codec), 500);
    }
    let copy = read::partition(&bootstrap, "plain", 0);
    assert_eq!((copy.log_start, copy.high_watermark, copy.records.len()), (0, 2000, 2000));
    assert!(copy.records.iter().zip(0..).all(|(r, n)| r.offset == n));
    assert_eq!(copy.records[1500].key.as_deref(), Some(&b"key-0"[..]));
    assert_eq!(copy.records[1501].headers, [("key".to_owned(), Some(b"key-1".to_vec()))]);
    let codecs: std::collections::BTreeSet<i16> =
        read::raw(&bootstrap, "plain", 0).iter().map(|b| b.codec()).collect();
    assert_eq!(codecs, [0, 1, 3, 4].into());

    cluster.admin().create_topic("transactions", 1, &[]);
    // Transactions 3, 6 and 9 of ten are aborted.
    send(&bootstrap, "transactions", Kind::transactional("lz4", 10), 100);
    let copy = read::partition(&bootstrap, "transactions", 0);
    assert_eq!((copy.records.len(), copy.high_watermark), (70, 110));
    assert!(copy.records.iter().all(|r| r.key.as_deref() != Some(b"key-25")));
}

/// Given two topics that differ in one byte of one record, when they are compared, then the difference names
/// that record.
#[test]
fn the_comparison_names_the_first_difference() {
    let cluster = Cluster::start("difference", 1);
    let bootstrap = cluster.bootstrap();
    cluster.admin().create_topic("a", 1, &[]);
    send(&bootstrap, "a", Kind::plain("none"), 10);
    let original = read::topic(&bootstrap, "a");
    let mut changed = original.clone();
    changed.get_mut(&0).unwrap().records[7].headers[0].1 = Some(b"key-8".to_vec());
    assert_eq!(read::differences(&original, &original), Vec::<String>::new());
    let found = read::differences(&original, &changed);
    assert!(found.len() == 1 && found[0].contains("offset 7"), "{found:?}");
    changed.get_mut(&0).unwrap().records.pop();
    changed.get_mut(&0).unwrap().records[7].headers[0].1 = Some(b"key-7".to_vec());
    assert!(read::differences(&original, &changed)[0].contains("mirror has no record there"));
}

/// Given three brokers, when a leader is killed and comes back, then the topic took writes in between and no
/// record is missing.
#[test]
fn a_cluster_survives_the_loss_of_a_broker() {
    let mut cluster = Cluster::start("loss", 3);
    let bootstrap = cluster.bootstrap();
    cluster.admin().create_topic("t", 3, &[]);
    send(&bootstrap, "t", Kind::idempotent("zstd"), 300);
    let before = read::topic(&bootstrap, "t");
    let leader = cluster.admin().leaders("t")[0].broker;
    cluster.node(leader).kill();
    send(&bootstrap, "t", Kind::idempotent("none"), 300);
    cluster.node(leader).start();
    cluster.wait_ready();
    let after = read::topic(&bootstrap, "t");
    assert_eq!(before.values().map(|p| p.records.len()).sum::<usize>(), 300);
    assert_eq!(after.values().map(|p| p.records.len()).sum::<usize>(), 600);
}

/// Given two brokers of 2.8 with ZooKeeper, when one is killed and comes back, then its records are there,
/// and the command line tools of that version work.
#[test]
fn an_old_cluster_survives_the_loss_of_a_broker() {
    let mut cluster = Cluster::start_with("zookeeper", Version::V2_8_2, 2, &[]);
    let bootstrap = cluster.bootstrap();
    assert_eq!(cluster.id(), cluster.admin().cluster_id());
    cluster.admin().create_topic("t", 2, &[]);
    send(&bootstrap, "t", Kind::transactional("zstd", 10), 100);
    let before = read::topic(&bootstrap, "t");
    cluster.node(2).kill();
    cluster.node(2).start();
    cluster.wait_ready();
    send(&bootstrap, "t", Kind::idempotent("snappy"), 100);
    let after = read::topic(&bootstrap, "t");
    assert_eq!(before.values().map(|p| p.records.len()).sum::<usize>(), 70);
    assert_eq!(after.values().map(|p| p.records.len()).sum::<usize>(), 170);

    let tools = cluster.tools();
    let listed = tools.topics(&bootstrap, &["--list"]).success("kafka-topics --list").stdout;
    assert!(listed.lines().any(|line| line == "t"), "{listed}");
    let ends = tools.get_offsets(&bootstrap, &["--topic", "t"]).all();
    assert!(ends.contains("t:0:") && ends.contains("t:1:"), "{ends}");
}
