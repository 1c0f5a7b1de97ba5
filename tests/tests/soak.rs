//! Every kind of fault at every place, again and again, under every workload; then nothing is lost, duplicated, reordered or
//! changed, and every state that was shown is explained.
//!
//! By default a fixed list of seeds shares about ten minutes. `LINKGATE_FAULTS=1000` (`make soak`) goes on until so many faults
//! were injected, with a seed of its own unless `LINKGATE_SEED` gives one. `LINKGATE_SECONDS` moves the end of the short one.

use std::time::Duration;

use linkgate_tests::soak::inject::Outcome;
use linkgate_tests::soak::kind::Kind;
use linkgate_tests::soak::recovery;
use linkgate_tests::soak::run::{Options, run};
use linkgate_tests::workload;

/// Seeds of the run that is part of `make test`: the first eighteen waves of both together have every fault of processes, clusters and
/// producers.
const SEEDS: [u64; 2] = [568, 2716];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
}

/// Given workloads of every kind, when faults of every kind happen at every place, then source and mirror hold the same in the
/// end, clients that read along have got the same, and mirror topics have shown no state that no fault explains.
#[test]
fn no_fault_loses_repeats_reorders_or_changes_a_record() {
    let faults = number("LINKGATE_FAULTS");
    let seconds = number("LINKGATE_SECONDS").unwrap_or(if faults.is_some() { 7_200 } else { 440 });
    let seeds = match (number("LINKGATE_SEED"), faults) {
        (Some(seed), _) => vec![seed],
        (None, Some(_)) => vec![fastrand::u64(..1_000_000_000)],
        (None, None) => SEEDS.to_vec(),
    };
    let only = std::env::var("LINKGATE_WORKLOADS").ok();
    let chosen = |name: &str| only.as_deref().is_none_or(|only| only.split(',').any(|one| one == name));
    let workloads: Vec<_> = workload::ALL.into_iter().filter(|w| chosen(w.name)).collect();
    for seed in &seeds {
        println!("LINKGATE_SEED={seed} repeats its schedule");
    }

    let summary = run(&Options {
        seeds: seeds.clone(),
        faults: faults.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX)),
        limit: Duration::from_secs(seconds),
        workloads,
    });

    println!("{}", recovery::table(&summary.faults));
    println!("{}", summary.findings.text());
    for fault in &summary.faults {
        if let Outcome::NotRun(why) = &fault.outcome {
            println!("NOT RUN: {} at {}: {why}", fault.kind, fault.place);
        }
    }
    let ran = summary.faults.iter().filter(|f| !matches!(f.outcome, Outcome::NotRun(_))).count();
    println!(
        "LINKGATE_SEED={seeds:?}: {ran} faults, {} differences, {} unexplained changes of state",
        summary.findings.differences(),
        summary.findings.unexplained.len()
    );
    assert_eq!(summary.findings.differences(), 0, "{}", summary.findings.text());
    assert!(summary.findings.unexplained.is_empty(), "{}", summary.findings.text());
    let broken: Vec<_> = summary.faults.iter().filter(|f| matches!(f.outcome, Outcome::Broken(_))).collect();
    assert!(broken.is_empty(), "{broken:?}");
    // A run that proves little must not pass for one that proves much.
    let kinds: std::collections::BTreeSet<Kind> = summary.faults.iter().map(|f| f.kind).collect();
    let hit = summary.faults.iter().filter(|f| f.outcome == Outcome::Hit).count();
    assert!(hit * 10 >= ran * 8, "only {hit} of {ran} faults met anything");
    if seconds >= 400 {
        assert!(kinds.len() >= 12, "only {} kinds", kinds.len());
        assert!(summary.findings.not_cleaned.is_empty(), "{:?}", summary.findings.not_cleaned);
        assert!(summary.findings.verdicts.iter().all(|(name, v)| v.records > 100 || name.is_empty()));
    }
    if let Some(faults) = faults {
        assert!(ran as u64 >= faults, "{ran} of {faults} faults in {seconds} s");
    }
}
