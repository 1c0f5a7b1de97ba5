//! Handmade batches: shapes that the protocol allows and no client library writes.

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::Record;
use linkgate_tests::client::admin::Admin;
use linkgate_tests::client::{Connection, text};
use linkgate_tests::produce::raw_batch::{batch, record, write};

/// Timestamps in ms: none, the first two, the year 2001, the first beyond year 9999 (too late for many date
/// libraries), and a far one.
pub(crate) const TIMESTAMPS: [i64; 6] =
    [-1, 0, 1, 1_000_000_000_000, 253_402_300_800_000, 9_000_000_000_000_000];

/// Writes all shapes to partition 0 of `topic`. Returns the number of records.
pub(crate) fn write_all_shapes(bootstrap: &str, topic: &str) -> usize {
    let mut batches: Vec<Vec<Record>> = Vec::new();
    // Each timestamp alone, then all of them in one batch, forwards and backwards.
    batches.extend(TIMESTAMPS.iter().map(|t| vec![record(*t, Some(b"alone"), Some(b"x"))]));
    batches.push(TIMESTAMPS.iter().map(|t| record(*t, Some(b"up"), None)).collect());
    batches.push(TIMESTAMPS.iter().rev().map(|t| record(*t, None, Some(b"down"))).collect());
    batches.push(vec![record(5, None, None), record(4, Some(b""), Some(b"")), record(3, None, Some(b""))]);
    let mut headers = record(5, Some(b"headers"), None);
    headers.headers = [("", Some(Bytes::new())), ("null", None), ("b", Some(Bytes::from_static(b"\0\xff")))]
        .map(|(name, value)| (StrBytes::from_static_str(name), value))
        .into_iter()
        .chain((0..1_000).map(|n| (text(&format!("h{n}")), Some(Bytes::from(vec![0; n % 50])))))
        .collect();
    batches.push(vec![headers]);
    // More records than any client gathers in a batch: the smallest possible ones.
    batches.push((0..100_000).map(|_| record(7, None, None)).collect());
    batches.push(vec![record(7, Some(&vec![b'k'; 5 << 20]), Some(&vec![b'v'; 5 << 20]))]);

    let leader = Admin::to(bootstrap).leaders(topic).remove(0);
    let mut connection = Connection::open(&leader.address).unwrap_or_else(|e| panic!("{e}"));
    let mut count = 0;
    for records in batches {
        count += records.len();
        write(&mut connection, topic, 0, &batch(records))
            .unwrap_or_else(|e| panic!("{topic} did not take a batch: {e}"));
    }
    count
}
