//! A cluster of one to seven brokers on 127.0.0.1: KRaft, or with ZooKeeper if the version needs it.
//!
//! Broker ids count from 1. An odd number of brokers are controllers too (all of three, the first of two). So
//! a cluster of three survives the loss of any one broker, and a cluster of two the loss of broker 2.

use std::collections::BTreeMap;
use std::path::Path;

use crate::client::admin::Admin;
use crate::kafka::node::{ClusterShape, Front, Node, random_id};
use crate::kafka::{Dist, Tools, Version, ZooKeeper};
use crate::machine::ports::PortBlock;
use crate::machine::wait::{LONG, until};
use crate::machine::workdir::WorkDir;

/// A running cluster. It is killed when this value is dropped.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    // Drops after `nodes`: brokers without ZooKeeper fill their logs with connection errors.
    zookeeper: Option<ZooKeeper>,
    dist: Dist,
    id: String,
    fronts: BTreeMap<i32, Front>,
    mutual: BTreeMap<i32, u16>,
    // Drops after `nodes`: brokers must be killed before their directory is removed.
    dir: WorkDir,
    _ports: PortBlock,
}

impl Cluster {
    /// Starts `brokers` brokers of 4.3.1 and waits until all are ready.
    #[must_use]
    pub fn start(name: &str, brokers: usize) -> Cluster {
        Cluster::start_with(name, Version::V4_3_1, brokers, &[])
    }

    /// Starts a cluster with the given broker configs and waits until it is ready.
    #[must_use]
    pub fn start_with(name: &str, version: Version, brokers: usize, extra: &[(&str, &str)]) -> Cluster {
        let mut cluster = Cluster::launch(WorkDir::new(name), version, brokers, extra);
        cluster.wait_ready();
        cluster
    }

    /// Starts the processes in `dir` without waiting, so that two clusters can start at the same time.
    ///
    /// # Panics
    /// Panics with more than seven brokers, or if a directory is not writable.
    #[must_use]
    pub fn launch(dir: WorkDir, version: Version, brokers: usize, extra: &[(&str, &str)]) -> Cluster {
        Cluster::launch_behind(dir, version, brokers, extra, &[])
    }

    /// Starts a cluster behind proxies. The brokers advertise `fronts`, one port per broker. The caller
    /// starts the proxies and directs them to [`Cluster::client_ports`].
    ///
    /// # Panics
    /// Panics like [`Cluster::launch`], and with more than three brokers behind proxies.
    #[must_use]
    pub fn launch_behind(
        dir: WorkDir,
        version: Version,
        brokers: usize,
        extra: &[(&str, &str)],
        fronts: &[u16],
    ) -> Cluster {
        Cluster::launch_listening(dir, version, brokers, extra, Fronts::Proxies(fronts))
    }

    /// Starts one broker that can take the place of others. It has a client listener for each of `places`,
    /// and advertises that port there. A proxy at `places[n]` that leads to [`Cluster::place_port`] `n` puts
    /// the broker in that place.
    ///
    /// # Panics
    /// Panics like [`Cluster::launch`], and with no place or more than four.
    #[must_use]
    pub fn launch_elsewhere(
        dir: WorkDir,
        version: Version,
        extra: &[(&str, &str)],
        places: &[u16],
    ) -> Cluster {
        Cluster::launch_listening(dir, version, 1, extra, Fronts::Places(places))
    }

    /// Starts a cluster with three listeners per broker: `CLIENT` and `MUTUAL`, whose protocols `extra` sets,
    /// and a plaintext one for the harness ([`Cluster::direct_bootstrap`]).
    ///
    /// # Panics
    /// Panics like [`Cluster::launch`], and with more than three brokers.
    #[must_use]
    pub fn launch_secured(dir: WorkDir, version: Version, brokers: usize, extra: &[(&str, &str)]) -> Cluster {
        Cluster::launch_listening(dir, version, brokers, extra, Fronts::Secured)
    }

    fn launch_listening(
        dir: WorkDir,
        version: Version,
        brokers: usize,
        extra: &[(&str, &str)],
        fronts: Fronts<'_>,
    ) -> Cluster {
        let (fronts, more_places, is_secured) = match fronts {
            Fronts::Proxies(fronts) => (fronts, &[][..], false),
            Fronts::Places(places) => {
                let (first, more) = places.split_at(1);
                (first, more, false)
            }
            Fronts::Secured => (&[][..], &[][..], true),
        };
        assert!(more_places.len() <= 3, "a port block has listeners for four places");
        assert!(!is_secured || brokers <= 3, "a port block has three listeners of each kind");
        assert!(fronts.is_empty() || brokers <= 3, "a port block has three direct listeners");
        assert!((1..=7).contains(&brokers), "a port block has room for one to seven brokers");
        let dist = Dist::find(version);
        let ports = PortBlock::claim();
        let controllers = if brokers % 2 == 1 { brokers.min(3) } else { brokers - 1 };
        let controller_port = |n: usize| ports.port(u16::try_from(7 + n).unwrap_or(u16::MAX));
        let voters: Vec<String> =
            (0..controllers).map(|n| format!("{}@127.0.0.1:{}", n + 1, controller_port(n))).collect();
        let zookeeper = version
            .needs_zookeeper()
            .then(|| ZooKeeper::start(&dist, controller_port(0), &dir.path().join("zookeeper")));
        // A secured broker has no proxy, so it advertises its own port.
        let advertised =
            if is_secured { (0..brokers as u16).map(|n| ports.port(n)).collect() } else { fronts.to_vec() };
        let shape = ClusterShape {
            id: random_id(),
            voters: voters.join(","),
            brokers,
            zookeeper: zookeeper.as_ref().map(ZooKeeper::port),
            extra: extra.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            fronts: (1..)
                .zip(advertised.iter().zip(4..))
                .map(|(id, (&advertised, n))| {
                    let places = (10..).zip(more_places).map(|(n, told)| (ports.port(n), *told)).collect();
                    (id, Front { advertised, direct: ports.port(n), places })
                })
                .collect(),
            mutual: if is_secured {
                (1..).zip((10..13).map(|n| ports.port(n))).collect()
            } else {
                BTreeMap::new()
            },
        };
        let mut nodes = Vec::new();
        for n in 0..brokers {
            let id = i32::try_from(n + 1).unwrap_or(i32::MAX);
            let port = ports.port(u16::try_from(n).unwrap_or(u16::MAX));
            let controller = (zookeeper.is_none() && n < controllers).then(|| controller_port(n));
            let mut node =
                Node::prepare(&dist, &shape, id, port, controller, dir.path().join(format!("broker-{id}")));
            node.start();
            nodes.push(node);
        }
        let ClusterShape { id, fronts, mutual, .. } = shape;
        Cluster { nodes, zookeeper, dist, id, dir, fronts, mutual, _ports: ports }
    }

    /// Waits until every running broker knows every running broker.
    ///
    /// # Panics
    /// Panics if a broker ends, or if it takes too long.
    pub fn wait_ready(&mut self) {
        let running: Vec<String> = self
            .nodes
            .iter()
            .filter(|n| n.pid().is_some())
            .map(|n| match self.fronts.get(&n.id) {
                Some(front) if !self.mutual.is_empty() => format!("127.0.0.1:{}", front.direct),
                _ => format!("127.0.0.1:{}", n.port),
            })
            .collect();
        let nodes = &mut self.nodes;
        until("every broker knows every broker", LONG, || {
            if let Some(report) = nodes.iter_mut().find_map(Node::ended) {
                panic!("{report}");
            }
            let complete = running.iter().all(|address| {
                Admin::connect(address).and_then(|mut a| a.brokers()).is_ok_and(|b| b.len() == running.len())
            });
            complete.then_some(())
        });
        if self.zookeeper.is_some() {
            // With ZooKeeper, the first broker generates the cluster id.
            self.id = self.admin().cluster_id();
        }
    }

    /// Returns the `bootstrap.servers` of the cluster: the addresses of the proxies, if there are any.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.addresses(|n| self.fronts.get(&n.id).map_or(n.port, |front| front.advertised))
    }

    /// Returns the addresses of the brokers without the proxies.
    #[must_use]
    pub fn direct_bootstrap(&self) -> String {
        self.addresses(|n| self.fronts.get(&n.id).map_or(n.port, |front| front.direct))
    }

    /// Returns the addresses of the `MUTUAL` listeners of a secured cluster.
    #[must_use]
    pub fn mutual_bootstrap(&self) -> String {
        self.addresses(|n| self.mutual.get(&n.id).copied().unwrap_or_default())
    }

    /// Returns the port of the client listener of every broker. A proxy must lead to it.
    #[must_use]
    pub fn client_ports(&self) -> Vec<u16> {
        self.nodes.iter().map(|n| n.port).collect()
    }

    /// Returns the port of the listener for place `n` of a cluster of [`Cluster::launch_elsewhere`].
    ///
    /// # Panics
    /// Panics if there is no such place.
    #[must_use]
    pub fn place_port(&self, n: usize) -> u16 {
        let front = self.fronts.get(&1).expect("the cluster has places");
        n.checked_sub(1).map_or(self.nodes[0].port, |more| front.places[more].0)
    }

    fn addresses(&self, port: impl Fn(&Node) -> u16) -> String {
        let all: Vec<String> = self.nodes.iter().map(|n| format!("127.0.0.1:{}", port(n))).collect();
        all.join(",")
    }

    /// Returns the version of the brokers.
    #[must_use]
    pub fn version(&self) -> Version {
        self.dist.version
    }

    /// Returns the cluster id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the directory with data and logs.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Returns Kafka's own tools of this version.
    #[must_use]
    pub fn tools(&self) -> Tools {
        Tools::new(self.dist.clone())
    }

    /// Returns a client for requests to the cluster. It connects at the first request.
    #[must_use]
    pub fn admin(&self) -> Admin {
        let bootstrap = if self.mutual.is_empty() { self.bootstrap() } else { self.direct_bootstrap() };
        Admin::to(&bootstrap)
    }

    /// Returns broker `id`.
    ///
    /// # Panics
    /// Panics if there is no such broker.
    pub fn node(&mut self, id: i32) -> &mut Node {
        self.nodes.iter_mut().find(|n| n.id == id).expect("broker ids count from 1")
    }

    /// Kills every broker (kill -9).
    pub fn kill(&mut self) {
        self.nodes.iter_mut().for_each(Node::kill);
    }

    /// Returns the process ids of the running brokers.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(Node::pid).collect()
    }
}

/// Listeners and proxies in front of the brokers.
enum Fronts<'a> {
    /// Proxies on these ports, one per broker; no proxies if empty.
    Proxies(&'a [u16]),
    /// Proxies on these ports, all in front of the same broker.
    Places(&'a [u16]),
    /// No proxies, but separate listeners for secured clients.
    Secured,
}
