//! Each named invariant is broken on purpose on real brokers, and its own function reports it.
//!
//! The daemon itself asserts with these functions. The tests show that they detect a real breach.

use linkgate_tests::client::admin::{EARLIEST, LATEST};
use linkgate_tests::kafka::Cluster;
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::read;
use linkgate_tests::read::records::Batch;
use linkgate_tests::stage::pair::{LINK, Pair};
use state::invariant;

/// The lowest reserved producer id.
const RESERVED: i64 = 1 << 62;

fn raw(cluster: &Cluster, topic: &str) -> Vec<Batch> {
    read::raw(&cluster.bootstrap(), topic, 0)
}

/// Given a mirror of a log with transactions, when its batches are audited, then every rule about batches
/// holds. When it has a foreign write, then exactly the rules that this write breaks report it, and the
/// daemon names its offset.
#[test]
fn batch_rules_detect_a_foreign_write() {
    let pair = Pair::small("invariants");
    let source = pair.source.bootstrap();
    pair.link("");
    pair.mirror_topic("t", 1, &[]);
    send(&source, "t", Kind::idempotent("lz4"), 200);
    send(&source, "t", Kind::transactional("zstd", 10), 60);
    pair.assert_mirrored("t");

    let healthy = raw(&pair.destination, "t");
    let reserved = healthy[0].producer_id;
    assert!(reserved >= RESERVED, "{reserved}");
    let mut next = 0;
    for batch in &healthy {
        invariant::batch_is_next(next, batch.base_offset).unwrap();
        invariant::sequence_is_offset(batch.base_offset, batch.base_sequence).unwrap();
        let count = i32::try_from(batch.records.len()).unwrap();
        invariant::batch_is_dense(batch.base_offset, batch.last_offset_delta, count).unwrap();
        invariant::only_our_producer_id(reserved, batch.producer_id, batch.attributes).unwrap();
        next = batch.next_offset();
    }
    let end = pair.destination.admin().offsets("t", LATEST)[0];
    invariant::log_end_is_checkpoint(next, end, end).unwrap();

    // only-our-producer-id: the log of the source has batches of transactions and other producers.
    let caught = raw(&pair.source, "t")
        .iter()
        .filter(|b| invariant::only_our_producer_id(reserved, b.producer_id, b.attributes).is_err())
        .count();
    assert_eq!(caught, raw(&pair.source, "t").len(), "every batch of the source is a foreign one");

    // A client writes three records to the mirror topic directly at the destination.
    send(&pair.destination.bootstrap(), "t", Kind::plain("none"), 3);
    let foreign = raw(&pair.destination, "t").pop().unwrap();
    assert_eq!(foreign.base_offset, next);
    // sequence-is-offset, only-our-producer-id: the batch of such a client has no sequence and another
    // producer id.
    assert!(invariant::sequence_is_offset(foreign.base_offset, foreign.base_sequence).is_err());
    assert!(invariant::only_our_producer_id(reserved, foreign.producer_id, foreign.attributes).is_err());
    // log-end-is-checkpoint: the log is longer than what Linkgate appended.
    let end = pair.destination.admin().offsets("t", LATEST)[0];
    let broken = invariant::log_end_is_checkpoint(next, end, end).unwrap_err();
    assert!(broken.what.contains(&format!("offset {next}")), "{broken}");
    // landed-where-intended: the next append of the daemon cannot land at its offset, and the reason says so.
    send(&source, "t", Kind::plain("none"), 1);
    pair.linkgate.wait_status(LINK, "t", "FAILED");
    let mirror = pair.linkgate.mirror(LINK, "t");
    let reason = mirror["linkgate"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(&format!("offset {next}")), "{mirror:#}");
    assert!(invariant::landed_where_intended(next, end).is_err());
}

/// Given a compacted log, when its batches are audited, then the rules about gaps report what a mirror must
/// not forward unchanged.
#[test]
fn gap_rules_detect_compacted_batches() {
    let cluster = Cluster::start("gaps", 1);
    let bootstrap = cluster.bootstrap();
    let compact = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "1000"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("max.compaction.lag.ms", "1000"),
    ];
    cluster.admin().create_topic("c", 1, &compact);
    until("the cleaner leaves a batch with holes or a gap between batches", LONG, || {
        // Half of the keys of every batch are written again.
        send(&bootstrap, "c", Kind { batch: 20, ..Kind::plain("none") }, 20);
        send(&bootstrap, "c", Kind { batch: 20, ..Kind::plain("none") }, 10);
        std::thread::sleep(std::time::Duration::from_millis(1_200));
        let batches = raw(&cluster, "c");
        let mut next = cluster.admin().offsets("c", EARLIEST)[0];
        let mut holes = false;
        for batch in &batches {
            let count = i32::try_from(batch.records.len()).unwrap();
            let dense = invariant::batch_is_dense(batch.base_offset, batch.last_offset_delta, count);
            holes |= dense.is_err() || invariant::batch_is_next(next, batch.base_offset).is_err();
            next = batch.next_offset();
        }
        holes.then_some(())
    });
}

/// Given a mirror that lags behind, when group offsets and a promote are checked against its log end, then an
/// offset beyond it and an end before that of the source are reported.
#[test]
fn offset_and_promote_rules_detect_a_lagging_mirror() {
    let pair = Pair::small("judged");
    let source = pair.source.bootstrap();
    pair.link("");
    pair.mirror_topic("t", 1, &[]);
    send(&source, "t", Kind::idempotent("none"), 30);
    pair.assert_mirrored("t");
    let _ = pair.linkgate.mirrors(&["--pause", "--topics", "t"]).success("pause");
    pair.linkgate.wait_status(LINK, "t", "PAUSED");
    send(&source, "t", Kind::idempotent("none"), 20);

    let mut destination = pair.destination.admin();
    let have = destination.offsets("t", LATEST)[0];
    let want = pair.source.admin().offsets("t", LATEST)[0];
    assert_eq!((have, want), (30, 50));
    let broken = invariant::promote_loses_nothing(want, have, have).unwrap_err();
    assert_eq!(broken.name, "promote-loses-nothing");

    // Kafka accepts any offset from a group without members; only the rule detects that it is invalid.
    destination.commit("g", &[("t", 0, want)]);
    let committed = destination.group_offsets("g")[&("t".to_owned(), 0)];
    assert!(invariant::group_offset_within_log(committed, have).is_err());

    let _ = pair.linkgate.mirrors(&["--resume", "--topics", "t"]).success("resume");
    pair.assert_mirrored("t");
    let have = destination.offsets("t", LATEST)[0];
    invariant::promote_loses_nothing(want, have, have).unwrap();
    invariant::group_offset_within_log(committed, have).unwrap();
}
