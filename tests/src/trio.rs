//! A pair, and a third cluster that can answer at the address of either side: a wrong DNS entry, a restored environment, a
//! staging cluster of the same names.

use std::ops::{Deref, DerefMut};

use crate::fault::FaultProxy;
use crate::kafka::{Cluster, Version};
use crate::linkgate::Linkgate;
use crate::pair::Pair;
use crate::ports::PortBlock;
use crate::workdir::WorkDir;

/// Broker configs of each cluster, beside the harness's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extra<'a> {
    /// Of the source.
    pub source: &'a [(&'a str, &'a str)],
    /// Of the destination.
    pub destination: &'a [(&'a str, &'a str)],
    /// Of the other cluster.
    pub other: &'a [(&'a str, &'a str)],
}

/// One broker in each cluster, with a proxy before source and destination. Fields drop in order: the daemon first.
#[derive(Debug)]
pub struct Trio {
    /// Source, destination and the Linkgate between them; both clusters are known by the proxies before them.
    pub pair: Pair,
    /// Holds nothing that Linkgate should believe.
    pub other: Cluster,
    /// Before the source.
    pub source_front: FaultProxy,
    /// Before the destination.
    pub destination_front: FaultProxy,
    _ports: PortBlock,
}

impl Trio {
    /// Three clusters of one version.
    #[must_use]
    pub fn start(name: &str, version: Version, extra: Extra<'_>) -> Trio {
        let ports = PortBlock::claim();
        let (source_at, destination_at) = (ports.port(0), ports.port(1));
        let dir = |side: &str| WorkDir::new(&format!("{name}-{side}"));
        let mut source = Cluster::launch_behind(dir("source"), version, 1, extra.source, &[source_at]);
        let mut destination =
            Cluster::launch_behind(dir("destination"), version, 1, extra.destination, &[destination_at]);
        let mut other =
            Cluster::launch_elsewhere(dir("other"), version, extra.other, &[source_at, destination_at]);
        let source_front = FaultProxy::start(source_at, source.client_ports()[0]);
        let destination_front = FaultProxy::start(destination_at, destination.client_ports()[0]);
        source.wait_ready();
        destination.wait_ready();
        other.wait_ready();
        let linkgate = Linkgate::start(&destination.bootstrap(), &[]);
        let pair = Pair { linkgate, source, destination };
        Trio { pair, other, source_front, destination_front, _ports: ports }
    }

    /// The other cluster answers at the source's address.
    pub fn other_for_source(&self) {
        self.source_front.lead_to(self.other.place_port(0));
    }

    /// The source is back.
    pub fn source_back(&self) {
        back(&self.source_front, self.pair.source.client_ports()[0]);
    }

    /// The other cluster answers at the destination's address.
    pub fn other_for_destination(&self) {
        self.destination_front.lead_to(self.other.place_port(1));
    }

    /// The destination is back.
    pub fn destination_back(&self) {
        back(&self.destination_front, self.pair.destination.client_ports()[0]);
    }
}

/// Connections of one that leads there already are left alone.
fn back(front: &FaultProxy, port: u16) {
    if front.target() != port {
        front.lead_to(port);
    }
}

impl Deref for Trio {
    type Target = Pair;

    fn deref(&self) -> &Pair {
        &self.pair
    }
}

impl DerefMut for Trio {
    fn deref_mut(&mut self) -> &mut Pair {
        &mut self.pair
    }
}
