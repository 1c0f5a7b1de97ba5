//! Injects the faults of the schedule. Each call returns when the fault is over and the processes that it hit
//! run again.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::elsewhere;
use super::kind::{Kind, Place};
use super::schedule::Planned;
use super::stage::Stage;
use crate::fault::behaviour::Direction;
use crate::fault::{Behaviour, Disk, FaultProxy};
use crate::kafka::Cluster;
use crate::kafka::leadership;
use crate::stage::linkgate::http_put_json;

/// The outcome of an injected fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The fault affected a process or a connection.
    Hit,
    /// The fault was injected, but nothing was there to be affected, or nothing could be moved.
    Missed,
    /// The fault is not possible on this machine, for this reason.
    NotRun(String),
    /// Something that should have withstood the fault did not.
    Broken(String),
}

/// Injects one fault and ends it.
#[must_use]
pub fn inject(stage: &Stage, planned: &Planned, topics: &[String]) -> Outcome {
    match planned.kind {
        Kind::BrokerKill | Kind::BrokerPause | Kind::BrokerRestart => broker(stage, planned),
        Kind::LeaderMove => leader_move(stage, topics),
        Kind::BrokerDiskFull => broker_disk_full(stage, planned),
        Kind::LinkgateKill | Kind::LinkgatePause | Kind::LinkgateRestart => linkgate(stage, planned),
        Kind::LinkgateDiskFull => journal_disk_full(stage, planned),
        Kind::Hang => hang(stage, planned),
        Kind::OtherCluster => elsewhere::other_cluster(stage, planned),
        Kind::Grow => elsewhere::grow(stage, planned),
        Kind::ForgedMarks => elsewhere::forged_marks(stage, planned),
        _ => network(stage, planned),
    }
}

fn network(stage: &Stage, planned: &Planned) -> Outcome {
    let all = match planned.place {
        Place::Client => &stage.client_side,
        Place::Source => &stage.source_side,
        Place::Destination | Place::Linkgate => &stage.destination_side,
    };
    // One of the destination brokers, the other, or both.
    let chosen: Vec<&FaultProxy> = match (planned.place, planned.choice % 3) {
        (Place::Destination, 0) => vec![&all[0]],
        (Place::Destination, 1) => vec![&all[1]],
        _ => all.iter().collect(),
    };
    let before: u64 = chosen.iter().map(|p| p.hits()).sum();
    let lasts = Duration::from_millis(planned.lasts_ms);
    let direction = if planned.choice & 4 == 0 { Direction::Requests } else { Direction::Responses };
    let behaviour = match planned.kind {
        Kind::Cut => {
            let _: usize = chosen.iter().map(|p| p.cut()).sum();
            None
        }
        Kind::Reset => {
            let _: usize = chosen.iter().map(|p| p.reset()).sum();
            None
        }
        Kind::CutMidFrame => Some(Behaviour::CutAfter { direction, bytes: planned.bytes }),
        Kind::Delay => Some(Behaviour::Delay {
            latency: Duration::from_millis(20 + u64::from(planned.choice) / 2),
            jitter: Duration::from_millis(100),
        }),
        Kind::HalfOpen => Some(Behaviour::Swallow { requests: true, responses: true }),
        Kind::LostResponses => Some(Behaviour::Swallow { requests: false, responses: true }),
        Kind::Stall => {
            let requests = direction == Direction::Requests;
            Some(Behaviour::Hold { requests, responses: !requests })
        }
        Kind::Throttle => Some(Behaviour::Throttle { bytes_per_second: planned.bytes }),
        Kind::Reorder => Some(Behaviour::HoldSome),
        _ => Some(Behaviour::Refuse),
    };
    if let Some(behaviour) = behaviour {
        chosen.iter().for_each(|p| p.set(behaviour.clone()));
        std::thread::sleep(lasts);
        chosen.iter().for_each(|p| p.clear());
    }
    let after: u64 = chosen.iter().map(|p| p.hits()).sum();
    if after > before { Outcome::Hit } else { Outcome::Missed }
}

/// Holds all bytes in both directions, and closes no connection.
fn hang(stage: &Stage, planned: &Planned) -> Outcome {
    let chosen = if planned.place == Place::Source { &stage.source_side } else { &stage.destination_side };
    let before: u64 = chosen.iter().map(|p| p.hits()).sum();
    chosen.iter().for_each(|p| p.set(Behaviour::Hold { requests: true, responses: true }));
    std::thread::sleep(Duration::from_millis(planned.lasts_ms));
    chosen.iter().for_each(|p| p.clear());
    let after: u64 = chosen.iter().map(|p| p.hits()).sum();
    if after > before { Outcome::Hit } else { Outcome::Missed }
}

fn broker(stage: &Stage, planned: &Planned) -> Outcome {
    let (cluster, id) = match planned.place {
        Place::Source => (stage.source_lock(), 1),
        _ => (stage.destination_lock(), 1 + i32::from(planned.choice % 2)),
    };
    let lasts = Duration::from_millis(planned.lasts_ms);
    if planned.kind == Kind::BrokerPause {
        lock(cluster).node(id).pause();
        std::thread::sleep(lasts);
        lock(cluster).node(id).resume();
        return Outcome::Hit;
    }
    if planned.kind == Kind::BrokerKill {
        lock(cluster).node(id).kill();
    } else {
        lock(cluster).node(id).stop();
    }
    std::thread::sleep(lasts);
    lock(cluster).node(id).start();
    Stage::wait_broker(cluster, id);
    Outcome::Hit
}

fn leader_move(stage: &Stage, topics: &[String]) -> Outcome {
    let begin = Instant::now();
    // A replica that is not in sync yet cannot be elected.
    while begin.elapsed() < Duration::from_secs(10) {
        if leadership::rotate(&stage.destination_direct, topics).is_ok_and(|moved| moved > 0) {
            return Outcome::Hit;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    Outcome::Missed
}

fn broker_disk_full(stage: &Stage, planned: &Planned) -> Outcome {
    let disk = match &stage.broker_disk {
        Ok(disk) => disk,
        Err(why) => return Outcome::NotRun(why.clone()),
    };
    let cluster = stage.destination_lock();
    if let Err(why) = disk.fill() {
        return Outcome::NotRun(why);
    }
    // A broker exits if its only log directory fails.
    let begin = Instant::now();
    let mut ended = false;
    while !ended && begin.elapsed() < Duration::from_millis(planned.lasts_ms) + Duration::from_secs(6) {
        std::thread::sleep(Duration::from_millis(50));
        ended = lock(cluster).node(2).ended().is_some();
    }
    free(disk);
    if !ended {
        return Outcome::Missed;
    }
    lock(cluster).node(2).kill();
    lock(cluster).node(2).start();
    Stage::wait_broker(cluster, 2);
    Outcome::Hit
}

fn linkgate(stage: &Stage, planned: &Planned) -> Outcome {
    let lasts = Duration::from_millis(planned.lasts_ms);
    match planned.kind {
        Kind::LinkgatePause => {
            stage.linkgate().pause();
            std::thread::sleep(lasts);
            stage.linkgate().resume();
        }
        Kind::LinkgateKill => {
            stage.linkgate().kill();
            std::thread::sleep(lasts);
            stage.linkgate().launch();
        }
        _ => {
            let code = stage.linkgate().stop();
            stage.linkgate().launch();
            if code != Some(0) {
                return Outcome::Broken(format!("SIGTERM ended linkgate with {code:?}"));
            }
        }
    }
    Outcome::Hit
}

/// Fills the disk of the journal. Meanwhile changes by an operator are refused; afterwards they are accepted
/// again.
fn journal_disk_full(stage: &Stage, planned: &Planned) -> Outcome {
    let disk = match &stage.journal_disk {
        Ok(disk) => disk,
        Err(why) => return Outcome::NotRun(why.clone()),
    };
    let url = stage.link_url() + "/configs/consumer.offset.sync.ms";
    let mut value = u64::from(planned.choice) + 10_000;
    let mut change = || {
        value += 1;
        http_put_json(&url, &serde_json::json!({ "value": value.to_string() }))
    };
    if let Err(why) = disk.fill() {
        return Outcome::NotRun(why);
    }
    let mut refused = 0;
    let begin = Instant::now();
    // The rest of the last page takes a few more small records.
    while begin.elapsed() < Duration::from_millis(planned.lasts_ms)
        || (refused == 0 && begin.elapsed() < Duration::from_secs(5))
    {
        refused += u32::from(!change().is_ok_and(|status| status < 300));
        std::thread::sleep(Duration::from_millis(20));
    }
    free(disk);
    let begin = Instant::now();
    let mut last = String::new();
    while begin.elapsed() < Duration::from_secs(20) {
        // A daemon that has exited is started again, as a supervisor would do.
        let mut linkgate = stage.linkgate();
        if linkgate.ended().is_some() {
            linkgate.kill();
            linkgate.launch();
        }
        drop(linkgate);
        match change() {
            Ok(status) if status < 300 => {
                return if refused > 0 { Outcome::Hit } else { Outcome::Missed };
            }
            Ok(status) => last = format!("HTTP {status}"),
            Err(error) => last = error.to_string(),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    stage.linkgate().restart();
    Outcome::Broken(format!(
        "20 s after its disk was freed the journal takes nothing without a restart: {last}"
    ))
}

fn free(disk: &Disk) {
    disk.free().unwrap_or_else(|e| panic!("the disk cannot be freed: {e}"));
}

fn lock(cluster: &Mutex<Cluster>) -> std::sync::MutexGuard<'_, Cluster> {
    cluster.lock().unwrap_or_else(PoisonError::into_inner)
}
