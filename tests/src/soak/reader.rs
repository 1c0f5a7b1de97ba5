//! Clients that read along while faults happen, through the gateway as applications do, or straight from the source.

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

/// All that a reader has seen, by topic and partition, in the order in which it came.
pub type AllSeen = BTreeMap<(String, i32), Vec<Seen>>;

struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Quiet {}

/// A client that reads from the beginning and goes on until it is stopped.
#[derive(Debug)]
pub struct Reader {
    /// For messages.
    pub name: &'static str,
    seen: Arc<Mutex<AllSeen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// Reads all partitions of `workloads` from `bootstrap` with an isolation level.
    ///
    /// # Panics
    /// When the client cannot be made.
    #[must_use]
    pub fn start(name: &'static str, bootstrap: &str, isolation: &str, workloads: &[Workload]) -> Reader {
        let consumer: BaseConsumer<Quiet> = ClientConfig::new()
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
            .create_with_context(Quiet)
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
        let (into, told) = (seen.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                // Errors are the point of the exercise: the client gets over them.
                let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
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
        Reader { name, seen, stop, thread: Some(thread) }
    }

    /// The offset after the last record of each partition.
    #[must_use]
    pub fn positions(&self) -> BTreeMap<(String, i32), i64> {
        let seen = lock(&self.seen);
        seen.iter().map(|(at, all)| (at.clone(), all.last().map_or(0, |s| s.offset + 1))).collect()
    }

    /// Records so far.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.seen).values().map(Vec::len).sum()
    }

    /// Stops it; all that it has seen.
    ///
    /// # Panics
    /// When it has panicked.
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

fn lock(seen: &Mutex<AllSeen>) -> MutexGuard<'_, AllSeen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
