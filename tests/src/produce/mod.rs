//! Producers of every kind: plain, idempotent, transactional with aborts, every codec. Below are batches that no
//! producer makes.

pub mod crafted;
pub mod raw_batch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

/// Settings of a producer.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Compression codec: `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    pub codec: &'static str,
    /// True: with a producer id and sequence numbers.
    pub idempotent: bool,
    /// Number of records per transaction; every third transaction is aborted. `None`: no transactions.
    pub transaction: Option<usize>,
    /// Maximum number of records per batch.
    pub batch: usize,
    /// True: each record has a header. Message formats before v2 have none.
    pub headers: bool,
}

impl Kind {
    /// A producer that is neither idempotent nor transactional.
    #[must_use]
    pub fn plain(codec: &'static str) -> Kind {
        Kind { codec, idempotent: false, transaction: None, batch: 200, headers: true }
    }

    /// An idempotent producer.
    #[must_use]
    pub fn idempotent(codec: &'static str) -> Kind {
        Kind { idempotent: true, ..Kind::plain(codec) }
    }

    /// A transactional producer with `records` records per transaction.
    #[must_use]
    pub fn transactional(codec: &'static str, records: usize) -> Kind {
        Kind { transaction: Some(records), ..Kind::idempotent(codec) }
    }
}

/// Counters of the records that a producer sent.
#[derive(Debug, Default, Clone)]
pub struct Deliveries {
    acked: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl Deliveries {
    /// Returns the number of records that the broker accepted, aborted ones included.
    #[must_use]
    pub fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    /// Returns the number of records that the broker did not accept.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let counter = if result.is_ok() { &self.acked } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// A producer.
pub struct Sender {
    producer: BaseProducer<Deliveries>,
    kind: Kind,
    in_transaction: usize,
    transactions: usize,
    /// Counters of its records.
    pub deliveries: Deliveries,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Sender {
    /// Creates the producer and, for transactions, initialises it.
    ///
    /// # Panics
    /// Panics if the client cannot be created or initialised.
    #[must_use]
    pub fn new(bootstrap: &str, kind: Kind) -> Sender {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", bootstrap)
            .set("compression.codec", kind.codec)
            .set("enable.idempotence", kind.idempotent.to_string())
            .set("acks", "all")
            .set("linger.ms", "5")
            .set("batch.num.messages", kind.batch.to_string())
            .set("message.timeout.ms", "110000")
            .set("log_level", "3");
        if kind.transaction.is_some() {
            config.set("transactional.id", format!("tests-{}", fastrand::u64(..)));
            config.set("message.timeout.ms", "55000");
        }
        let deliveries = Deliveries::default();
        let producer: BaseProducer<Deliveries> = config
            .create_with_context(deliveries.clone())
            .unwrap_or_else(|e| panic!("a producer cannot be made: {e}"));
        if kind.transaction.is_some() {
            producer
                .init_transactions(Duration::from_secs(60))
                .unwrap_or_else(|e| panic!("init transactions: {e}"));
        }
        Sender { producer, kind, in_transaction: 0, transactions: 0, deliveries }
    }

    /// Sends one record. If the kind has headers, its header repeats the key. Begins and ends transactions as
    /// the kind requires.
    ///
    /// # Panics
    /// Panics if the client refuses the record.
    pub fn send(&mut self, topic: &str, key: &str, value: &str) {
        if self.kind.transaction.is_some() && self.in_transaction == 0 {
            self.producer.begin_transaction().unwrap_or_else(|e| panic!("begin: {e}"));
        }
        loop {
            let mut record = BaseRecord::to(topic).key(key).payload(value);
            if self.kind.headers {
                record = record.headers(OwnedHeaders::new().insert(Header { key: "key", value: Some(key) }));
            }
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    self.producer.poll(Duration::from_millis(20));
                }
                Err((error, _)) => panic!("cannot send to {topic}: {error}"),
            }
        }
        self.producer.poll(Duration::ZERO);
        self.in_transaction += 1;
        if self.kind.transaction.is_some_and(|size| self.in_transaction >= size) {
            self.end_transaction();
        }
    }

    fn end_transaction(&mut self) {
        self.transactions += 1;
        self.in_transaction = 0;
        let limit = Duration::from_secs(60);
        let done = if self.transactions.is_multiple_of(3) {
            // Flushes first: the aborted records must be in the log, or there is nothing to skip.
            self.producer.flush(limit).and_then(|()| self.producer.abort_transaction(limit))
        } else {
            self.producer.commit_transaction(limit)
        };
        done.unwrap_or_else(|e| panic!("end of a transaction: {e}"));
    }

    /// Waits until every record is answered.
    ///
    /// # Panics
    /// Panics if that takes too long.
    pub fn finish(&mut self) {
        if self.in_transaction > 0 && self.kind.transaction.is_some() {
            self.end_transaction();
        }
        self.producer.flush(Duration::from_secs(110)).unwrap_or_else(|e| panic!("flush: {e}"));
    }
}

/// Sends `count` records `key-i` → `value-i…` and waits until all are accepted.
///
/// # Panics
/// Panics if a record is not accepted.
pub fn send(bootstrap: &str, topic: &str, kind: Kind, count: usize) {
    let mut sender = Sender::new(bootstrap, kind);
    for i in 0..count {
        sender.send(topic, &format!("key-{i}"), &value(i));
    }
    sender.finish();
    assert_eq!(sender.deliveries.failed(), 0, "records that {topic} did not accept");
    assert_eq!(sender.deliveries.acked(), count as u64, "records that {topic} accepted");
}

fn value(i: usize) -> String {
    format!("{{\"n\":{i},\"text\":\"{}\"}}", "flight ".repeat(1 + i % 17))
}

/// A producer that writes until it is stopped.
#[derive(Debug)]
pub struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
    /// Counters of its records.
    pub deliveries: Deliveries,
}

impl Writer {
    /// Starts to write about `per_second` records per second.
    #[must_use]
    pub fn start(bootstrap: &str, topic: &str, kind: Kind, per_second: u64) -> Writer {
        let stop = Arc::new(AtomicBool::new(false));
        let mut sender = Sender::new(bootstrap, kind);
        let deliveries = sender.deliveries.clone();
        let (topic, told) = (topic.to_owned(), stop.clone());
        let pause = Duration::from_secs(10) / u32::try_from(per_second.max(10)).unwrap_or(u32::MAX);
        let thread = std::thread::spawn(move || {
            let mut sent = 0u64;
            while !told.load(Ordering::Relaxed) {
                for _ in 0..10 {
                    sender.send(
                        &topic,
                        &format!("key-{sent}"),
                        &value(usize::try_from(sent).unwrap_or_default()),
                    );
                    sent += 1;
                }
                std::thread::sleep(pause);
            }
            sender.finish();
            sent
        });
        Writer { stop, thread: Some(thread), deliveries }
    }

    /// Stops the producer and waits until its records are answered. Returns the number of records sent.
    ///
    /// # Panics
    /// Panics if the producer failed.
    pub fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map_or(0, |t| t.join().expect("the writer ends well"))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
