//! Two Linkgates that mirror the same partitions at the same time, which no operator should run on purpose,
//! do no harm while the brokers remember the producer id of the last append.
//!
//! `LINKGATE_SECONDS` sets the duration (default: 60; `make soak-pair` takes ten minutes). The seed of the
//! kills is printed; `LINKGATE_SEED` repeats them.

use std::time::{Duration, Instant};

use linkgate_tests::audit::Sides;
use linkgate_tests::soak::reader::Reader;
use linkgate_tests::soak::states::{FaultLog, StateWatch, Transition};
use linkgate_tests::soak::verify;
use linkgate_tests::stage::linkgate::Linkgate;
use linkgate_tests::stage::pair::{LINK, Pair};
use linkgate_tests::workload::{self, Workload, Writers};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
}

/// Given two daemons with the same journal, and so with the same link, generation and reserved producer id,
/// when both mirror all workloads while each is killed, paused and restarted, then the mirrors are what the
/// source holds, through both gateways, and neither daemon ever showed an error.
#[test]
fn two_linkgates_on_the_same_partitions_do_no_harm() {
    let seconds = number("LINKGATE_SECONDS").unwrap_or(60);
    let seed = number("LINKGATE_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    println!("{seconds} s, LINKGATE_SEED={seed}");
    let workloads = workload::ALL;
    let mut pair = Pair::small("two");
    let (source, destination) = (pair.source.bootstrap(), pair.destination.bootstrap());
    pair.link("");
    for workload in &workloads {
        pair.mirror_topic(workload.name, workload.partitions, workload.configs);
    }
    assert_eq!(pair.linkgate.stop(), Some(0), "{}", pair.linkgate.log());
    let mut second = pair.linkgate.copy("two-second", &destination, &[]);
    let mut both = [&mut pair.linkgate, &mut second];
    for linkgate in &mut both {
        linkgate.launch();
        linkgate.wait_ready();
    }

    let writers: Vec<Writers> = workloads.iter().map(|w| Writers::start(&source, w, seed)).collect();
    let compacted: Vec<Workload> = workloads.iter().filter(|w| w.is_compacted()).cloned().collect();
    let witness = Reader::start("witness", &source, "read_committed", &compacted);
    let readers = [
        Reader::start("through the first", &both[0].bootstrap(), "read_committed", &workloads),
        Reader::start("through the second", &both[1].bootstrap(), "read_uncommitted", &workloads),
    ];
    let states = both.each_ref().map(|linkgate| {
        let url = format!("{}/kafka/v3/clusters/{}/links/{LINK}", linkgate.rest_url(), linkgate.cluster_id());
        StateWatch::start(url + "/mirrors")
    });

    let appended = disturb(&mut both, Duration::from_secs(seconds), seed);

    let sent: u64 =
        writers.into_iter().map(|w| w.stop().accepted.load(std::sync::atomic::Ordering::Relaxed)).sum();
    let no_faults = FaultLog::default();
    let unexplained = || -> Vec<Transition> {
        let all = states.iter().flat_map(StateWatch::transitions);
        all.filter(|t| !t.is_explained(&no_faults)).collect()
    };
    let found = unexplained();
    assert!(found.is_empty(), "{found:#?}\n{}\n{}", both[0].log(), both[1].log());
    verify::settle(&source, &destination, &workloads);
    let sides = Sides { source, mirror: both[0].bootstrap() };
    let (mut findings, logs, witnessed) = verify::audit_logs(&sides, &workloads, witness);
    for reader in readers {
        findings.verdicts.push(verify::read_along(reader, &workloads, &logs, &witnessed));
    }
    findings.unexplained = unexplained();
    for watch in &states {
        assert!(watch.now().values().all(|state| state == "ACTIVE"), "{:?}", watch.now());
    }
    println!("{}", findings.text());
    println!(
        "{sent} records written; in its longest life the first appended {} batches, the second {}",
        appended[0], appended[1]
    );
    assert_eq!(findings.differences(), 0, "{}", findings.text());
    assert!(findings.unexplained.is_empty(), "{}", findings.text());
    // Both must have worked, or the test proves nothing.
    assert!(appended.iter().all(|batches| *batches > 100.0), "{appended:?}");
}

/// Kills, pauses and restarts one daemon or both. Returns the number of batches that each has appended in its
/// longest life.
fn disturb(both: &mut [&mut Linkgate; 2], lasts: Duration, seed: u64) -> [f64; 2] {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut appended = [0.0; 2];
    let (begin, mut said) = (Instant::now(), Instant::now());
    let mut kills = 0;
    while begin.elapsed() < lasts {
        std::thread::sleep(Duration::from_millis(rng.u64(200..3_000)));
        for (linkgate, batches) in both.iter().zip(&mut appended) {
            // A kill resets the counter.
            *batches = linkgate.metric("linkgate_mirror_appended_batches_total").max(*batches);
        }
        let which = rng.usize(0..2);
        let pause = Duration::from_millis(rng.u64(50..2_500));
        match rng.u8(0..10) {
            0..5 => {
                both[which].kill();
                std::thread::sleep(pause / 2);
            }
            5..8 => {
                // The daemon comes back with requests that it wrote long ago.
                both[which].pause();
                std::thread::sleep(pause);
                both[which].resume();
                continue;
            }
            8 => {
                both[which].kill();
                both[1 - which].kill();
            }
            _ => assert_eq!(both[which].stop(), Some(0), "{}", both[which].log()),
        }
        kills += 1;
        for linkgate in both.iter_mut() {
            linkgate.launch();
            linkgate.wait_ready();
        }
        if said.elapsed() > Duration::from_secs(8) {
            said = Instant::now();
            println!(
                "[{:>4.0} s] {kills} kills, batches appended: {appended:?}",
                begin.elapsed().as_secs_f64()
            );
        }
    }
    println!("{kills} kills");
    appended
}
