//! The writer threads, one for each client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::client::{Broken, Client, Settings};
use super::record::{self, Record};
use super::{Shape, Workload};

/// Counters of a workload.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Records that the source accepted, aborted ones included.
    pub accepted: Arc<AtomicU64>,
    /// Records that it refused, or whose fate is unknown.
    pub refused: Arc<AtomicU64>,
    /// Transactions that were committed.
    pub committed: Arc<AtomicU64>,
    /// Transactions that were aborted.
    pub aborted: Arc<AtomicU64>,
    /// Broken clients that were replaced.
    pub remade: Arc<AtomicU64>,
}

/// The writers of one workload.
#[derive(Debug)]
pub struct Writers {
    /// Counters of their records.
    pub counts: Counts,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    /// Starts to write to the cluster at `bootstrap`. The same seed generates the same records.
    #[must_use]
    pub fn start(bootstrap: &str, workload: &Workload, seed: u64) -> Writers {
        let counts = Counts::default();
        let stop = Arc::new(AtomicBool::new(false));
        let threads = workload.codecs.iter().zip(0..).map(|(codec, number)| {
            let settings = settings(bootstrap, workload, codec, seed);
            let writer = Writer {
                topic: workload.name,
                name: format!("{}-{codec}", workload.name),
                shape: workload.shape,
                pace: pace(workload.shape),
                counts: counts.clone(),
                stop: stop.clone(),
                rng: Rng::with_seed(seed ^ (number << 32)),
                next: 0,
            };
            std::thread::spawn(move || writer.run(&settings))
        });
        let threads = threads.collect();
        Writers { counts, stop, threads }
    }

    /// Stops the writers and waits until their last records are answered.
    ///
    /// # Panics
    /// Panics if one of them has panicked.
    pub fn stop(mut self) -> Counts {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a writer ends well");
        }
        self.counts.clone()
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn settings(bootstrap: &str, workload: &Workload, codec: &'static str, seed: u64) -> Settings {
    let shape = workload.shape;
    let transactional = shape == Shape::Transactional;
    Settings {
        bootstrap: bootstrap.to_owned(),
        codec,
        idempotent: shape != Shape::Plain,
        transactional_id: transactional.then(|| format!("{}-{codec}-{seed}", workload.name)),
        batch: match shape {
            Shape::Tiny => 3,
            Shape::Large => 4,
            _ => 100,
        },
        linger_ms: if shape == Shape::Tiny { 0 } else { 10 },
    }
}

/// Returns the interval between two bursts of one writer.
fn pace(shape: Shape) -> Duration {
    Duration::from_millis(match shape {
        Shape::Large => 1_500,
        Shape::Transactional => 60,
        Shape::Tiny => 25,
        Shape::Plain | Shape::Idempotent | Shape::Compacted => 100,
    })
}

struct Writer {
    topic: &'static str,
    name: String,
    shape: Shape,
    pace: Duration,
    counts: Counts,
    stop: Arc<AtomicBool>,
    rng: Rng,
    next: u64,
}

impl Writer {
    fn run(mut self, settings: &Settings) {
        let Some(mut client) = Client::make(settings, &self.counts, &self.stop) else { return };
        while !self.stop.load(Ordering::Relaxed) {
            let burst = Instant::now();
            let done = match self.shape {
                Shape::Transactional => self.transaction(&client),
                Shape::Tiny => self.tiny(&client),
                Shape::Large => self.some(&client, 1),
                Shape::Plain | Shape::Idempotent | Shape::Compacted => {
                    let count = self.rng.u64(1..20);
                    self.some(&client, count)
                }
            };
            if done.is_err() {
                match client.remake(&self.stop) {
                    Some(new) => client = new,
                    None => return,
                }
            }
            // Serves delivery reports until the next burst.
            while burst.elapsed() < self.pace && !self.stop.load(Ordering::Relaxed) {
                client.poll();
            }
        }
        let _ = client.flush();
    }

    fn record(&mut self) -> Record {
        self.next += 1;
        record::next(self.shape, &self.name, self.next, &mut self.rng)
    }

    fn some(&mut self, client: &Client, count: u64) -> Result<(), Broken> {
        for _ in 0..count {
            let record = self.record();
            client.send(self.topic, &record)?;
        }
        Ok(())
    }

    /// Sends one to three records, in a batch of their own.
    fn tiny(&mut self, client: &Client) -> Result<(), Broken> {
        let count = self.rng.u64(1..=3);
        self.some(client, count)
    }

    fn transaction(&mut self, client: &Client) -> Result<(), Broken> {
        client.begin()?;
        let count = self.rng.u64(1..40);
        self.some(client, count / 2)?;
        if self.rng.u8(0..20) == 0 {
            // Open for long: other transactions begin and end meanwhile.
            std::thread::sleep(Duration::from_millis(self.rng.u64(500..2_000)));
        }
        self.some(client, count - count / 2)?;
        let committed = if self.rng.f64() < 0.3 {
            client.abort()?;
            false
        } else {
            client.commit()?
        };
        let counter = if committed { &self.counts.committed } else { &self.counts.aborted };
        let _ = counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
