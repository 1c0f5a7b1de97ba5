//! Hostile producers on both sides: what a stock broker accepts from them is mirrored exactly and shown to
//! clients, and other clients do not pay for it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use linkgate_tests::client::Connection;
use linkgate_tests::client::admin::LATEST;
use linkgate_tests::produce::raw_batch::{now_ms, write};
use linkgate_tests::read;
use linkgate_tests::read::records::Record;
use linkgate_tests::stage::linkgate;
use linkgate_tests::stage::pair::{LINK, Pair};
use proxy::internals::put_varint;
use proxy::internals::{BatchHeader, HEADER_LEN, LENGTH_OVERHEAD};
use proxy::internals::{FILLER_BASE_TIMESTAMP, MIXED_BASE_TIMESTAMP, SENTINEL_KEY};
use state::model::RESERVED_PRODUCER_ID_BASE;

const ZSTD: i16 = 4;

/// Key, value and timestamp (ms) of a record.
type Given<'a> = (&'a [u8], Option<&'a [u8]>, i64);

/// Makes a batch with a header that no client library writes.
fn forged(producer_id: i64, base_timestamp: i64, codec: i16, given: &[Given<'_>]) -> Bytes {
    let mut payload = Vec::new();
    for (delta, (key, value, timestamp)) in (0i64..).zip(given) {
        let mut body = vec![0];
        put_varint(&mut body, timestamp - base_timestamp);
        put_varint(&mut body, delta);
        put_varint(&mut body, key.len() as i64);
        body.extend_from_slice(key);
        put_varint(&mut body, value.map_or(-1, |value| value.len() as i64));
        body.extend_from_slice(value.unwrap_or_default());
        body.push(0);
        put_varint(&mut payload, body.len() as i64);
        payload.extend_from_slice(&body);
    }
    if codec == ZSTD {
        payload = zstd::bulk::compress(&payload, 3).unwrap();
    }
    let known = producer_id >= 0;
    let header = BatchHeader {
        base_offset: 0,
        batch_length: i32::try_from(HEADER_LEN - LENGTH_OVERHEAD + payload.len()).unwrap(),
        partition_leader_epoch: -1,
        crc: 0,
        attributes: codec,
        last_offset_delta: given.len() as i32 - 1,
        base_timestamp,
        max_timestamp: given.iter().map(|one| one.2).max().unwrap_or(-1),
        producer_id,
        producer_epoch: if known { 0 } else { -1 },
        base_sequence: if known { 0 } else { -1 },
        record_count: given.len() as i32,
    };
    let mut bytes = [&header.to_bytes()[..], &payload].concat();
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

fn leader(bootstrap: &str, topic: &str) -> Connection {
    let leaders = linkgate_tests::client::admin::Admin::to(bootstrap).leaders(topic);
    Connection::open(&leaders[0].address).unwrap()
}

fn seen(bootstrap: &str, topic: &str) -> Vec<Record> {
    read::partition(bootstrap, topic, 0).records
}

/// Asks `/health/live` until `done` returns true. Returns the longest response time.
fn slowest_probe(pair: &Pair, mut done: impl FnMut() -> bool) -> Duration {
    let url = format!("{}/health/live", pair.linkgate.rest_url());
    let mut slowest = Duration::ZERO;
    while !done() {
        let asked = Instant::now();
        let (status, _) = linkgate::http_get(&url).unwrap();
        assert_eq!(status, 200);
        slowest = slowest.max(asked.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    slowest
}

/// Returns the largest resident size of the daemon so far, in bytes.
fn peak_memory(pair: &Pair) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pair.linkgate.pid().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

/// Given producers at the source that forge filler, marks, and small batches that decompress to large ones,
/// then every record is in the mirror, which stays ACTIVE. Given that the mirror is promoted, then producers
/// there can neither hide a record nor write with the reserved producer ids.
#[test]
fn batches_of_hostile_producers_are_mirrored_and_shown() {
    let pair = Pair::small("forged-marks");
    let (source, gateway) = (pair.source.bootstrap(), pair.linkgate.bootstrap());
    pair.link("");
    pair.mirror_topic("t", 1, &[]);
    pair.mirror_topic("bombs", 1, &[]);
    let now = now_ms();
    let plain: [Given<'_>; 3] = [(b"a", Some(b"1"), now), (b"b", Some(b"2"), now + 1), (b"c", None, now + 2)];
    let looks_like_a_sentinel: [Given<'_>; 2] = [(&SENTINEL_KEY, None, now), (b"d", Some(b"4"), now + 3)];
    let zeros = vec![0; 136 << 20];

    let mut broker = leader(&source, "t");
    for base in [FILLER_BASE_TIMESTAMP, MIXED_BASE_TIMESTAMP] {
        for (number, codec) in [(0, 0), (1, ZSTD)] {
            // Each producer id is new to the broker, which accepts sequence 0 from any new id.
            for id in [
                -1,
                500 + base.unsigned_abs() as i64 + number,
                RESERVED_PRODUCER_ID_BASE + base.unsigned_abs() as i64 + number,
            ] {
                write(&mut broker, "t", 0, &forged(id, base, codec, &plain)).unwrap();
            }
        }
    }
    write(&mut broker, "t", 0, &forged(-1, now, 0, &looks_like_a_sentinel)).unwrap();
    write(&mut broker, "t", 0, &forged(-1, now, 0, &plain)).unwrap();
    let large: Given<'_> = (b"large", Some(&zeros), now);
    write(&mut broker, "t", 0, &forged(-1, FILLER_BASE_TIMESTAMP, ZSTD, &[large])).unwrap();
    pair.wait_caught_up("t");
    assert_eq!(pair.linkgate.status(LINK, "t"), "ACTIVE");
    let written = seen(&source, "t");
    assert_eq!(written.len(), 12 * 3 + 2 + 3 + 1);
    assert!(written == seen(&gateway, "t"), "the mirror shows other records");

    // Many batches of a few KiB, each of which decompresses to 32 MiB.
    let value = &zeros[..32 << 20];
    let mut broker = leader(&source, "bombs");
    for number in 0..200 {
        let id = RESERVED_PRODUCER_ID_BASE + 1000 + number;
        let base = if number % 2 == 0 { MIXED_BASE_TIMESTAMP } else { FILLER_BASE_TIMESTAMP };
        write(&mut broker, "bombs", 0, &forged(id, base, ZSTD, &[(b"k", Some(value), now)])).unwrap();
    }
    let begun = Instant::now();
    let slowest = slowest_probe(&pair, || {
        assert!(begun.elapsed() < Duration::from_secs(120), "{:#}", pair.linkgate.mirror(LINK, "bombs"));
        pair.destination.admin().offsets("bombs", LATEST) == [200]
    });
    assert_eq!(pair.linkgate.status(LINK, "bombs"), "ACTIVE");
    assert!(slowest < Duration::from_millis(500), "/health/live took {slowest:?}");
    let last = read::partition_from(&gateway, "bombs", 0, Some(199)).records;
    assert_eq!(last.iter().map(|record| record.offset).collect::<Vec<_>>(), [199]);

    // The gateway refuses a reserved producer id from clients for any topic: a mirror, a promoted mirror, or
    // an ordinary topic.
    pair.destination.admin().create_topic("other", 1, &[]);
    let _ = pair.linkgate.mirrors(&["--promote", "--topics", "t"]).success("promote");
    pair.linkgate.wait_status(LINK, "t", "STOPPED");
    pair.wait_writable("t");
    let end = pair.destination.admin().offsets("t", LATEST)[0];
    for topic in ["bombs", "t", "other"] {
        for base in [now, FILLER_BASE_TIMESTAMP] {
            let batch = forged(RESERVED_PRODUCER_ID_BASE + 77, base, 0, &plain);
            let refused = write(&mut leader(&gateway, topic), topic, 0, &batch).unwrap_err();
            assert!(refused.to_string().contains("error code 87"), "{topic}: {refused}");
        }
    }
    // Batches written directly to the brokers, behind the end of the mirror, are shown to clients unchanged.
    let id = read::raw(&pair.destination.bootstrap(), "t", 0)[0].producer_id;
    assert!(id >= RESERVED_PRODUCER_ID_BASE);
    let mut broker = leader(&pair.destination.bootstrap(), "t");
    for id in [RESERVED_PRODUCER_ID_BASE + 78, -1] {
        write(&mut broker, "t", 0, &forged(id, FILLER_BASE_TIMESTAMP, 0, &plain)).unwrap();
    }
    let shown: Vec<i64> =
        seen(&gateway, "t").iter().map(|record| record.offset).filter(|at| *at >= end).collect();
    assert_eq!(shown, (end..end + 6).collect::<Vec<_>>());
    let budgets = 3 * (256 << 20);
    assert!(peak_memory(&pair) < 2 * budgets, "{} bytes", peak_memory(&pair));
}
