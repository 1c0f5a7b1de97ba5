//! The expected content of a mirror after it became an ordinary topic.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use linkgate_tests::produce::{Kind, Sender};
use linkgate_tests::read;
use linkgate_tests::read::records::Record;

use crate::case::{Before, Case, Stop};
use crate::clusters::{Clusters, FOREIGN};

type Records = BTreeMap<i32, Vec<Record>>;

/// Checks all cases. Returns a line for each case that is wrong.
pub(crate) fn of_all(clusters: &Clusters, cases: &[Case]) -> Vec<String> {
    let judged: Vec<&Case> = cases.iter().filter(|case| !is_refused(case)).collect();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let _ = scope.spawn(|| {
                while let Some(case) = judged.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = of_one(clusters, case) {
                        let line = format!("{}: {why}", case.topic());
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.extend(not_writable(clusters, &judged));
    failed.sort();
    failed
}

/// Returns true for a promote of a FAILED mirror, which is refused.
fn is_refused(case: &Case) -> bool {
    case.before == Before::Failed && case.stop == Stop::Promote
}

fn of_one(clusters: &Clusters, case: &Case) -> Result<(), String> {
    let topic = case.topic();
    let mirror = clusters.linkgate.mirror(case.link(), &topic);
    let starts: Vec<i64> = mirror["linkgate"]["partitions"]
        .as_array()
        .map(|all| all.iter().map(|p| p["start_offset"].as_i64().unwrap_or(0)).collect())
        .unwrap_or_default();
    let mut there = records(&clusters.source.direct_bootstrap(), &topic);
    for (partition, all) in &mut there {
        let start = usize::try_from(*partition).ok().and_then(|n| starts.get(n)).copied().unwrap_or(0);
        all.retain(|record| record.offset >= start);
    }
    let mut here = records(&clusters.linkgate.bootstrap(), &topic);
    if case.before == Before::Failed {
        // An append that was in flight when the foreign record was written lies behind it; its offset made
        // the mirror FAILED. Only the records before the foreign one are those of the source, offset by
        // offset.
        for all in here.values_mut() {
            let foreign = all.iter().position(|record| record.key.as_deref() == Some(FOREIGN));
            all.truncate(foreign.unwrap_or(all.len()));
        }
    }
    let count = |all: &Records| all.values().map(Vec::len).collect::<Vec<_>>();
    let counts = || format!("{:?} records of {:?}, starts {starts:?}", count(&here), count(&there));
    match case.stop {
        Stop::Promote if here != there => return Err(format!("is not what the source holds: {}", counts())),
        Stop::Failover if here.iter().any(|(n, all)| !there.get(n).is_some_and(|a| a.starts_with(all))) => {
            return Err(format!("is no beginning of the source: {}", counts()));
        }
        // Everything that was copied before the changes is there in any case.
        Stop::Failover if count(&here).iter().sum::<usize>() < 10 => {
            return Err(format!("has lost what it had: {}", counts()));
        }
        _ => {}
    }
    let mut destination = clusters.destination.admin();
    for (name, want) in [("compression.type", "lz4"), ("retention.ms", "7200000000")] {
        let have = destination.config(&topic, name);
        if have.as_deref() != Some(want) {
            return Err(format!("{name} is {have:?}, at the source {want}"));
        }
    }
    // Whatever the destination refused, a promote has synced the rest.
    let group = destination.group_offsets(&format!("taken-{topic}"));
    if case.stop == Stop::Promote && group.get(&(topic.clone(), 0)) != Some(&2) {
        return Err(format!("its group's offsets are {group:?}"));
    }
    Ok(())
}

fn records(bootstrap: &str, topic: &str) -> Records {
    read::topic(bootstrap, topic).into_iter().map(|(partition, copy)| (partition, copy.records)).collect()
}

/// Writes a record to each topic through the gateway. Returns a text if any was refused.
fn not_writable(clusters: &Clusters, judged: &[&Case]) -> Option<String> {
    let mut sender = Sender::new(&clusters.linkgate.bootstrap(), Kind::plain("none"));
    for case in judged {
        sender.send(&case.topic(), "first", "write");
    }
    sender.finish();
    let failed = sender.deliveries.failed();
    (failed > 0).then(|| format!("{failed} of {} open topics refuse writes", judged.len()))
}
