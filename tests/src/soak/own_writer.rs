//! A client that writes through the gateway to a topic that is no mirror: the traffic of other clients is
//! audited under the same faults.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use crate::audit::Verdict;
use crate::audit::verdict::Difference;
use crate::machine::wait::LONG;
use crate::read;
use crate::read::records::Batch;

/// Name of its topic, which has two partitions.
pub const TOPIC: &str = "own";

/// Longer than any fault. If a record that may have been written times out, librdkafka starts a new epoch and
/// sends the records behind it again, and no broker recognises those as duplicates (INTRODUCTION.md, "Message
/// timeout considerations").
const MESSAGE_TIMEOUT_MS: &str = "600000";

/// Partition and offset of each acknowledged record, by its number. The offset is missing if the client only
/// knows that a later record of the same producer was accepted, and so this one was too.
type Acked = Arc<Mutex<BTreeMap<u64, (i32, Option<i64>)>>>;

struct Context(Acked);

impl ClientContext for Context {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<u64>) {
        if let Ok(message) = result {
            let mut acked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let offset = Some(message.offset()).filter(|offset| *offset >= 0);
            let _ = acked.insert(*number, (message.partition(), offset));
        }
    }
}

/// Position of a record, and its producer. If two copies of a record have the same producer id, epoch and
/// sequence, a broker or the gateway repeated it; otherwise the client did.
#[derive(Debug, Clone, Copy)]
struct Stands {
    at: (i32, i64),
    producer: (i64, i16),
    sequence: i64,
}

impl Stands {
    /// Returns true if `other` is the same record of the same client, sent again.
    fn is_retried_by(&self, other: &Stands) -> bool {
        (self.at.0, self.producer, self.sequence) == (other.at.0, other.producer, other.sequence)
    }

    /// Returns each record of a batch, with its key.
    fn each(partition: i32, batch: &Batch) -> impl Iterator<Item = (Stands, Option<&[u8]>)> {
        batch.records.iter().map(move |record| {
            let stands = Stands {
                at: (partition, record.offset),
                producer: (batch.producer_id, batch.producer_epoch),
                sequence: i64::from(batch.base_sequence) + record.offset - batch.base_offset,
            };
            (stands, record.key.as_deref())
        })
    }
}

impl fmt::Display for Stands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stands { at, producer: (id, epoch), sequence } = self;
        write!(f, "producer {id} epoch {epoch} sequence {sequence} at {at:?}")
    }
}

/// The client.
#[derive(Debug)]
pub struct OwnWriter {
    acked: Acked,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl OwnWriter {
    /// Starts to write through the gateway.
    #[must_use]
    pub fn start(gateway: &str) -> OwnWriter {
        let acked = Acked::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (into, told, gateway) = (acked.clone(), stop.clone(), gateway.to_owned());
        let thread = std::thread::spawn(move || {
            let mut number = 0;
            while !told.load(Ordering::Relaxed) {
                let producer = client(&gateway, &into);
                // A fatal error of an idempotent producer, such as a broken sequence, is permanent.
                while !told.load(Ordering::Relaxed) && producer.client().fatal_error().is_none() {
                    for _ in 0..3 {
                        let (key, value) = (number.to_string(), format!("number {number}"));
                        let record =
                            BaseRecord::with_opaque_to(TOPIC, Box::new(number)).key(&key).payload(&value);
                        let _ = producer.send(record);
                        number += 1;
                    }
                    producer.poll(Duration::from_millis(50));
                }
                let flushed = producer.flush(LONG);
                assert!(
                    flushed.is_ok() || producer.client().fatal_error().is_some(),
                    "{} records got no answer within {LONG:?}: {flushed:?}",
                    producer.in_flight_count()
                );
            }
        });
        OwnWriter { acked, stop, thread: Some(thread) }
    }

    /// Stops the client and reads its topic through the gateway: every acknowledged record must be there
    /// once, at the acknowledged offset.
    ///
    /// # Panics
    /// Panics if the client has panicked or the topic cannot be read.
    #[must_use]
    pub fn audit(mut self, gateway: &str) -> Verdict {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the writer ends well");
        }
        let acked = self.acked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut verdict = Verdict::of(acked.len());
        let mut found: BTreeMap<u64, Stands> = BTreeMap::new();
        for partition in 0..2 {
            for (stands, key) in
                read::raw(gateway, TOPIC, partition).iter().flat_map(|b| Stands::each(partition, b))
            {
                let offset = stands.at.1;
                let number = key.and_then(|key| std::str::from_utf8(key).ok()?.parse().ok());
                let Some(number) = number else {
                    verdict.found(Difference::Invented, offset, || "a key nobody wrote".to_owned());
                    continue;
                };
                let before = found.insert(number, stands);
                // These brokers forget producer ids after a second, so a later retry is a new batch to them.
                // Other tests check with brokers that remember whether the gateway repeats requests
                // (`producers.rs`, `crash.rs`).
                if let Some(before) = before.filter(|before| !before.is_retried_by(&stands)) {
                    verdict.found(Difference::Duplicated, offset, || {
                        format!("number {number} by {stands}, and by {before}")
                    });
                }
            }
        }
        for (number, (partition, offset)) in acked.iter() {
            let at = (*partition, offset.unwrap_or(-1));
            match found.get(number) {
                Some(found) if found.at == at || (found.at.0 == at.0 && offset.is_none()) => {}
                Some(found) => verdict.found(Difference::Offset, at.1, || {
                    format!("number {number} was acknowledged at {at:?} and is written by {found}")
                }),
                None => verdict
                    .found(Difference::Lost, at.1, || format!("number {number}, acknowledged at {at:?}")),
            }
        }
        verdict
    }
}

impl Drop for OwnWriter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn client(gateway: &str, acked: &Acked) -> BaseProducer<Context> {
    ClientConfig::new()
        .set("bootstrap.servers", gateway)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "5")
        .set("message.timeout.ms", MESSAGE_TIMEOUT_MS)
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .set("log_level", "0")
        .create_with_context(Context(acked.clone()))
        .unwrap_or_else(|e| panic!("a producer cannot be made: {e}"))
}
