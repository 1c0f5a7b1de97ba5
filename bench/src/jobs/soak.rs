//! Endurance: one hour at half the rate of a catch-up. Memory, open files and lag must not grow.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use linkgate_tests::client::admin::{EARLIEST, LATEST};
use linkgate_tests::client::log_ends::{Ends, LogEnds};
use linkgate_tests::machine::wait::until;
use linkgate_tests::read::digest;
use linkgate_tests::stage::pair::Pair;

use super::Effort;
use crate::copying::watch;
use crate::data::Data;
use crate::finding::{Finding, Want};
use crate::spread::quantile;
use crate::{pump, say, stage, usage};

const PARTITIONS: i32 = 8;
/// Small segments that are deleted soon: an hour of data at this rate does not fit on the disks.
const CONFIGS: [(&str, &str); 3] =
    [("segment.bytes", "67108864"), ("retention.bytes", "268435456"), ("compression.type", "producer")];
/// Number of windows. The first half of them is compared with the second half.
const WINDOWS: u32 = 12;
/// Interval between two measurements of the lag.
const SAMPLE: Duration = Duration::from_millis(20);

/// Measurements of one window.
struct Window {
    memory: f64,
    files: f64,
    lag: f64,
}

/// Writes at half the rate of a catch-up and measures.
#[must_use]
pub fn soak(effort: Effort) -> Vec<Finding> {
    let lasts = Duration::from_secs(effort.choose(120, 3600));
    let pair = stage::pair("soak");
    let data = Data::plain();
    let half = catch_up_rate(&pair, &data, effort) / 2.0;
    say!("soak: {half:.0} MB/s for {} s", lasts.as_secs());
    stage::create(&pair.source, "endless", PARTITIONS, &CONFIGS);
    stage::link(&pair, "soak");
    let mirror = stage::mirror(&pair, "soak", "endless");
    let over = AtomicBool::new(false);
    let windows = std::thread::scope(|scope| {
        let _ = scope.spawn(|| write(&pair, &data, half, &over));
        // Connections, caches and JIT compilers warm up.
        std::thread::sleep(lasts / 20);
        let windows: Vec<_> = (0..WINDOWS).map(|n| window(&pair, &mirror, n, lasts / WINDOWS)).collect();
        over.store(true, Ordering::Relaxed);
        windows
    });
    caught_up(&pair, &mirror);
    say!("soak: comparing what is left with its source");
    digest::assert_same(&pair.source.bootstrap(), "endless", &pair.destination.bootstrap(), &mirror);
    let job = "soak at half the rate of a catch-up";
    let compared = |quantity, unit, of: fn(&Window) -> f64, most| {
        let all: Vec<f64> = windows.iter().map(of).collect();
        let (first, last) = all.split_at(all.len() / 2);
        Finding::against((job, quantity, unit), ("its first half", first), last, Want::RatioAtMost(most))
    };
    vec![
        compared("memory", "MiB", |w| w.memory, 1.1),
        compared("open files", "", |w| w.files, 1.0),
        compared("lag p99", "ms", |w| w.lag, 1.5),
    ]
}

/// Returns the rate of a catch-up on this machine, in MB/s.
fn catch_up_rate(pair: &Pair, data: &Data, effort: Effort) -> f64 {
    let bytes = effort.choose(400_000_000, 2_000_000_000);
    let records = stage::fill(&pair.source, "long", PARTITIONS, data, bytes);
    let mut rate = 0.0;
    for name in ["warm", "rate"] {
        stage::link(pair, name);
        let mirror = stage::mirror(pair, name, "long");
        let to = pair.destination.bootstrap();
        rate = watch(&to, &mirror, PARTITIONS, records, data.record_bytes(), &stage::daemon(pair)).rate;
        stage::unlink(pair, name, &mirror);
    }
    pair.source.admin().delete_topic("long");
    rate
}

/// Writes `rate` MB per second until `over` is set.
fn write(pair: &Pair, data: &Data, rate: f64, over: &AtomicBool) {
    let all: Vec<i32> = (0..PARTITIONS).collect();
    let frames = stage::frames("endless", &all, data);
    let every = Duration::from_secs_f64(data.payload * f64::from(PARTITIONS) / 1e6 / rate);
    let begin = Instant::now();
    pump::produce(
        &pair.source.bootstrap(),
        5,
        |n| {
            let due = begin + every.mul_f64(n as f64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            (!over.load(Ordering::Relaxed)).then(|| frames[n % frames.len()].clone())
        },
        |_, _| (),
    );
}

/// Measures one window: memory and open files at its end, and the p99 of the lag. The lag is the time that
/// the mirror takes to reach the source's current high watermark.
fn window(pair: &Pair, mirror: &str, number: u32, lasts: Duration) -> Window {
    let begin = Instant::now();
    let (mut source, mut destination) = ends(pair, mirror);
    let mut lags = Vec::new();
    while begin.elapsed() < lasts {
        let (asked, target) = (Instant::now(), sum(source.high_watermarks().ok()));
        while sum(destination.high_watermarks().ok()) < target {
            assert!(asked.elapsed() < Duration::from_secs(60), "{mirror} does not follow");
            std::thread::sleep(Duration::from_millis(1));
        }
        lags.push(asked.elapsed().as_secs_f64() * 1e3);
        std::thread::sleep(SAMPLE);
    }
    let pid = pair.linkgate.pid().expect("linkgate runs");
    let seen = Window {
        memory: usage::resident(pid) as f64 / f64::from(1 << 20),
        files: usage::open_files(pid) as f64,
        lag: quantile(&lags, 0.99),
    };
    let Window { memory, files, lag } = seen;
    say!("soak: window {} of {WINDOWS}: {memory:.0} MiB, {files} files, lag p99 {lag:.1} ms", number + 1);
    seen
}

fn ends(pair: &Pair, mirror: &str) -> (LogEnds, LogEnds) {
    (
        LogEnds::of(&pair.source.bootstrap(), &["endless".to_owned()]),
        LogEnds::of(&pair.destination.bootstrap(), &[mirror.to_owned()]),
    )
}

fn sum(ends: Option<Ends>) -> i64 {
    ends.map_or(0, |ends| ends.values().sum())
}

/// Ends the retention, and waits until everything is copied and both logs begin at the same offsets. Each
/// side deletes whole segments of its own, so the source is trimmed to the log start of the destination where
/// that is higher.
fn caught_up(pair: &Pair, mirror: &str) {
    let (mut source, mut destination) = (pair.source.admin(), pair.destination.admin());
    // Nothing may be deleted during the comparison.
    source.alter_config("endless", "retention.bytes", "-1");
    destination.alter_config(mirror, "retention.bytes", "-1");
    until("everything is copied", Duration::from_secs(120), || {
        (source.offsets("endless", LATEST) == destination.offsets(mirror, LATEST)).then_some(())
    });
    until("both logs have the same bounds", Duration::from_secs(120), || {
        let starts =
            source.offsets("endless", EARLIEST).into_iter().zip(destination.offsets(mirror, EARLIEST));
        for (partition, (_, there)) in (0..).zip(starts).filter(|(_, (here, there))| here < there) {
            source.delete_records("endless", partition, there);
        }
        (source.offsets("endless", EARLIEST) == destination.offsets(mirror, EARLIEST)).then_some(())
    });
}
