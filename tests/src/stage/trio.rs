//! A pair, and a third cluster that can answer at the address of either side: as with a wrong DNS entry, a
//! restored environment, or a staging cluster with the same names.

use std::ops::{Deref, DerefMut};

use crate::fault::FaultProxy;
use crate::kafka::{Cluster, Version};
use crate::machine::ports::PortBlock;
use crate::machine::workdir::WorkDir;
use crate::stage::linkgate::Linkgate;
use crate::stage::pair::Pair;

/// Broker configs of each cluster, in addition to the harness's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extra<'a> {
    /// Configs of the source.
    pub source: &'a [(&'a str, &'a str)],
    /// Configs of the destination.
    pub destination: &'a [(&'a str, &'a str)],
    /// Configs of the third cluster.
    pub other: &'a [(&'a str, &'a str)],
}

/// Three clusters of one broker each, with a proxy in front of source and destination. The fields are dropped
/// in order, so the daemon ends first.
#[derive(Debug)]
pub struct Trio {
    /// Source, destination and the Linkgate between them. Both clusters advertise the proxies' addresses.
    pub pair: Pair,
    /// The third cluster. Linkgate must not accept it for the source or the destination.
    pub other: Cluster,
    /// Proxy in front of the source.
    pub source_front: FaultProxy,
    /// Proxy in front of the destination.
    pub destination_front: FaultProxy,
    _ports: PortBlock,
}

impl Trio {
    /// Starts three clusters of one version.
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

    /// Makes the third cluster answer at the source's address.
    pub fn other_for_source(&self) {
        self.source_front.lead_to(self.other.place_port(0));
    }

    /// Makes the source answer at its own address again.
    pub fn source_back(&self) {
        back(&self.source_front, self.pair.source.client_ports()[0]);
    }

    /// Makes the third cluster answer at the destination's address.
    pub fn other_for_destination(&self) {
        self.destination_front.lead_to(self.other.place_port(1));
    }

    /// Makes the destination answer at its own address again.
    pub fn destination_back(&self) {
        back(&self.destination_front, self.pair.destination.client_ports()[0]);
    }
}

/// Directs a proxy to `port`. Does nothing if it already leads there, so that its connections stay open.
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
