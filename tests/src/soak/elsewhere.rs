//! Faults of other parties: a cluster in the place of another one, topics that grow, a producer that forges
//! filler.

use std::time::Duration;

use super::inject::Outcome;
use super::kind::Place;
use super::schedule::Planned;
use super::stage::Stage;
use crate::client::Connection;
use crate::client::admin::Admin;
use crate::fault::FaultProxy;
use crate::produce::crafted::{Crafted, CraftedRecord};
use crate::produce::raw_batch::{now_ms, write};

/// A port without a listener.
const NOWHERE: u16 = 1;

/// Topics that may grow. The compacted one may not: readers know only the partitions of the start, and
/// without a reader the audit cannot tell what a cleaner may have removed.
const MAY_GROW: [&str; 4] = ["plain", "idempotent", "transactional", "tiny"];

/// Lets another cluster answer at the address for a while. If it replaces the destination, clients are
/// refused in the meantime: their writes to it would be lost.
pub(super) fn other_cluster(stage: &Stage, planned: &Planned) -> Outcome {
    let is_source = planned.place == Place::Source;
    let (proxies, place) = if is_source { (&stage.source_side, 0) } else { (&stage.destination_side, 1) };
    let turned_away: &[FaultProxy] = if is_source { &[] } else { &stage.client_side };
    let targets = |all: &[FaultProxy]| all.iter().map(FaultProxy::target).collect::<Vec<_>>();
    let (home, clients_home) = (targets(proxies), targets(turned_away));
    turned_away.iter().for_each(|proxy| proxy.lead_to(NOWHERE));
    proxies.iter().for_each(|proxy| proxy.lead_to(stage.other.place_port(place)));
    std::thread::sleep(Duration::from_millis(planned.lasts_ms));
    let met = proxies.iter().any(|proxy| proxy.connections() > 0);
    proxies.iter().zip(home).for_each(|(proxy, port)| proxy.lead_to(port));
    turned_away.iter().zip(clients_home).for_each(|(proxy, port)| proxy.lead_to(port));
    // A daemon that has exited is started again, as a supervisor would do.
    let mut linkgate = stage.linkgate();
    if linkgate.ended().is_some() {
        linkgate.kill();
        linkgate.launch();
    }
    if met { Outcome::Hit } else { Outcome::Missed }
}

/// Adds a partition to one of the topics of the source. Its writers use it as soon as they get the new
/// metadata.
pub(super) fn grow(stage: &Stage, planned: &Planned) -> Outcome {
    let topic = MAY_GROW[usize::from(planned.choice) % MAY_GROW.len()];
    let mut admin = Admin::to(&stage.source_direct);
    if !admin.topics().iter().any(|name| name == topic) {
        return Outcome::Missed;
    }
    let partitions = i32::try_from(admin.leaders(topic).len()).unwrap_or(i32::MAX);
    admin.grow_topic(topic, partitions + 1);
    Outcome::Hit
}

/// Writes records under a reserved producer id and a base timestamp that is a mark of filler or mixed
/// batches. A broker accepts them, and clients of the source see them.
pub(super) fn forged_marks(stage: &Stage, planned: &Planned) -> Outcome {
    const TOPIC: &str = "plain";
    const FILLER: i64 = -64;
    const MIXED: i64 = -0x4C_474D_5831;
    let record = |n: u64| CraftedRecord {
        timestamp: now_ms(),
        key: Some(format!("forged-{n}").into_bytes()),
        value: Some(vec![b'v'; usize::from(planned.choice)]),
        ..CraftedRecord::default()
    };
    let producer_id = (1 << 62) + i64::from(fastrand::u32(..));
    let mut batch = Crafted::new((0..3).map(record).collect()).by(producer_id, 0, 0);
    batch.base_timestamp = if planned.choice & 1 == 0 { FILLER } else { MIXED };
    batch.codec = i16::from(planned.choice % 5);
    let mut admin = Admin::to(&stage.source_direct);
    if !admin.topics().iter().any(|name| name == TOPIC) {
        return Outcome::Missed;
    }
    let leader = admin.leaders(TOPIC).remove(0);
    let written = Connection::open(&leader.address)
        .and_then(|mut connection| write(&mut connection, TOPIC, 0, &batch.seal()));
    if written.is_ok() { Outcome::Hit } else { Outcome::Missed }
}
