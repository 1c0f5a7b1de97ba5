//! The next append detects a write that bypassed the gateway, and never overwrites or hides it.

use linkgate_tests::client::admin::LATEST;
use linkgate_tests::client::python;
use linkgate_tests::machine::wait;
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::stage::pair::{LINK, Pair};

/// Given a mirror topic that is up to date, when a client writes to it directly at the destination, then the
/// next record of the source makes it FAILED, and the reason names the offset.
#[test]
fn the_next_append_detects_a_foreign_write_and_names_its_offset() {
    let pair = Pair::small("foreign");
    let source = pair.source.bootstrap();
    pair.link("");
    pair.mirror_topic("t", 1, &[]);
    send(&source, "t", Kind::idempotent("lz4"), 50);
    pair.assert_mirrored("t");
    nothing_is_smuggled(&pair);

    send(&pair.destination.bootstrap(), "t", Kind::plain("none"), 1);
    send(&source, "t", Kind::plain("none"), 1);

    pair.linkgate.wait_status(LINK, "t", "FAILED");
    let mirror = pair.linkgate.mirror(LINK, "t");
    let reason = mirror["linkgate"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("offset 50"), "{mirror:#}");
    assert_eq!(mirror["mirror_topic_error"], "ILLEGAL_STATE", "{mirror:#}");
    let described = pair.linkgate.mirrors(&["--describe", "--topics", "t"]).success("describe").stdout;
    assert!(described.contains("State: FAILED"), "{described}");
}

/// Given a gateway without SASL, when a client sends requests in the place of SASL tokens, after a
/// SaslHandshake v0, then the gateway reads them like all other requests. (A broker without SASL would act on
/// them.)
fn nothing_is_smuggled(pair: &Pair) {
    let through: Vec<String> = pair.gateway().brokers().expect("brokers").into_values().collect();
    let end = pair.destination.admin().offsets("t", LATEST);
    let said = python::json("smuggle.py", &["--at", &through[0], "--topic", "t"], wait::LONG);
    assert_eq!(said["handshakes"], serde_json::json!([34, 34, 34, 34]), "{said}");
    assert_eq!(said["produced"], serde_json::json!([42, 42]), "{said}");
    for address in said["addresses"].as_array().expect("addresses") {
        assert!(through.iter().any(|known| address == known), "{said}, {through:?}");
    }
    assert_eq!(pair.destination.admin().offsets("t", LATEST), end);
}

/// Given a write that bypassed the gateway while the daemon was down, when the daemon starts again, then it
/// detects the write before it appends.
#[test]
fn a_foreign_write_while_the_daemon_is_down_is_detected_at_start() {
    let mut pair = Pair::small("foreign-down");
    let source = pair.source.bootstrap();
    pair.link("");
    pair.mirror_topic("t", 1, &[]);
    send(&source, "t", Kind::idempotent("zstd"), 20);
    pair.assert_mirrored("t");

    pair.linkgate.kill();
    send(&pair.destination.bootstrap(), "t", Kind::plain("none"), 3);
    send(&source, "t", Kind::plain("none"), 5);
    pair.linkgate.launch();
    pair.linkgate.wait_ready();

    pair.linkgate.wait_status(LINK, "t", "FAILED");
    let mirror = pair.linkgate.mirror(LINK, "t");
    let reason = mirror["linkgate"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("offset 20"), "{mirror:#}");
    let end = pair.destination.admin().offsets("t", linkgate_tests::client::admin::LATEST);
    assert_eq!(end, [23], "nothing was appended behind the foreign records");
}
