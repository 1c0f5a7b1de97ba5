use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures::FutureExt as _;
use kafka_protocol::messages::fetch_response::{AbortedTransaction, NodeEndpoint};
use kafka_protocol::messages::{ApiKey, BrokerId, ProducerId};
use kafka_protocol::protocol::StrBytes;
use prometheus_client::metrics::gauge::Gauge;
use proptest::prelude::*;
use serde_json::json;
use state::model::{KafkaUuid, MirrorState, MirrorTopic, StopKind, TopicGuards, Written};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::watch;
use uuid::Uuid;

use crate::gateway::budget::Budget;
use crate::gateway::clock::GatewayClock;
use crate::gateway::connection::Connections;
use crate::gateway::endpoint_map::Advertised;
use crate::gateway::endpoint_map::ListenerTarget;
use crate::gateway::frame::reader::{Account, FrameReader};
use crate::gateway::frame::stream::Readable;
use crate::gateway::frame::strip_budget::StripBudget;
use crate::gateway::guards::Guards;
use crate::gateway::in_flight::ResponsePlan;
use crate::gateway::metrics::Traffic;
use crate::gateway::response::fetch_stream::*;
use crate::gateway::response::filler_filter::tests::{filler_at, real_at};
use crate::gateway::response::share_gaps::ShareGaps;
use crate::gateway::tests::fetch::{fetched, joined};
use crate::gateway::tests::fixture::{MIRROR_ID, response};
use crate::net::HostPort;
use crate::wire::messages::fetch_response::FetchResponse;
use crate::wire::protocol::versions::FETCH;
use crate::wire::records::walk::walk;

const BROKER: &str = "broker.internal";

impl Readable for DuplexStream {
    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<bool>> {
        Poll::Ready(Ok(false))
    }
}

fn rewriter() -> Rewriter {
    rewriter_with([guard(Written::default())])
}

fn rewriter_with(guards: impl IntoIterator<Item = TopicGuard>) -> Rewriter {
    Rewriter {
        advertised: Advertised { bootstrap: HostPort::new("gate.example", 9092) },
        guards: Guards::new(watch::channel(Arc::new(TopicGuards::from_guards(guards))).1),
        metrics: Default::default(),
        gaps: ShareGaps::default(),
    }
}

/// Returns the guard of the topic `mirror`.
fn guard(written: Written) -> TopicGuard {
    TopicGuard {
        topic: "mirror".into(),
        topic_id: KafkaUuid(Uuid::from_u128(MIRROR_ID)),
        link: "dr".into(),
        read_only: true,
        locked_configs: Arc::default(),
        written,
    }
}

/// Returns what a mirror has written that was stopped at these offsets, by partition.
fn stopped_at(log_end_offsets: Vec<i64>) -> Written {
    let state = MirrorState::Stopped { stop: StopKind::Promote, log_end_offsets };
    let mirror = json!({
        "link": "dr", "topic": "mirror", "source_topic": "mirror", "source_topic_id": KafkaUuid::ZERO,
        "local_topic_id": KafkaUuid::ZERO, "generation": 0, "partitions": 4, "stopped_sequence": 1,
        "state": state, "state_ms": 7,
    });
    Written::of(&serde_json::from_value::<MirrorTopic>(mirror).unwrap(), None)
}

/// Builds a response frame, with its size field, that has these records in the partitions of each topic.
fn answer(version: i16, topics: &[(&str, Vec<Bytes>)], endpoints: bool) -> Bytes {
    let mut body = fetched(version, topics);
    let aborted = AbortedTransaction::default().with_producer_id(ProducerId(4)).with_first_offset(2);
    for partition in body.responses.iter_mut().flat_map(|topic| &mut topic.partitions) {
        partition.aborted_transactions = Some(vec![aborted.clone(); partition.partition_index as usize * 20]);
    }
    if endpoints && version >= 16 {
        let host = StrBytes::from_static_str(BROKER);
        body.node_endpoints =
            vec![NodeEndpoint::default().with_node_id(BrokerId(2)).with_host(host).with_port(9092)];
    }
    let frame = response(ApiKey::Fetch, version, 6, &body);
    [&(frame.len() as u32).to_be_bytes()[..], &frame].concat().into()
}

/// Streams this frame, read in pieces of `piece` bytes through pipes of `pipe` bytes. Returns whether it was
/// streamed, or the error, and what the client received.
async fn streamed(
    rewriter: &Rewriter,
    version: i16,
    frame: &Bytes,
    (piece, pipe): (usize, usize),
) -> (Result<bool, SessionError>, Bytes) {
    let ((mut broker, from_broker), (to_client, mut client)) = (duplex(pipe), duplex(pipe));
    let ticks = GatewayClock::start();
    let budget = Budget::new(1 << 20, ticks, Gauge::default(), Gauge::default());
    let peer = ([127, 0, 0, 1], 1).into();
    let connection =
        Connections::default().open(peer, ListenerTarget::Bootstrap, ticks, Traffic::default(), true);
    let mut reader = FrameReader::new(Box::new(from_broker), Account::responses(&budget, &connection));
    let mut writer: crate::gateway::frame::stream::WriteEnd = Box::new(to_client);
    let sending = async {
        // Fails if the stream gives up.
        let _ = broker.write_all(frame).await;
        let _ = broker.shutdown().await;
    };
    let streaming = async {
        let through = StreamingFrame::new(&mut reader, &mut writer, frame.len(), (FETCH, version), piece);
        let done = stream(through, rewriter, version).await;
        drop((reader, writer));
        done
    };
    let receiving = async {
        let mut all = Vec::new();
        let _ = client.read_to_end(&mut all).await;
        Bytes::from(all)
    };
    let ((), done, received) = tokio::join!(sending, streaming, receiving);
    (done, received)
}

/// Returns the records of each partition, byte for byte.
fn records(version: i16, frame: &Bytes) -> Vec<Bytes> {
    assert_eq!(frame.len() - SIZE_BYTES, u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize);
    let body = SIZE_BYTES + 4 + usize::from(version >= 12);
    let read = FetchResponse::read(frame.clone(), body, version).unwrap();
    read.partitions.iter().map(|partition| read.records(partition)).collect()
}

/// Returns the whole batches of each partition.
fn batches(version: i16, frame: &Bytes) -> Vec<Vec<Bytes>> {
    let batches = |records| walk(records).map_while(Result::ok).map(|batch| batch.bytes).collect();
    records(version, frame).iter().map(batches).collect()
}

/// Returns true if the frame has the broker's address, by which clients would bypass the gateway.
fn names_broker(frame: &Bytes) -> bool {
    frame.windows(BROKER.len()).any(|bytes| bytes == BROKER.as_bytes())
}

/// Returns the frame that a client gets if the response is held.
fn held(rewriter: &Rewriter, version: i16, frame: &Bytes) -> Bytes {
    let mut sifting = StripBudget::free();
    let frame = frame.slice(SIZE_BYTES..);
    let pieces = rewriter.rewrite(frame, FETCH, version, &ResponsePlan::Rewrite, &mut sifting).now_or_never();
    let pieces = pieces.unwrap().unwrap();
    let whole = pieces.concat();
    [&(whole.len() as u32).to_be_bytes()[..], &whole].concat().into()
}

/// Returns three real batches, filler, and a real batch that is cut.
fn with_filler() -> Bytes {
    let cut = real_at(40, 9).slice(..40);
    joined(&[real_at(0, 2), real_at(2, 2), real_at(4, 6), filler_at(10, 30), cut])
}

#[tokio::test]
async fn an_answer_without_filler_passes_byte_for_byte() {
    for version in 4..=18 {
        let real = joined(&[real_at(0, 2), real_at(2, 9), real_at(11, 1).slice(..50)]);
        let topics = [("plain", vec![joined(&[filler_at(0, 5)])]), ("mirror", vec![real, Bytes::new()])];
        let frame = answer(version, &topics, false);
        for sizes in [(1, 3), (64, 1024), (100_000, 100_000)] {
            let (done, received) = streamed(&rewriter(), version, &frame, sizes).await;
            assert!(done.unwrap());
            assert_eq!(received, frame, "v{version}");
        }
    }
}

/// Given a partition with filler after other batches, when its response is streamed, then the hidden part
/// looks like the front of a batch that a broker has cut, the frame keeps its length, and the next response
/// for the topic is held.
#[tokio::test]
async fn streamed_filler_becomes_a_cut_batch_and_the_next_response_is_held() {
    for version in [4, 11, 12, 18] {
        let frame = answer(version, &[("mirror", vec![with_filler(), real_at(0, 2)])], true);
        let rewriter = rewriter();
        let (done, received) = streamed(&rewriter, version, &frame, (64, 1024)).await;
        assert!(done.unwrap());
        assert_eq!(received.len(), frame.len());
        // Has a count of its own.
        let whole = held(&rewriter_with([guard(Written::default())]), version, &frame);
        assert_eq!(batches(version, &received), batches(version, &whole), "v{version}");
        assert!(!names_broker(&received));
        assert_eq!(rewriter.metrics.hidden_of("mirror"), 1);

        let (done, received) = streamed(&rewriter, version, &frame, (64, 1024)).await;
        assert!(!done.unwrap());
        assert!(received.is_empty(), "nothing may be written of an answer that is to be held");
    }
}

/// A client that keeps the epoch of a cut batch for its position must not take its log for a truncated one
/// (KIP-320).
#[tokio::test]
async fn a_cut_batch_has_the_leader_epoch_of_the_batch_before() {
    let frame =
        answer(11, &[("mirror", vec![joined(&[real_at(0, 2), filler_at(2, 30), filler_at(32, 30)])])], false);
    let (done, received) = streamed(&rewriter(), 11, &frame, (64, 1024)).await;
    assert!(done.unwrap());
    let read = FetchResponse::read(received, SIZE_BYTES + 4, 11).unwrap();
    let records = read.records(&read.partitions[0]);
    let last = walk(&records).map_while(Result::ok).last().unwrap();
    assert_eq!((last.header.base_offset, last.header.partition_leader_epoch), (2, 4));
    let whole = walk(&records).map_while(Result::ok).map(|batch| batch.bytes.len()).sum::<usize>();
    assert_eq!(records[whole + 12..whole + 16], 4i32.to_be_bytes());
}

/// Given filler that takes less room than the control batch in its place, if it is not alone in its
/// partition, then the client fetches it again. If it is alone, the connection ends, because clients fail on
/// records without a whole batch.
#[tokio::test]
async fn filler_without_room_for_its_control_batch_is_left_for_the_next_answer() {
    let small = crate::wire::records::filler::filler(
        1,
        7,
        crate::wire::records::rewrite_header::WriterIds {
            producer_id: 1 << 62,
            producer_epoch: 0,
            base_sequence: 0,
        },
    );
    assert!(small.len() < crate::wire::records::filler::control_run(0, 1, 0).len());
    let behind = answer(11, &[("mirror", vec![joined(&[real_at(0, 2), small.clone()])])], false);
    let (done, received) = streamed(&rewriter(), 11, &behind, (64, 1024)).await;
    assert!(done.unwrap());
    assert_eq!(batches(11, &received), [[real_at(0, 2)]]);

    let alone = answer(11, &[("mirror", vec![real_at(0, 2), small])], false);
    let rewriter = rewriter();
    let (done, _) = streamed(&rewriter, 11, &alone, (64, 1024)).await;
    assert!(matches!(done, Err(SessionError::FillerInTheWay { .. })), "{done:?}");
    assert!(!streamed(&rewriter, 11, &alone, (64, 1024)).await.0.unwrap(), "the next one is held");
}

/// Given filler that ended a connection, when the client fetches again and the topic is not the first of the
/// response, then that response is held: if it were streamed, it would end every later connection, too.
#[tokio::test]
async fn filler_in_the_way_ends_one_connection_and_not_the_next_wherever_its_topic_stands() {
    let ids = crate::wire::records::rewrite_header::WriterIds {
        producer_id: 1 << 62,
        producer_epoch: 0,
        base_sequence: 0,
    };
    let small = crate::wire::records::filler::filler(1, 7, ids);
    let topics = [("plain", vec![real_at(0, 1)]), ("mirror", vec![small])];
    let frame = answer(11, &topics, false);
    let rewriter = rewriter();
    let (done, _) = streamed(&rewriter, 11, &frame, (64, 1024)).await;
    assert!(matches!(done, Err(SessionError::FillerInTheWay { .. })), "{done:?}");
    assert!(!streamed(&rewriter, 11, &frame, (64, 1024)).await.0.unwrap(), "the next one is held");
}

#[tokio::test]
async fn every_truncation_and_every_surplus_is_an_error() {
    for version in [4, 12, 18] {
        let frame = answer(version, &[("mirror", vec![with_filler()])], true);
        for cut in 0..frame.len() {
            let (done, _) = streamed(&rewriter(), version, &frame.slice(..cut), (64, 1024)).await;
            assert!(done.is_err(), "v{version} at {cut}");
        }
        let mut longer = BytesMut::from(&frame[..]);
        longer.extend_from_slice(&[0]);
        let (done, _) = streamed(&rewriter(), version, &longer.freeze(), (64, 1024)).await;
        assert!(done.is_err(), "v{version}");
    }
}

/// Generates a partition: a row of batches of records or of filler, each of up to 199 offsets, and the front
/// of one more batch.
fn partition() -> impl Strategy<Value = Bytes> {
    let batch = (prop_oneof![3 => Just(true), 1 => Just(false)], 1..200i32);
    (proptest::collection::vec(batch, 0..12), 0..80usize).prop_map(|(batches, cut)| {
        let mut next = 0;
        let mut all = BytesMut::new();
        for (is_real, count) in batches {
            all.extend_from_slice(&if is_real { real_at(next, count) } else { filler_at(next, count) });
            next += i64::from(count);
        }
        all.extend_from_slice(&real_at(next, 1).slice(..cut));
        all.freeze()
    })
}

/// Generates what the gateway knows of the topic `mirror`: nothing, that it is a mirror, or where its
/// partitions stopped to be one. Marks behind that end are a client's, and a partition may have no known end.
fn guards() -> impl Strategy<Value = Option<TopicGuard>> {
    let ends = proptest::collection::vec(-1..1_500i64, 0..5);
    prop_oneof![
        1 => Just(None),
        2 => Just(Some(guard(Written::default()))),
        3 => ends.prop_map(|ends| Some(guard(stopped_at(ends)))),
    ]
}

fn run(
    rewriter: &Rewriter,
    version: i16,
    frame: &Bytes,
    sizes: (usize, usize),
) -> (Result<bool, SessionError>, Bytes) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(streamed(rewriter, version, frame, sizes))
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(version in 3i16..20, bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = run(&rewriter(), version, &bytes.into(), (100, 1_000));
    }

    #[test]
    fn one_changed_byte_never_panics_and_adds_nothing(version in 4i16..19, at: proptest::sample::Index, value: u8) {
        let topics = [("plain", vec![real_at(0, 1)]), ("mirror", vec![with_filler(), real_at(0, 2)])];
        let mut bytes = answer(version, &topics, true).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = value;
        let length = bytes.len();
        let (_, received) = run(&rewriter(), version, &bytes.into(), (100, 1_000));
        prop_assert!(received.len() <= length);
    }

    /// A client gets the same batches whether its response is streamed or held, as far as they have room. It
    /// gets the same bytes where nothing is hidden.
    #[test]
    fn a_streamed_response_has_the_same_batches_as_a_held_one(
        version in 4i16..19,
        guard in guards(),
        plain in proptest::collection::vec(partition(), 0..3),
        mirror in proptest::collection::vec(partition(), 0..4),
        mirror_first: bool,
        piece in 1..2_000usize,
        pipe in 1..2_000usize,
    ) {
        let mut topics = vec![("plain", plain), ("mirror", mirror)];
        if mirror_first {
            topics.reverse();
        }
        let frame = answer(version, &topics, true);
        let whole = held(&rewriter_with(guard.clone()), version, &frame);
        let (done, received) = run(&rewriter_with(guard.clone()), version, &frame, (piece, pipe));
        match done {
            Ok(streamed) => {
                prop_assert!(streamed);
                prop_assert!(!names_broker(&received));
                prop_assert_eq!(received.len(), frame.len());
                let (got, whole_batches) = (batches(version, &received), batches(version, &whole));
                prop_assert_eq!(got.len(), whole_batches.len());
                for (got, whole) in got.iter().zip(whole_batches) {
                    prop_assert!(got.len() == whole.len() || !got.is_empty());
                    prop_assert_eq!(&got[..], &whole[..got.len()]);
                }
                let (sent, got) = (records(version, &frame), records(version, &received));
                for ((sent, whole), got) in sent.iter().zip(records(version, &whole)).zip(got) {
                    prop_assert!(*sent != whole || *sent == got, "nothing is hidden, yet the bytes differ");
                }
            }
            Err(SessionError::FillerInTheWay { .. }) => prop_assert!(guard.is_some()),
            Err(error) => panic!("{error}"),
        }
    }
}
