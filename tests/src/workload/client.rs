//! A producer client that survives the faults of its cluster: after a permanent error it is replaced by a new
//! one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use super::record::Record;
use super::writer::Counts;

/// Maximum time for one call of a transaction. After that the client counts as broken.
const CALL: Duration = Duration::from_secs(20);

/// Settings of a client, from which a new client can be made.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) bootstrap: String,
    pub(super) codec: &'static str,
    pub(super) idempotent: bool,
    pub(super) transactional_id: Option<String>,
    /// Maximum number of records in a batch.
    pub(super) batch: usize,
    pub(super) linger_ms: u32,
}

struct Context(Counts);

impl ClientContext for Context {
    // Errors of connections are expected; they are not printed.
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let counter = if result.is_ok() { &self.0.accepted } else { &self.0.refused };
        let _ = counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The client is broken and must be replaced.
#[derive(Debug)]
pub(super) struct Broken;

/// The client.
pub(super) struct Client {
    settings: Settings,
    counts: Counts,
    producer: BaseProducer<Context>,
}

impl Client {
    /// Makes a client. Returns `None` once `stop` is set.
    pub(super) fn make(settings: &Settings, counts: &Counts, stop: &Arc<AtomicBool>) -> Option<Client> {
        while !stop.load(Ordering::Relaxed) {
            let producer: BaseProducer<Context> = settings
                .config()
                .create_with_context(Context(counts.clone()))
                .unwrap_or_else(|e| panic!("a producer cannot be made: {e}"));
            if settings.transactional_id.is_none() || producer.init_transactions(CALL).is_ok() {
                let (settings, counts) = (settings.clone(), counts.clone());
                return Some(Client { settings, counts, producer });
            }
        }
        None
    }

    /// Replaces the client by a new one. It is unknown whether its records in flight were written.
    pub(super) fn remake(self, stop: &Arc<AtomicBool>) -> Option<Client> {
        let _ = self.counts.remade.fetch_add(1, Ordering::Relaxed);
        let (settings, counts) = (self.settings.clone(), self.counts.clone());
        drop(self);
        Client::make(&settings, &counts, stop)
    }

    /// Sends one record. Waits while the queue is full.
    pub(super) fn send(&self, topic: &str, record: &Record) -> Result<(), Broken> {
        loop {
            let header = Header { key: "n", value: record.key.as_ref() };
            let headers =
                OwnedHeaders::new().insert(header).insert(Header { key: "", value: None::<&Vec<u8>> });
            let mut to: BaseRecord<'_, Vec<u8>, Vec<u8>> =
                BaseRecord::to(topic).headers(headers).timestamp(record.timestamp);
            to.key = record.key.as_ref();
            to.payload = record.value.as_ref();
            match self.producer.send(to) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => self.poll(),
                Err(_) => return Err(Broken),
            }
        }
        self.producer.poll(Duration::ZERO);
        if self.producer.client().fatal_error().is_some() { Err(Broken) } else { Ok(()) }
    }

    pub(super) fn poll(&self) {
        self.producer.poll(Duration::from_millis(20));
    }

    /// Waits until all records are answered.
    pub(super) fn flush(&self) -> Result<(), Broken> {
        self.producer.flush(CALL).map_err(|_| Broken)
    }

    pub(super) fn begin(&self) -> Result<(), Broken> {
        self.producer.begin_transaction().map_err(|_| Broken)
    }

    /// Commits, or aborts if only that is possible. Returns true after a commit.
    pub(super) fn commit(&self) -> Result<bool, Broken> {
        match self.producer.commit_transaction(CALL) {
            Ok(()) => Ok(true),
            Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                self.producer.abort_transaction(CALL).map_err(|_| Broken)?;
                Ok(false)
            }
            Err(_) => Err(Broken),
        }
    }

    /// Aborts, after a flush, so that the aborted records are in the log.
    pub(super) fn abort(&self) -> Result<(), Broken> {
        let _ = self.producer.flush(CALL);
        self.producer.abort_transaction(CALL).map_err(|_| Broken)
    }
}

impl Settings {
    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        let _ = config
            .set("bootstrap.servers", &self.bootstrap)
            .set("compression.codec", self.codec)
            .set("enable.idempotence", self.idempotent.to_string())
            .set("acks", "all")
            .set("linger.ms", self.linger_ms.to_string())
            .set("batch.num.messages", self.batch.to_string())
            .set("message.max.bytes", "12000000")
            .set("queue.buffering.max.kbytes", "65536")
            .set("message.timeout.ms", "30000")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "500")
            .set("log_level", "0");
        if let Some(id) = &self.transactional_id {
            let _ = config
                .set("transactional.id", id)
                .set("message.timeout.ms", "14000")
                .set("transaction.timeout.ms", "15000");
        }
        config
    }
}
