//! A cluster of one to seven brokers on 127.0.0.1: KRaft, or with ZooKeeper where the version needs it.
//!
//! Broker ids count from 1. An odd number of the brokers (the first three of three, the first of two) are controllers
//! too, so that a cluster of three survives the loss of any one broker, and one of two the loss of broker 2.

use std::collections::BTreeMap;
use std::path::Path;

use crate::admin::Admin;
use crate::kafka::node::{ClusterShape, Front, Node, random_id};
use crate::kafka::{Dist, Tools, Version, ZooKeeper};
use crate::ports::PortBlock;
use crate::wait::{LONG, until};
use crate::workdir::WorkDir;

/// A running cluster; gone when dropped.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    // After `nodes`: brokers without it log nothing but that.
    zookeeper: Option<ZooKeeper>,
    dist: Dist,
    id: String,
    fronts: BTreeMap<i32, Front>,
    mutual: BTreeMap<i32, u16>,
    // After `nodes`: brokers are killed before their directory goes.
    dir: WorkDir,
    _ports: PortBlock,
}

impl Cluster {
    /// Starts `brokers` brokers of 4.3.1 and waits until all serve.
    #[must_use]
    pub fn start(name: &str, brokers: usize) -> Cluster {
        Cluster::start_with(name, Version::V4_3_1, brokers, &[])
    }

    /// Starts a cluster with broker configs of its own and waits until it serves.
    #[must_use]
    pub fn start_with(name: &str, version: Version, brokers: usize, extra: &[(&str, &str)]) -> Cluster {
        let mut cluster = Cluster::launch(WorkDir::new(name), version, brokers, extra);
        cluster.wait_ready();
        cluster
    }

    /// Starts the processes in `dir` without waiting, so that two clusters can come up side by side.
    ///
    /// # Panics
    /// With more than seven brokers, or when a directory is not writable.
    #[must_use]
    pub fn launch(dir: WorkDir, version: Version, brokers: usize, extra: &[(&str, &str)]) -> Cluster {
        Cluster::launch_behind(dir, version, brokers, extra, &[])
    }

    /// The same with a proxy before each broker: its clients are told `fronts`, one port for each. The proxies themselves
    /// are the caller's: they lead to [`Cluster::client_ports`].
    ///
    /// # Panics
    /// As [`Cluster::launch`], and with more than three brokers behind proxies.
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

    /// One broker that can take the place of others: it has a client listener for each of `places`, and tells its clients there
    /// that port. Who leads `places[n]` to [`Cluster::place_port`] `n` puts it there.
    ///
    /// # Panics
    /// As [`Cluster::launch`], and without a place or with more than four.
    #[must_use]
    pub fn launch_elsewhere(
        dir: WorkDir,
        version: Version,
        extra: &[(&str, &str)],
        places: &[u16],
    ) -> Cluster {
        Cluster::launch_listening(dir, version, 1, extra, Fronts::Places(places))
    }

    /// With three listeners for each broker: `CLIENT` and `MUTUAL`, whose protocols `extra` says, and a plain one past which
    /// the harness itself asks ([`Cluster::direct_bootstrap`]).
    ///
    /// # Panics
    /// As [`Cluster::launch`], and with more than three brokers.
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
        // A secured broker has nothing before it: it tells its own port.
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
    /// When one ends, or it takes too long.
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
            // The first broker made it up.
            self.id = self.admin().cluster_id();
        }
    }

    /// Address of every broker, as `bootstrap.servers` takes it: those of the proxies before them, where there are any.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.addresses(|n| self.fronts.get(&n.id).map_or(n.port, |front| front.advertised))
    }

    /// The same past the proxies.
    #[must_use]
    pub fn direct_bootstrap(&self) -> String {
        self.addresses(|n| self.fronts.get(&n.id).map_or(n.port, |front| front.direct))
    }

    /// The listeners `MUTUAL` of a secured cluster.
    #[must_use]
    pub fn mutual_bootstrap(&self) -> String {
        self.addresses(|n| self.mutual.get(&n.id).copied().unwrap_or_default())
    }

    /// Port of the client listener of every broker: where a proxy before it leads to.
    #[must_use]
    pub fn client_ports(&self) -> Vec<u16> {
        self.nodes.iter().map(|n| n.port).collect()
    }

    /// Port of the listener for place `n` of a cluster that can take the place of others.
    ///
    /// # Panics
    /// When there is no such place.
    #[must_use]
    pub fn place_port(&self, n: usize) -> u16 {
        let front = self.fronts.get(&1).expect("the cluster has places");
        n.checked_sub(1).map_or(self.nodes[0].port, |more| front.places[more].0)
    }

    fn addresses(&self, port: impl Fn(&Node) -> u16) -> String {
        let all: Vec<String> = self.nodes.iter().map(|n| format!("127.0.0.1:{}", port(n))).collect();
        all.join(",")
    }

    /// Version of its brokers.
    #[must_use]
    pub fn version(&self) -> Version {
        self.dist.version
    }

    /// Cluster id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where data and logs are.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Kafka's own tools of this version.
    #[must_use]
    pub fn tools(&self) -> Tools {
        Tools::new(self.dist.clone())
    }

    /// Requests to the cluster.
    ///
    /// # Panics
    /// When no broker answers.
    #[must_use]
    pub fn admin(&self) -> Admin {
        let bootstrap = if self.mutual.is_empty() { self.bootstrap() } else { self.direct_bootstrap() };
        Admin::to(&bootstrap)
    }

    /// Broker `id`.
    ///
    /// # Panics
    /// When there is none.
    pub fn node(&mut self, id: i32) -> &mut Node {
        self.nodes.iter_mut().find(|n| n.id == id).expect("broker ids count from 1")
    }

    /// kill -9 of every broker.
    pub fn kill(&mut self) {
        self.nodes.iter_mut().for_each(Node::kill);
    }

    /// Process ids of the running brokers.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(Node::pid).collect()
    }
}

/// What stands before the brokers.
enum Fronts<'a> {
    /// Proxies on these ports, or nothing.
    Proxies(&'a [u16]),
    /// Proxies on these ports, all before the one broker.
    Places(&'a [u16]),
    /// Nothing, but with listeners of their own for secured clients.
    Secured,
}
