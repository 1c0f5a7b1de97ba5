//! A client that writes through the gateway to a topic of the destination's own: what the gateway carries for others suffers
//! the same faults as the mirror.

use std::collections::BTreeMap;
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
use crate::read;

/// Its topic, with two partitions.
pub const TOPIC: &str = "own";

/// Where the records that were acknowledged stand, by their numbers.
type Acked = Arc<Mutex<BTreeMap<u64, (i32, i64)>>>;

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
            let _ = acked.insert(*number, (message.partition(), message.offset()));
        }
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
    /// Begins to write through the gateway.
    #[must_use]
    pub fn start(gateway: &str) -> OwnWriter {
        let acked = Acked::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (into, told, gateway) = (acked.clone(), stop.clone(), gateway.to_owned());
        let thread = std::thread::spawn(move || {
            let mut number = 0;
            while !told.load(Ordering::Relaxed) {
                let producer = client(&gateway, &into);
                // An idempotent producer whose sequence is broken is broken for good.
                while !told.load(Ordering::Relaxed) && producer.client().fatal_error().is_none() {
                    for _ in 0..3 {
                        let (key, value) = (number.to_string(), format!("number {number}"));
                        let record =
                            BaseRecord::with_opaque_to(TOPIC, Box::new(number)).key(&key).payload(&value);
                        let _ = producer.send(record);
                        number += 1;
                    }
                    let _ = producer.poll(Duration::from_millis(50));
                }
                let _ = producer.flush(Duration::from_secs(40));
            }
        });
        OwnWriter { acked, stop, thread: Some(thread) }
    }

    /// Stops it and reads its topic through the gateway: every record that was acknowledged is there once, where the
    /// acknowledgement said.
    ///
    /// # Panics
    /// When the client has panicked or the topic cannot be read.
    #[must_use]
    pub fn audit(mut self, gateway: &str) -> Verdict {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the writer ends well");
        }
        let acked = self.acked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut verdict = Verdict::of(acked.len());
        let mut found: BTreeMap<u64, (i32, i64)> = BTreeMap::new();
        for partition in 0..2 {
            for record in read::partition(gateway, TOPIC, partition).records {
                let number = record.key.and_then(|key| String::from_utf8(key).ok()?.parse().ok());
                let Some(number) = number else {
                    verdict.found(Difference::Invented, record.offset, || "a key nobody wrote".to_owned());
                    continue;
                };
                if let Some(before) = found.insert(number, (partition, record.offset)) {
                    verdict.found(Difference::Duplicated, record.offset, || {
                        format!("number {number} is at {before:?}, too")
                    });
                }
            }
        }
        for (number, at) in acked.iter() {
            match found.get(number) {
                Some(found) if found == at => {}
                Some(found) => verdict.found(Difference::Offset, at.1, || {
                    format!("number {number} was acknowledged at {at:?} and is at {found:?}")
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
        .set("message.timeout.ms", "30000")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .set("log_level", "0")
        .create_with_context(Context(acked.clone()))
        .unwrap_or_else(|e| panic!("a producer cannot be made: {e}"))
}
