//! Watches a daemon during a test: health, lag, memory, and the latency of a well-behaved client.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, TopicName};
use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use crate::client::admin::{Admin, LATEST};
use crate::client::{Connection, text};
use crate::produce::crafted::{Crafted, CraftedRecord};
use crate::produce::raw_batch::now_ms;
use crate::stage::linkgate::Linkgate;

/// The daemon and the topics to watch.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Address of the admin listener, `host:port`.
    pub admin: String,
    /// Process id of the daemon.
    pub pid: u32,
    /// Bootstrap address of the gateway, for the well-behaved client.
    pub gateway: String,
    /// Two ordinary topics of the destination, to which that client writes.
    pub own_topics: [String; 2],
    /// Bootstrap address of the source, without a proxy in between.
    pub source: String,
    /// Bootstrap address of the destination, without a proxy in between.
    pub destination: String,
    /// A mirror topic of one partition that nothing else uses.
    pub mirror: String,
}

impl Watched {
    /// Describes a daemon and three topics.
    ///
    /// # Panics
    /// Panics if the daemon does not run.
    #[must_use]
    pub fn of(
        linkgate: &Linkgate,
        source: &str,
        destination: &str,
        own_topics: [&str; 2],
        mirror: &str,
    ) -> Watched {
        Watched {
            admin: linkgate.rest_url().trim_start_matches("http://").to_owned(),
            pid: linkgate.pid().expect("it runs"),
            gateway: linkgate.bootstrap(),
            own_topics: own_topics.map(str::to_owned),
            source: source.to_owned(),
            destination: destination.to_owned(),
            mirror: mirror.to_owned(),
        }
    }
}

/// Worst value of each measurement, and the number of measurements.
#[derive(Debug, Clone, Default)]
pub struct Vitals {
    /// Slowest answer of `/health/live`.
    pub health: Duration,
    /// Number of answers of `/health/live` other than 200.
    pub unhealthy: usize,
    /// Longest time from the source's acknowledgement of a record until the mirror held it.
    pub lag: Duration,
    /// Largest resident memory, in bytes.
    pub resident: usize,
    /// Longest time until a record of the well-behaved client was acknowledged.
    pub produce: Duration,
    /// Longest time until a request for two topics was acknowledged. The gateway holds such a request whole
    /// before it passes it on.
    pub held: Duration,
    /// Number of records of that client that were refused, and of its requests that failed.
    pub refused: usize,
    /// Number of health requests.
    pub asked: usize,
    /// Number of records for which the lag was measured.
    pub mirrored: usize,
    /// Number of records that the well-behaved client wrote.
    pub produced: usize,
}

impl std::fmt::Display for Vitals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "health {:>6.0} ms of {:>4}, lag {:>6.0} ms of {:>3}, produce {:>6.0} ms of {:>4}, to two topics \
             {:>6.0} ms, refused {}, memory {:>5} MiB",
            self.health.as_secs_f64() * 1e3,
            self.asked,
            self.lag.as_secs_f64() * 1e3,
            self.mirrored,
            self.produce.as_secs_f64() * 1e3,
            self.produced,
            self.held.as_secs_f64() * 1e3,
            self.refused,
            self.resident >> 20,
        )
    }
}

/// Measures repeatedly until it is stopped.
#[derive(Debug)]
pub struct Watch {
    seen: Arc<Mutex<Vitals>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Timeout for one answer. A slower answer counts as this time.
const PATIENCE: Duration = Duration::from_secs(20);

impl Watch {
    /// Starts the measurements.
    #[must_use]
    pub fn start(watched: &Watched) -> Watch {
        let seen = Arc::new(Mutex::new(Vitals::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        let looks: [fn(&Watched, &Mutex<Vitals>, &AtomicBool); 4] = [health, lag, produce, produce_held];
        for look in looks {
            let (watched, seen, stop) = (watched.clone(), seen.clone(), stop.clone());
            threads.push(std::thread::spawn(move || look(&watched, &seen, &stop)));
        }
        Watch { seen, stop, threads }
    }

    /// Returns the measurements so far.
    #[must_use]
    pub fn so_far(&self) -> Vitals {
        lock(&self.seen).clone()
    }

    /// Stops and returns the measurements.
    ///
    /// # Panics
    /// Panics if a measuring thread has panicked.
    #[must_use]
    pub fn stop(mut self) -> Vitals {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a look ends well");
        }
        self.so_far()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn lock(seen: &Mutex<Vitals>) -> MutexGuard<'_, Vitals> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Measures health and memory. Opens a new connection for each request, like a Kubernetes probe.
fn health(watched: &Watched, seen: &Mutex<Vitals>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let answer = ask_health(&watched.admin);
        let took = begin.elapsed();
        let status = std::fs::read_to_string(format!("/proc/{}/status", watched.pid)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let resident = line.trim().trim_end_matches(" kB").parse::<usize>().unwrap_or_default() << 10;
        let mut seen = lock(seen);
        seen.asked += 1;
        seen.health = seen.health.max(took);
        seen.unhealthy += usize::from(!answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")));
        seen.resident = seen.resident.max(resident);
        drop(seen);
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn ask_health(admin: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(admin)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!("GET /health/live HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = [0; 64];
    let read = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
}

/// Measures the lag: writes one record after the other to the source, and waits for each at the destination.
fn lag(watched: &Watched, seen: &Mutex<Vitals>, stop: &AtomicBool) {
    let (producer, delivered) = producer(&watched.source);
    let mut destination = Admin::to(&watched.destination);
    while !stop.load(Ordering::Relaxed) {
        let before = delivered.count();
        let _ = producer.send(BaseRecord::to(&watched.mirror).key("k").payload("v"));
        let sent = Instant::now();
        while delivered.count() == before && sent.elapsed() < PATIENCE {
            producer.poll(Duration::from_millis(5));
        }
        let Some(offset) = delivered.last_offset() else { continue };
        let begin = Instant::now();
        while destination.offset(&watched.mirror, 0, LATEST, 0) <= offset && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut seen = lock(seen);
        seen.lag = seen.lag.max(begin.elapsed());
        seen.mirrored += 1;
        drop(seen);
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Writes one record after the other through the gateway, and measures the latency.
fn produce(watched: &Watched, seen: &Mutex<Vitals>, stop: &AtomicBool) {
    let (producer, delivered) = producer(&watched.gateway);
    while !stop.load(Ordering::Relaxed) {
        let (before, refused) = (delivered.count(), delivered.refused());
        let begin = Instant::now();
        let _ = producer.send(BaseRecord::to(&watched.own_topics[0]).key("k").payload("v"));
        while delivered.count() == before && begin.elapsed() < PATIENCE {
            producer.poll(Duration::from_millis(5));
        }
        let mut seen = lock(seen);
        seen.produce = seen.produce.max(begin.elapsed());
        seen.produced += 1;
        seen.refused += delivered.refused() - refused;
        drop(seen);
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = producer.flush(PATIENCE);
}

/// Sends one request after the other for two topics, like a client of many topics. Reopens a closed
/// connection; that time counts, too.
fn produce_held(watched: &Watched, seen: &Mutex<Vitals>, stop: &AtomicBool) {
    let record =
        CraftedRecord { timestamp: now_ms(), value: Some(b"v".to_vec()), ..CraftedRecord::default() };
    let batch = Crafted::new(vec![record]).seal();
    let topics = watched.own_topics.each_ref().map(|name| {
        let partition = PartitionProduceData::default().with_records(Some(batch.clone()));
        TopicProduceData::default().with_name(TopicName(text(name))).with_partition_data(vec![partition])
    });
    let request =
        ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(topics.to_vec());
    let leader = Admin::to(&watched.gateway).leaders(&watched.own_topics[0]).remove(0).address;
    let mut connection = None;
    while !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let mut failed = 0;
        while begin.elapsed() < PATIENCE {
            let open = connection.take().map_or_else(|| Connection::open(&leader), Ok);
            let answered = open.and_then(|mut open| open.ask(9, &request).map(|answer| (open, answer)));
            let Ok((open, answer)) = answered else {
                failed += 1;
                std::thread::sleep(Duration::from_millis(20));
                continue;
            };
            let codes = answer.responses.iter().flat_map(|t| &t.partition_responses).map(|p| p.error_code);
            failed += codes.filter(|code| *code != 0).count();
            connection = Some(open);
            break;
        }
        let mut seen = lock(seen);
        seen.held = seen.held.max(begin.elapsed());
        seen.refused += failed;
        drop(seen);
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Counters of the records: answers, refusals, and the last offset.
#[derive(Debug, Clone, Default)]
struct Delivered(Arc<Mutex<(usize, usize, Option<i64>)>>);

impl Delivered {
    fn get(&self) -> (usize, usize, Option<i64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> usize {
        self.get().0
    }

    fn refused(&self) -> usize {
        self.get().1
    }

    fn last_offset(&self) -> Option<i64> {
        self.get().2
    }
}

impl ClientContext for Delivered {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: rdkafka::error::KafkaError, _: &str) {}
}

impl ProducerContext for Delivered {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        use rdkafka::message::Message as _;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.0 += 1;
        match result {
            Ok(message) => all.2 = Some(message.offset()),
            Err(_) => all.1 += 1,
        }
    }
}

fn producer(bootstrap: &str) -> (BaseProducer<Delivered>, Delivered) {
    let delivered = Delivered::default();
    let producer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("acks", "all")
        .set("linger.ms", "0")
        .set("message.timeout.ms", "60000")
        .set("log_level", "0")
        .create_with_context(delivered.clone())
        .unwrap_or_else(|e| panic!("a producer cannot be made: {e}"));
    (producer, delivered)
}
