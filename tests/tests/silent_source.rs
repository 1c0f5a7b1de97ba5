//! A source that hangs with open connections: the link notices the hang and the end of it within the time
//! that its configs promise.

use std::time::{Duration, Instant};

use linkgate_tests::produce::{Kind, send};
use linkgate_tests::stage::pair::{LINK, Pair};

/// `availability.check.ms`.
const CHECK: Duration = Duration::from_secs(1);
/// `availability.check.consecutive.failure.threshold`.
const THRESHOLD: u32 = 3;

/// Waits until the mirror topic has `status`. Returns the time that it took.
fn shows(pair: &Pair, status: &str) -> Duration {
    let begun = Instant::now();
    pair.linkgate.wait_status(LINK, "t", status);
    begun.elapsed()
}

/// Given a link with a probe every second, when its source is paused and resumed, twice, then the mirror
/// topic is SOURCE_UNAVAILABLE after at most threshold + 1 periods and a second of tolerance, ACTIVE again as
/// fast, and no record is missing.
#[test]
fn a_hang_of_the_source_and_its_end_are_noticed_in_time() {
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
