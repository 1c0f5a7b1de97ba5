//! The load with librdkafka.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use super::load::{Book, Outcome};

/// Errors that brokers return while coordinators move. An application retries.
const RETRIABLE: [RDKafkaErrorCode; 5] = [
    RDKafkaErrorCode::NoOffset,
    RDKafkaErrorCode::CoordinatorLoadInProgress,
    RDKafkaErrorCode::CoordinatorNotAvailable,
    RDKafkaErrorCode::NotCoordinator,
    RDKafkaErrorCode::RebalanceInProgress,
];

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Book>>);

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Shared {}

impl ProducerContext for Shared {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<u64>) {
        let mut book = self.book();
        match result {
            Ok(_) => drop(book.acked.insert(*number)),
            Err((error, _)) => {
                book.failed += 1;
                book.fault("send", error.rdkafka_error_code());
            }
        }
    }
}

/// Writes until `stop` is set, then reads to the end.
pub(crate) fn run(bootstrap: &str, topic: &str, stop: &AtomicBool) -> Outcome {
    let shared = Shared::default();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read(bootstrap, topic, &shared, &done));
        write(bootstrap, topic, &shared, stop);
        let end = Instant::now() + Duration::from_secs(60);
        while shared.book().outcome().missing > 0 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(100));
        }
        done.store(true, Ordering::Relaxed);
        reader.join().expect("the reader ends well");
    });
    shared.book().outcome()
}

fn write(bootstrap: &str, topic: &str, shared: &Shared, stop: &AtomicBool) {
    let producer: BaseProducer<Shared> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("client.id", "load-librdkafka")
        .set("enable.idempotence", "true")
        .set("log_level", "3")
        .create_with_context(shared.clone())
        .expect("a producer");
    for number in 0u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let value = number.to_string();
        let record = BaseRecord::<(), String, Box<u64>>::with_opaque_to(topic, Box::new(number))
            .partition((number % 3) as i32)
            .payload(&value);
        if let Err((error, _)) = producer.send(record) {
            let mut book = shared.book();
            book.failed += 1;
            book.fault("send", error.rdkafka_error_code());
        }
        producer.poll(Duration::from_millis(10));
    }
    producer.flush(Duration::from_secs(60)).expect("everything is answered");
}

fn read(bootstrap: &str, topic: &str, shared: &Shared, done: &AtomicBool) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("client.id", "load-librdkafka")
        .set("group.id", format!("load-{topic}"))
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("log_level", "3")
        .create()
        .expect("a consumer");
    consumer.subscribe(&[topic]).expect("subscribed");
    let mut committed = Instant::now();
    while !done.load(Ordering::Relaxed) {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(record)) => {
                let text = record.payload().map(String::from_utf8_lossy).unwrap_or_default();
                let number = text.parse().expect("a number");
                let mut book = shared.book();
                if !book.seen.insert(number) {
                    book.repeated += 1;
                }
            }
            Some(Err(error)) => fault(shared, "poll", &error),
            None => {}
        }
        if committed.elapsed() > Duration::from_secs(1) {
            committed = Instant::now();
            match consumer.commit_consumer_state(CommitMode::Sync) {
                Ok(()) => {}
                // Nothing new to commit, or a retriable error: the next attempt follows a second later.
                Err(KafkaError::ConsumerCommit(code)) if RETRIABLE.contains(&code) => {}
                Err(error) => fault(shared, "commit", &error),
            }
        }
    }
}

/// Counts an error, except a notice of a broken connection: librdkafka reconnects by itself.
fn fault(shared: &Shared, place: &str, error: &KafkaError) {
    let code = error.rdkafka_error_code();
    let notice = [RDKafkaErrorCode::BrokerTransportFailure, RDKafkaErrorCode::AllBrokersDown];
    if !code.is_some_and(|code| notice.contains(&code)) {
        shared.book().fault(place, code);
    }
}
