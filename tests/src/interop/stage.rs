//! A source, a destination and a gateway, with mirror topics that are full of filler from real mirroring.

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::kafka::Version;
use crate::machine::wait::{LONG, until};
use crate::produce::{Kind, Sender, send};
use crate::read;
use crate::stage::linkgate::Linkgate;
use crate::stage::pair::Pair;

/// A mirror topic of one partition, and the records that a client must see in it.
#[derive(Debug, Clone)]
pub struct MirrorTopic {
    /// Name of the mirror topic.
    pub name: String,
    /// Offset and value of every record that the source shows to a read_committed client.
    pub records: Vec<(i64, String)>,
    /// Log end offset.
    pub end: i64,
}

/// The clusters and the mirror topics of the matrix.
#[derive(Debug)]
pub struct Stage {
    /// The clusters and the gateway.
    pub pair: Pair,
    /// The mirror topics. Refused writes go to the first one. The last one is the large topic of the present
    /// client.
    pub mirrors: Vec<MirrorTopic>,
}

/// Names of the mirror topics. Each name tells where the filler is.
pub const TOPICS: [&str; 5] = ["filler-middle", "filler-start", "filler-long", "filler-end", "filler-mixed"];

/// Broker configs with short heartbeat intervals for the newer group protocols, so that rebalances are soon
/// over.
const CONFIGS: [(&str, &str); 4] = [
    ("group.consumer.min.heartbeat.interval.ms", "300"),
    ("group.consumer.heartbeat.interval.ms", "300"),
    ("group.share.min.heartbeat.interval.ms", "300"),
    ("group.share.heartbeat.interval.ms", "300"),
];

impl Stage {
    /// Starts the stage and waits until every mirror topic holds what its source topic holds.
    ///
    /// # Panics
    /// Panics if a topic does not get the shape that the matrix needs.
    #[must_use]
    pub fn build() -> Stage {
        let pair = Pair::between("interop", Version::V4_3_1, Version::V4_3_1, &CONFIGS);
        pair.link("");
        // First, since its cleaner works in the background.
        thin_out(&pair, "filler-mixed");
        in_the_middle(&pair, "filler-middle");
        at_the_start(&pair, "filler-start");
        one_by_one(&pair, "filler-long");
        at_the_end(&pair, "filler-end");
        cleaned(&pair, "filler-mixed");
        for topic in TOPICS.into_iter().filter(|topic| *topic != "filler-long") {
            pair.mirror(topic);
        }
        let mirrors = TOPICS.iter().map(|topic| mirrored(&pair, topic)).collect();
        assert_shapes(&pair);
        Stage { pair, mirrors }
    }

    /// Creates a large topic for this client and puts it in the last place. The gateway streams fetched
    /// answers of it until it meets the first filler; from then on it holds them whole.
    pub fn give_large_topic(&mut self, client: &str) {
        let topic = large_topic(client);
        late(&self.pair, &topic);
        self.mirrors.truncate(TOPICS.len());
        self.mirrors.push(mirrored(&self.pair, &topic));
    }

    /// Returns true if the gateway met filler in a streamed answer of this client's large topic.
    #[must_use]
    pub fn has_streamed(&self, client: &str) -> bool {
        let topic = large_topic(client);
        self.pair
            .linkgate
            .log()
            .lines()
            .any(|line| line.contains("in a streamed response") && line.contains(&topic))
    }

    /// Returns the gateway as the place to which a client connects.
    #[must_use]
    pub fn gateway(&self) -> Place<'_> {
        let bootstrap = self.pair.linkgate.bootstrap();
        Place { bootstrap, mirrors: &self.mirrors, linkgate: Some(&self.pair.linkgate) }
    }
}

/// The cluster or gateway to which a client connects.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// `bootstrap.servers`.
    pub bootstrap: String,
    /// The topics of the steps `read` and `refused`.
    pub mirrors: &'a [MirrorTopic],
    /// The gateway, if there is one: it counts the fetches.
    pub linkgate: Option<&'a Linkgate>,
}

impl Place<'_> {
    /// Returns the value of the argument `mirrors=` of the programs.
    #[must_use]
    pub fn mirrors_argument(&self) -> String {
        let each: Vec<String> =
            self.mirrors.iter().map(|topic| format!("{}:{}", topic.name, topic.records.len())).collect();
        each.join(",")
    }
}

fn large_topic(client: &str) -> String {
    format!("large-of-{client}")
}

fn mirrored(pair: &Pair, name: &str) -> MirrorTopic {
    pair.assert_mirrored(name);
    let copy = read::partition(&pair.source.bootstrap(), name, 0);
    let text = |value: Option<Vec<u8>>| String::from_utf8(value.unwrap_or_default()).unwrap_or_default();
    let records = copy.records.into_iter().map(|record| (record.offset, text(record.value))).collect();
    MirrorTopic { name: name.to_owned(), records, end: copy.high_watermark }
}

/// Filler for every third transaction, which is aborted, and for markers. The codec is gzip, which every
/// client has.
fn in_the_middle(pair: &Pair, topic: &str) {
    pair.source.admin().create_topic(topic, 1, &[]);
    send(&pair.source.bootstrap(), topic, Kind::transactional("gzip", 7), 300);
    send(&pair.source.bootstrap(), topic, Kind::plain("none"), 30);
}

/// A log that begins above 0, at 1,000 aborted records.
fn at_the_start(pair: &Pair, topic: &str) {
    let source = pair.source.bootstrap();
    pair.source.admin().create_topic(topic, 1, &[]);
    send(&source, topic, Kind::plain("none"), 2_000);
    aborted(&source, topic, 1, 1_000);
    send(&source, topic, Kind::plain("none"), 100);
    pair.source.admin().delete_records(topic, 0, 2_000);
}

/// Aborted transactions that are mirrored while they are written, so that each becomes a filler batch of its
/// own: a run of more bytes than a small fetch returns.
fn one_by_one(pair: &Pair, topic: &str) {
    let source = pair.source.bootstrap();
    pair.mirror_topic(topic, 1, &[]);
    send(&source, topic, Kind::plain("none"), 50);
    aborted(&source, topic, 120, 8);
    send(&source, topic, Kind::plain("none"), 50);
}

/// A log that ends with 300 aborted records and their marker.
fn at_the_end(pair: &Pair, topic: &str) {
    let source = pair.source.bootstrap();
    pair.source.admin().create_topic(topic, 1, &[]);
    send(&source, topic, Kind::plain("gzip"), 100);
    aborted(&source, topic, 1, 300);
}

/// More than one fetch of 1 MiB without filler, then filler between records and at the end.
fn late(pair: &Pair, topic: &str) {
    let source = pair.source.bootstrap();
    pair.source.admin().create_topic(topic, 1, &[]);
    for records in [200, 50] {
        let mut sender = Sender::new(&source, Kind { batch: 4, ..Kind::plain("none") });
        for i in 0..records {
            sender.send(topic, "large", &format!("{i:08000}"));
        }
        sender.finish();
        aborted(&source, topic, 1, 2);
    }
    pair.mirror(topic);
}

fn aborted(bootstrap: &str, topic: &str, transactions: usize, records: usize) {
    let limit = Duration::from_secs(30);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("transactional.id", format!("aborted-{topic}"))
        .set("linger.ms", "1")
        .create()
        .unwrap_or_else(|e| panic!("a producer cannot be made: {e}"));
    let checked =
        |done: Result<(), rdkafka::error::KafkaError>| done.unwrap_or_else(|e| panic!("{topic}: {e}"));
    checked(producer.init_transactions(limit));
    for _ in 0..transactions {
        checked(producer.begin_transaction());
        for i in 0..records {
            let record =
                BaseRecord::to(topic).key("aborted").payload(if i % 2 == 0 { "never" } else { "seen" });
            producer.send(record).unwrap_or_else(|(e, _)| panic!("{topic}: {e}"));
        }
        checked(producer.flush(limit));
        checked(producer.abort_transaction(limit));
    }
}

/// A compacted topic in which each batch keeps some of its records.
fn thin_out(pair: &Pair, topic: &str) {
    let source = pair.source.bootstrap();
    let configs =
        [("cleanup.policy", "compact"), ("segment.ms", "500"), ("min.cleanable.dirty.ratio", "0.01")];
    pair.source.admin().create_topic(topic, 1, &configs);
    let mut sender = Sender::new(&source, Kind { batch: 12, ..Kind::idempotent("gzip") });
    for i in 0..600 {
        let key = if i % 3 == 0 { format!("once-{i}") } else { format!("often-{}", i % 20) };
        sender.send(topic, &key, &format!("value-{i}"));
    }
    sender.finish();
    // The next record begins a new segment; the cleaner only touches the segment before.
    std::thread::sleep(Duration::from_millis(700));
    send(&source, topic, Kind::plain("none"), 1);
}

/// Waits for the cleaner, and then switches the topic to delete, so that no cleaner changes the mirror.
fn cleaned(pair: &Pair, topic: &str) {
    until(&format!("{topic} is compacted"), LONG, || {
        let copy = read::partition(&pair.source.bootstrap(), topic, 0);
        (copy.records.len() < 400).then_some(())
    });
    pair.source.admin().alter_config(topic, "cleanup.policy", "delete");
}

/// Asserts the shapes of the destination logs without which the matrix would prove nothing.
fn assert_shapes(pair: &Pair) {
    let log = |topic: &str| read::raw(&pair.destination.bootstrap(), topic, 0);
    let is_filler = |batch: &crate::read::records::Batch| batch.base_timestamp < 0;
    let long = log("filler-long");
    let run =
        long.chunk_by(|a, b| is_filler(a) == is_filler(b)).filter(|run| is_filler(&run[0])).map(<[_]>::len);
    // A filler batch has about 200 bytes.
    let longest = run.max().unwrap_or(0);
    assert!(longest > 30, "filler-long: {longest} filler batches in a row");
    assert!(is_filler(&log("filler-start")[0]), "filler-start begins with filler");
    assert!(log("filler-end").last().is_some_and(is_filler), "filler-end ends with filler");
    let mixed = log("filler-mixed");
    let mixed = mixed.iter().filter(|b| is_filler(b) && b.records.iter().any(|r| r.value.is_some())).count();
    assert!(mixed > 10, "filler-mixed: {mixed} batches of records and filler");
}
