//! Clients that read during the faults, through the gateway as applications do, or directly from the source.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::audit::seen::{Seen, digest};
use crate::workload::Workload;

/// Everything that a reader has seen, by topic and partition, in the order of arrival.
pub type AllSeen = BTreeMap<(String, i32), Vec<Seen>>;

/// Errors that the client reported, by kind: their number, and the text of the last one.
type Said = BTreeMap<String, (u64, String)>;

/// Records the errors of the client and prints nothing: faults cause them, and the client recovers.
struct Listening(Arc<Mutex<Said>>);

impl ClientContext for Listening {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        note(&self.0, &error, reason);
    }
}

impl ConsumerContext for Listening {}

fn note(said: &Mutex<Said>, error: &KafkaError, words: &str) {
    let mut said = lock(said);
    let (times, last) = said.entry(error.to_string()).or_default();
    *times += 1;
    words.clone_into(last);
}

/// A client that reads from the beginning until it is stopped.
#[derive(Debug)]
pub struct Reader {
    /// Name of the reader, for messages.
    pub name: &'static str,
    seen: Arc<Mutex<AllSeen>>,
    said: Arc<Mutex<Said>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// Reads all partitions of `workloads` from `bootstrap` with an isolation level.
    ///
    /// # Panics
    /// Panics if the client cannot be made.
    #[must_use]
    pub fn start(name: &'static str, bootstrap: &str, isolation: &str, workloads: &[Workload]) -> Reader {
        let said = Arc::new(Mutex::new(Said::new()));
        let consumer: BaseConsumer<Listening> = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", name)
            .set("isolation.level", isolation)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            .set("check.crcs", "true")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "500")
            .set("socket.timeout.ms", "10000")
            .set("queued.max.messages.kbytes", "32768")
            .set("fetch.queue.backoff.ms", "50")
            .set("topic.metadata.refresh.interval.ms", "5000")
            .set("log_level", "0")
            .create_with_context(Listening(said.clone()))
            .unwrap_or_else(|e| panic!("a consumer cannot be made: {e}"));
        let mut list = TopicPartitionList::new();
        for workload in workloads {
            for partition in 0..workload.partitions {
                list.add_partition_offset(workload.name, partition, Offset::Beginning)
                    .unwrap_or_else(|e| panic!("offset: {e}"));
            }
        }
        consumer.assign(&list).unwrap_or_else(|e| panic!("assign: {e}"));
        let seen = Arc::new(Mutex::new(AllSeen::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (into, errors, told) = (seen.clone(), said.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                let message = match consumer.poll(Duration::from_millis(100)) {
                    Some(Ok(message)) => message,
                    Some(Err(error)) => {
                        note(&errors, &error, "");
                        continue;
                    }
                    None => continue,
                };
                let headers = message.headers().map(|h| h.iter().map(|h| (h.key, h.value)));
                let seen = Seen {
                    offset: message.offset(),
                    timestamp: message.timestamp().to_millis().unwrap_or(-1),
                    digest: digest(message.key(), message.payload(), headers.into_iter().flatten()),
                };
                let at = (message.topic().to_owned(), message.partition());
                lock(&into).entry(at).or_default().push(seen);
            }
        });
        Reader { name, seen, said, stop, thread: Some(thread) }
    }

    /// Returns the offset after the last record of each partition.
    #[must_use]
    pub fn positions(&self) -> BTreeMap<(String, i32), i64> {
        let seen = lock(&self.seen);
        seen.iter().map(|(at, all)| (at.clone(), all.last().map_or(0, |s| s.offset + 1))).collect()
    }

    /// Returns the number of records so far.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.seen).values().map(Vec::len).sum()
    }

    /// Returns a line for each kind of error that the client has reported. It explains why a client has
    /// stopped.
    #[must_use]
    pub fn errors(&self) -> String {
        lock(&self.said)
            .iter()
            .map(|(error, (times, words))| format!("  {times} times {error} {words}\n"))
            .collect()
    }

    /// Stops the reader. Returns everything that it has seen.
    ///
    /// # Panics
    /// Panics if its thread has panicked.
    pub fn stop(mut self) -> AllSeen {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("a reader ends well");
        }
        std::mem::take(&mut *lock(&self.seen))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
