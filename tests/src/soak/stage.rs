//! The processes of the soak test: one source broker, two destination brokers and a Linkgate, with a fault
//! proxy before each of them, and a broker of another cluster.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::client::admin::Admin;
use crate::fault::{Disk, FaultProxy};
use crate::kafka::{Cluster, FORGETFUL, Version};
use crate::machine::ports::PortBlock;
use crate::machine::wait::LONG;
use crate::machine::workdir::WorkDir;
use crate::produce::{Kind, send};
use crate::stage::linkgate::Linkgate;
use crate::workload::Workload;

/// Name of the link.
pub const LINK: &str = "soak-link";

/// Number of destination brokers. The second one has a disk of its own.
const DESTINATION_BROKERS: usize = 2;

/// Configs of the destination: leaders return soon to a broker that was away, so that a fault of either
/// broker has an effect, and producer ids are forgotten after a second.
const DESTINATION: [(&str, &str); 4] = [
    ("leader.imbalance.check.interval.seconds", "5"),
    ("leader.imbalance.per.broker.percentage", "0"),
    FORGETFUL[0],
    FORGETFUL[1],
];
/// Configs of the source and of the other cluster.
const LARGE: [(&str, &str); 1] = [("message.max.bytes", "12582912")];
/// Number of records that are written to each topic of the other cluster.
const ELSEWHERE: usize = 40;

/// All processes and proxies. Fields drop in order: processes before the things that they use.
#[derive(Debug)]
pub struct Stage {
    linkgate: Mutex<Linkgate>,
    source: Mutex<Cluster>,
    destination: Mutex<Cluster>,
    /// Can answer at the addresses of the source and of the first destination broker. Has topics of the same
    /// names.
    pub other: Cluster,
    /// Proxies between clients and the gateway: for the bootstrap port, then one for each destination broker.
    pub client_side: Vec<FaultProxy>,
    /// Proxies before the destination brokers, one for each.
    pub destination_side: Vec<FaultProxy>,
    /// Proxy before the source broker.
    pub source_side: Vec<FaultProxy>,
    /// Disk of destination broker 2, or the reason why there is none.
    pub broker_disk: Result<Disk, String>,
    /// Disk of Linkgate's journal, or the reason why there is none.
    pub journal_disk: Result<Disk, String>,
    /// `bootstrap.servers` of the source, without a proxy.
    pub source_direct: String,
    /// `bootstrap.servers` of the destination, without a proxy.
    pub destination_direct: String,
    /// `bootstrap.servers` of the gateway through the proxies, as clients know it.
    pub gateway: String,
    _ports: PortBlock,
}

impl Stage {
    /// Starts everything, creates the link and makes a mirror topic for each of `workloads`.
    ///
    /// # Panics
    /// Panics if something does not start.
    #[must_use]
    pub fn set(workloads: &[Workload]) -> Stage {
        let ports = PortBlock::claim();
        let broker_disk = Disk::mount("broker", 6 << 10);
        let journal_disk = Disk::mount("journal", 256);
        let fronts: Vec<u16> = (0..).take(DESTINATION_BROKERS).map(|n| ports.port(1 + n)).collect();
        let source_dir = WorkDir::new("soak-source");
        let mut source = Cluster::launch_behind(source_dir, Version::V4_3_1, 1, &LARGE, &[ports.port(0)]);
        let destination_dir = WorkDir::new("soak-destination");
        if let Ok(disk) = &broker_disk {
            put_on(disk, &destination_dir.path().join("broker-2"), "log");
        }
        let mut destination = Cluster::launch_behind(
            destination_dir,
            Version::V4_3_1,
            DESTINATION_BROKERS,
            &DESTINATION,
            &fronts,
        );
        let places = [ports.port(0), fronts[0]];
        let mut other =
            Cluster::launch_elsewhere(WorkDir::new("soak-other"), Version::V4_3_1, &LARGE, &places);
        let before = |cluster: &Cluster, fronts: &[u16]| {
            let pairs = fronts.iter().zip(cluster.client_ports());
            pairs.map(|(front, port)| FaultProxy::start(*front, port)).collect::<Vec<_>>()
        };
        let source_side = before(&source, &[ports.port(0)]);
        let destination_side = before(&destination, &fronts);
        source.wait_ready();
        destination.wait_ready();
        other.wait_ready();

        // The gateway has a bootstrap port and one port for each broker; its clients are told the ports of
        // the proxies.
        let gateway = ports.port(6);
        let dir = WorkDir::new("soak-linkgate");
        if let Ok(disk) = &journal_disk {
            put_on(disk, dir.path(), "state");
        }
        let advertised = format!("PLAINTEXT://127.0.0.1:{gateway}");
        let mut linkgate =
            Linkgate::prepare(dir, &destination.bootstrap(), &[("advertised.listeners", &advertised)]);
        linkgate.launch();
        linkgate.wait_ready();
        let listens: u16 =
            linkgate.bootstrap().rsplit(':').next().and_then(|p| p.parse().ok()).expect("a port");
        let offsets = [0].into_iter().chain((1..).take(DESTINATION_BROKERS).map(|id: u16| 1 + id));
        let client_side = offsets.map(|n| FaultProxy::start(gateway + n, listens + n)).collect();

        let stage = Stage {
            source_direct: source.direct_bootstrap(),
            destination_direct: destination.direct_bootstrap(),
            gateway: format!("127.0.0.1:{gateway}"),
            linkgate: Mutex::new(linkgate),
            source: Mutex::new(source),
            destination: Mutex::new(destination),
            other,
            client_side,
            destination_side,
            source_side,
            broker_disk,
            journal_disk,
            _ports: ports,
        };
        stage.link(workloads);
        stage.fill_the_other_cluster(workloads);
        stage
    }

    /// Creates the link and the topics.
    fn link(&self, workloads: &[Workload]) {
        let linkgate = self.linkgate();
        let source = self.source().bootstrap();
        // Probed often, so that a missing source shows as SOURCE_UNAVAILABLE.
        let config = format!(
            "bootstrap.servers={source},availability.check.ms=1000,\
             availability.check.consecutive.failure.threshold=3"
        );
        let _ = linkgate
            .cluster_links(&["--create", "--link", LINK, "--config", &config])
            .success("kafka-cluster-links --create");
        for workload in workloads {
            Admin::to(&self.source_direct).create_topic(workload.name, workload.partitions, workload.configs);
            let _ = linkgate
                .mirrors(&["--create", "--mirror-topic", workload.name, "--link", LINK])
                .success("kafka-mirrors --create");
        }
    }

    fn fill_the_other_cluster(&self, workloads: &[Workload]) {
        let other = self.other.direct_bootstrap();
        for workload in workloads {
            Admin::to(&other).create_topic(workload.name, workload.partitions, workload.configs);
            send(&other, workload.name, Kind::plain("none"), ELSEWHERE);
        }
    }

    /// Returns the URL of the link in the REST API.
    ///
    /// # Panics
    /// Panics if the API does not answer.
    #[must_use]
    pub fn link_url(&self) -> String {
        let linkgate = self.linkgate();
        format!("{}/kafka/v3/clusters/{}/links/{LINK}", linkgate.rest_url(), linkgate.cluster_id())
    }

    /// Locks and returns the daemon.
    pub fn linkgate(&self) -> MutexGuard<'_, Linkgate> {
        self.linkgate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks and returns the source.
    pub fn source(&self) -> MutexGuard<'_, Cluster> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks and returns the destination.
    pub fn destination(&self) -> MutexGuard<'_, Cluster> {
        self.destination.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns all proxies.
    pub fn proxies(&self) -> impl Iterator<Item = &FaultProxy> {
        self.client_side.iter().chain(&self.destination_side).chain(&self.source_side)
    }

    /// Waits until a broker of a cluster serves requests.
    ///
    /// # Panics
    /// Panics if the broker exits, or does not serve in time.
    pub fn wait_broker(cluster: &Mutex<Cluster>, id: i32) {
        let begin = Instant::now();
        loop {
            let mut cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
            let node = cluster.node(id);
            if let Some(report) = node.ended() {
                panic!("{report}");
            }
            let address = format!("127.0.0.1:{}", node.port);
            drop(cluster);
            if Admin::connect(&address).and_then(|mut a| a.brokers()).is_ok_and(|b| b.contains_key(&id)) {
                return;
            }
            assert!(begin.elapsed() < LONG, "broker {id} does not serve within {LONG:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns the lock of the source, for callers that wait and must not hold it meanwhile.
    #[must_use]
    pub fn source_lock(&self) -> &Mutex<Cluster> {
        &self.source
    }

    /// Returns the lock of the destination, for callers that wait and must not hold it meanwhile.
    #[must_use]
    pub fn destination_lock(&self) -> &Mutex<Cluster> {
        &self.destination
    }
}

/// Makes `dir/name` a symbolic link to a directory on `disk`.
fn put_on(disk: &Disk, dir: &Path, name: &str) {
    let target = disk.path().join(name);
    std::fs::create_dir_all(&target).expect("the disk is writable");
    std::fs::create_dir_all(dir).expect("the work directory is writable");
    std::os::unix::fs::symlink(target, dir.join(name)).expect("the work directory is writable");
}
