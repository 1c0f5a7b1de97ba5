//! kill -9 of the daemon at any moment loses, repeats and reorders nothing.
//!
//! `LINKGATE_CRASHES` sets the number of kills (default: 8). The seed of the random times is printed;
//! `LINKGATE_SEED` repeats it.

use std::time::Duration;

use linkgate_tests::client::admin::LATEST;
use linkgate_tests::produce::{Kind, Writer};
use linkgate_tests::stage::pair::{LINK, Pair};

/// Given four producers that write to a mirrored topic, one of them with transactions, when the daemon is
/// killed repeatedly at random times, then mirroring catches up and both sides hold the same.
#[test]
fn repeated_kills_under_load_lose_and_repeat_nothing() {
    let kills: u32 = std::env::var("LINKGATE_CRASHES").ok().and_then(|n| n.parse().ok()).unwrap_or(8);
    let seed: u64 =
        std::env::var("LINKGATE_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("{kills} kills, LINKGATE_SEED={seed}");
    let mut moments = fastrand::Rng::with_seed(seed);

    let mut pair = Pair::small("crash");
    let source = pair.source.bootstrap();
    pair.link("");
    pair.mirror_topic("t", 4, &[]);
    let kinds = [
        Kind::plain("none"),
        Kind::idempotent("lz4"),
        Kind { batch: 3, ..Kind::idempotent("gzip") },
        Kind::transactional("zstd", 25),
    ];
    let writers: Vec<Writer> = kinds.into_iter().map(|kind| Writer::start(&source, "t", kind, 700)).collect();
    for kill in 1..=kills {
        std::thread::sleep(Duration::from_millis(moments.u64(100..2_500)));
        pair.linkgate.kill();
        let have: i64 = pair.destination.admin().offsets("t", LATEST).iter().sum();
        println!("kill {kill} of {kills}: the mirror holds {have} offsets");
        pair.linkgate.launch();
        // In half of the cases the daemon is killed again before it is ready.
        if moments.bool() {
            pair.linkgate.wait_ready();
        }
    }
    pair.linkgate.launch();
    pair.linkgate.wait_ready();
    let sent: u64 = writers.into_iter().map(Writer::stop).sum();
    pair.assert_mirrored("t");
    assert_eq!(pair.linkgate.status(LINK, "t"), "ACTIVE");
    println!("{sent} records written, 0 differences after {kills} kills");
    assert!(sent > u64::from(kills) * 100, "{sent} records are too few to prove anything");
}
