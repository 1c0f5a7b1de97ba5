//! A source that hangs with its connections open: the link notices it in the time that its configs promise, and that it is back.

use std::time::{Duration, Instant};

use linkgate_tests::pair::{LINK, Pair};
use linkgate_tests::produce::{Kind, send};

/// `availability.check.ms`.
const CHECK: Duration = Duration::from_secs(1);
/// `availability.check.consecutive.failure.threshold`.
const THRESHOLD: u32 = 3;

/// How long the mirror topic takes to show `status`.
fn shows(pair: &Pair, status: &str) -> Duration {
    let begun = Instant::now();
    pair.linkgate.wait_status(LINK, "t", status);
    begun.elapsed()
}

/// Given a link that is probed every second, when its source is stopped and goes on again, twice, then the mirror topic is
/// SOURCE_UNAVAILABLE after threshold + 1 periods at the latest, ACTIVE again as fast, and no record is missing.
#[test]
fn a_source_that_hangs_is_noticed_in_time_and_so_is_that_it_is_back() {
    let mut pair = Pair::small("silent-source");
    let source = pair.source.bootstrap();
    pair.link(&format!(
        "availability.check.ms={},availability.check.consecutive.failure.threshold={THRESHOLD}",
        CHECK.as_millis()
    ));
    pair.mirror_topic("t", 1, &[]);
    send(&source, "t", Kind::idempotent("lz4"), 50);
    pair.assert_mirrored("t");
    let limit = CHECK * (THRESHOLD + 1) + Duration::from_secs(1);
    for round in 0..2 {
        pair.source.node(1).pause();
        let took = shows(&pair, "SOURCE_UNAVAILABLE");
        pair.source.node(1).resume();
        let back = shows(&pair, "ACTIVE");
        assert!(took <= limit, "round {round}: noticed after {took:?}, not {limit:?}");
        assert!(back <= limit, "round {round}: back after {back:?}, not {limit:?}");
    }
    send(&source, "t", Kind::idempotent("lz4"), 50);
    pair.assert_mirrored("t");
}
