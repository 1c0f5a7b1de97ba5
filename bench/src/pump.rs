//! Writes and reads as fast as a broker, or a proxy in front of it, allows: prebuilt frames, several in
//! flight.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, FetchRequest, FetchResponse, ProduceRequest, ProduceResponse, RequestHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, Request, StrBytes};
use linkgate_tests::client::text;

use crate::spread::{median, quantile};

const PRODUCE_VERSION: i16 = 9;
const FETCH_VERSION: i16 = 11;
/// Position of the correlation id in a frame: after size, API key and version.
const CORRELATION: std::ops::Range<usize> = 8..12;
/// Errors of a topic that the broker does not know yet: UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE,
/// NOT_LEADER_OR_FOLLOWER.
const NOT_YET: [i16; 3] = [3, 5, 6];
/// Defaults of the Java consumer, in bytes.
const FETCH_BYTES: i32 = 50 << 20;
const PARTITION_BYTES: i32 = 1 << 20;
/// Timeout for an answer. The first request to a thousand partitions creates two index files for each. That
/// takes more than a minute while the system throttles writers because of a slow disk.
const SILENCE: Duration = Duration::from_secs(300);

/// Builds a Produce request with one batch per partition. It can be sent any number of times: the broker
/// assigns the offsets.
#[must_use]
pub fn produce_frame(topic: &str, batches: &[(i32, Bytes)], acks: i16) -> Vec<u8> {
    let partitions = batches
        .iter()
        .map(|(index, batch)| {
            PartitionProduceData::default().with_index(*index).with_records(Some(batch.clone()))
        })
        .collect();
    let t = TopicProduceData::default().with_name(TopicName(text(topic))).with_partition_data(partitions);
    let request = ProduceRequest::default().with_acks(acks).with_timeout_ms(30_000).with_topic_data(vec![t]);
    frame(&request, PRODUCE_VERSION)
}

fn frame<R: Request>(request: &R, version: i16) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_client_id(Some(StrBytes::from_static_str("bench")));
    let mut body = BytesMut::new();
    header.encode(&mut body, R::header_version(version)).expect("a header can be encoded");
    request.encode(&mut body, version).expect("a request can be encoded");
    let mut frame = u32::try_from(body.len()).expect("a small frame").to_be_bytes().to_vec();
    frame.extend_from_slice(&body);
    frame
}

/// Opens a connection with the usual client options.
///
/// # Panics
/// Panics if the connection fails.
#[must_use]
pub fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap_or_else(|e| panic!("connecting to {address}: {e}"));
    stream.set_nodelay(true).expect("a socket option");
    stream.set_read_timeout(Some(SILENCE)).expect("a socket option");
    stream.set_write_timeout(Some(SILENCE)).expect("a socket option");
    stream
}

fn read_frame(stream: &mut TcpStream) -> Bytes {
    let mut size = [0; 4];
    stream.read_exact(&mut size).expect("an answer");
    let size = u32::from_be_bytes(size);
    let mut body = Vec::with_capacity(size as usize);
    let read = stream.take(u64::from(size)).read_to_end(&mut body).expect("an answer");
    assert_eq!(read, size as usize, "an answer that is cut short");
    Bytes::from(body)
}

/// Writes the frames that `next` returns for each number, with at most `in_flight` unanswered. Calls
/// `answered` with the number and latency of each answer, in order.
///
/// # Panics
/// Panics if a request is refused.
pub fn produce(
    address: &str,
    in_flight: usize,
    mut next: impl FnMut(usize) -> Option<Vec<u8>>,
    mut answered: impl FnMut(usize, Duration) + Send,
) {
    let mut writer = connect(address);
    let mut reader = writer.try_clone().expect("a socket can be cloned");
    // The reader waits for one answer beyond those in the channel, hence the minus one.
    let (sent, due) = sync_channel::<Instant>(in_flight.saturating_sub(1));
    std::thread::scope(|scope| {
        let answers = scope.spawn(move || {
            for (number, begin) in due.into_iter().enumerate() {
                let mut body = read_frame(&mut reader);
                answered(number, begin.elapsed());
                check(&mut body);
            }
        });
        let mut number = 0;
        while let Some(mut frame) = next(number) {
            let id = i32::try_from(number).unwrap_or(0);
            frame[CORRELATION].copy_from_slice(&id.to_be_bytes());
            sent.send(Instant::now()).expect("the reader reads");
            writer.write_all(&frame).expect("the broker takes requests");
            number += 1;
        }
        drop(sent);
        answers.join().expect("every request is taken");
    });
}

/// Returns a frame source for [`produce`]: `count` requests that repeat these frames.
pub fn cycled(frames: &[Vec<u8>], count: usize) -> impl Fn(usize) -> Option<Vec<u8>> + '_ {
    move |n| (n < count).then(|| frames[n % frames.len()].clone())
}

/// Writes `count` of these frames one at a time. Returns the latency of each, in milliseconds.
fn one_by_one(address: &str, frames: &[Vec<u8>], count: usize) -> Vec<f64> {
    let mut took = Vec::with_capacity(count);
    produce(address, 1, cycled(frames, count), |_, latency| took.push(latency.as_secs_f64() * 1e3));
    took
}

/// Requests in a row over one route, and number of turns, in [`interleaved`].
const IN_A_ROW: usize = 200;
const TURNS: usize = 25;

/// Runs [`one_by_one`] over several routes in turns. Returns the p99 latency in milliseconds, per route and
/// turn.
#[must_use]
pub fn interleaved<const N: usize>(addresses: [&str; N], frames: &[Vec<u8>]) -> [Vec<f64>; N] {
    let mut turns = [const { Vec::new() }; N];
    for _ in 0..TURNS {
        for (address, turns) in addresses.iter().zip(&mut turns) {
            turns.push(quantile(&one_by_one(address, frames, IN_A_ROW), 0.99));
        }
    }
    turns
}

/// Returns the latency that a route adds to the direct one: the median of the differences within each turn.
/// Short disturbances, such as a garbage collection of the broker, affect only a few turns.
#[must_use]
pub fn added(direct: &[f64], through: &[f64]) -> f64 {
    median(&direct.iter().zip(through).map(|(direct, through)| through - direct).collect::<Vec<_>>())
}

fn check(body: &mut Bytes) {
    // Response header v1: correlation id and empty tagged fields.
    let _ = body.split_to(5);
    let answer = ProduceResponse::decode(body, PRODUCE_VERSION).expect("a Produce answer");
    for partition in answer.responses.iter().flat_map(|topic| &topic.partition_responses) {
        let (index, code) = (partition.index, partition.error_code);
        assert_eq!(code, 0, "partition {index}: error code {code} {:?}", partition.error_message);
    }
}

/// Reads a topic over one connection like a consumer: one fetch after another.
#[derive(Debug)]
pub struct Reader {
    stream: TcpStream,
    topic: TopicName,
    next: Vec<i64>,
    round: usize,
    /// Total size of all answers, in bytes.
    pub bytes: u64,
}

impl Reader {
    /// Opens a reader that starts at the given offset of each partition.
    #[must_use]
    pub fn open(address: &str, topic: &str, from: &[i64]) -> Reader {
        let topic = TopicName(text(topic));
        Reader { stream: connect(address), topic, next: from.to_vec(), round: 0, bytes: 0 }
    }

    /// Returns the next offset of each partition.
    #[must_use]
    pub fn next(&self) -> &[i64] {
        &self.next
    }

    /// Sends one fetch for the partitions that are `wanted`. Returns the records of each partition that had
    /// any.
    ///
    /// # Panics
    /// Panics if the fetch is refused.
    pub fn fetch(&mut self, wanted: impl Fn(usize) -> bool) -> Vec<Bytes> {
        let mut asked: Vec<usize> = (0..self.next.len()).filter(|p| wanted(*p)).collect();
        self.round += 1;
        let count = asked.len().max(1);
        asked.rotate_left(self.round % count);
        let partitions = asked.iter().map(|p| {
            FetchPartition::default()
                .with_partition(i32::try_from(*p).expect("few partitions"))
                .with_fetch_offset(self.next[*p])
                .with_partition_max_bytes(PARTITION_BYTES)
        });
        let topic =
            FetchTopic::default().with_topic(self.topic.clone()).with_partitions(partitions.collect());
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(500)
            .with_min_bytes(1)
            .with_max_bytes(FETCH_BYTES)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        self.stream.write_all(&frame(&request, FETCH_VERSION)).expect("the broker takes requests");
        let mut body = read_frame(&mut self.stream);
        self.bytes += body.len() as u64;
        let _ = body.split_to(4);
        let answer = FetchResponse::decode(&mut body, FETCH_VERSION).expect("a Fetch answer");
        assert_eq!(answer.error_code, 0);
        let mut payloads = Vec::new();
        for partition in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
            if NOT_YET.contains(&partition.error_code) {
                continue;
            }
            assert_eq!(partition.error_code, 0, "partition {}", partition.partition_index);
            let Some(records) = partition.records.filter(|records| !records.is_empty()) else { continue };
            let at = &mut self.next[usize::try_from(partition.partition_index).expect("an index")];
            *at = end_of(&records).unwrap_or(*at);
            payloads.push(records);
        }
        payloads
    }
}

/// Reads every partition from `from` to `to`. Returns the total size of all answers, in bytes.
#[must_use]
pub fn consume(address: &str, topic: &str, from: &[i64], to: &[i64]) -> u64 {
    let mut reader = Reader::open(address, topic, from);
    while reader.next().iter().zip(to).any(|(at, to)| at < to) {
        let at = reader.next().to_vec();
        let _ = reader.fetch(|p| at[p] < to[p]);
    }
    reader.bytes
}

/// Returns the offset after the last complete batch.
fn end_of(mut records: &[u8]) -> Option<i64> {
    let mut end = None;
    while let Some((head, _)) = records.split_first_chunk::<27>() {
        let length = u32::from_be_bytes([head[8], head[9], head[10], head[11]]) as usize + 12;
        let Some(rest) = records.get(length..) else { break };
        let base = i64::from_be_bytes(head[..8].try_into().expect("eight bytes"));
        let delta = i32::from_be_bytes(head[23..27].try_into().expect("four bytes"));
        end = Some(base + i64::from(delta) + 1);
        records = rest;
    }
    end
}
