//! Who takes part: one source broker, two destination brokers and a Linkgate, with a fault proxy before each of them, and a broker of
//! another cluster.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::admin::Admin;
use crate::fault::{Disk, FaultProxy};
use crate::kafka::{Cluster, FORGETFUL, Version};
use crate::linkgate::Linkgate;
use crate::ports::PortBlock;
use crate::produce::{Kind, send};
use crate::wait::LONG;
use crate::workdir::WorkDir;
use crate::workload::Workload;

/// Name of the link.
pub const LINK: &str = "soak-link";

/// Destination brokers. The second one has a disk of its own.
const DESTINATION_BROKERS: usize = 2;

/// Leaders return to a broker that was away, so that a fault of either broker is felt; and brokers soon forget who wrote last.
const DESTINATION: [(&str, &str); 4] = [
    ("leader.imbalance.check.interval.seconds", "5"),
    ("leader.imbalance.per.broker.percentage", "0"),
    FORGETFUL[0],
    FORGETFUL[1],
];
/// Of the source and of the cluster that takes its place.
const LARGE: [(&str, &str); 1] = [("message.max.bytes", "12582912")];
/// Records in each partition of the topics of the other cluster.
const ELSEWHERE: usize = 40;

/// Everything on stage. Fields drop in order: processes before what they stand on.
#[derive(Debug)]
pub struct Stage {
    linkgate: Mutex<Linkgate>,
    source: Mutex<Cluster>,
    destination: Mutex<Cluster>,
    /// Can answer at the addresses of the others; has topics of the same names.
    pub other: Cluster,
    /// Between clients and the gateway: the bootstrap port, then one for each destination broker.
    pub client_side: Vec<FaultProxy>,
    /// Before each destination broker.
    pub destination_side: Vec<FaultProxy>,
    /// Before the source broker.
    pub source_side: Vec<FaultProxy>,
    /// Of destination broker 2, or why there is none.
    pub broker_disk: Result<Disk, String>,
    /// Of Linkgate's journal, or why there is none.
    pub journal_disk: Result<Disk, String>,
    /// The source past the proxies.
    pub source_direct: String,
    /// The destination past the proxies.
    pub destination_direct: String,
    /// The gateway through the proxies, as clients know it.
    pub gateway: String,
    _ports: PortBlock,
}

impl Stage {
    /// Brings all up, links them and makes `workloads` mirror topics.
    ///
    /// # Panics
    /// When something does not come up.
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

        // The gateway's ports are a bootstrap port and one for each broker; its clients are told those of the proxies.
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
        // Probed often, so that a source that is away shows as such.
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

    /// The link in the REST API.
    ///
    /// # Panics
    /// When the API does not answer.
    #[must_use]
    pub fn link_url(&self) -> String {
        let linkgate = self.linkgate();
        format!("{}/kafka/v3/clusters/{}/links/{LINK}", linkgate.rest_url(), linkgate.cluster_id())
    }

    /// The daemon.
    pub fn linkgate(&self) -> MutexGuard<'_, Linkgate> {
        self.linkgate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The source.
    pub fn source(&self) -> MutexGuard<'_, Cluster> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The destination.
    pub fn destination(&self) -> MutexGuard<'_, Cluster> {
        self.destination.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every proxy.
    pub fn proxies(&self) -> impl Iterator<Item = &FaultProxy> {
        self.client_side.iter().chain(&self.destination_side).chain(&self.source_side)
    }

    /// Waits until a broker of a cluster serves.
    ///
    /// # Panics
    /// When it ends, or does not serve in time.
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

    /// The cluster as a lock, for those who wait.
    #[must_use]
    pub fn source_lock(&self) -> &Mutex<Cluster> {
        &self.source
    }

    /// As [`Stage::source_lock`].
    #[must_use]
    pub fn destination_lock(&self) -> &Mutex<Cluster> {
        &self.destination
    }
}

/// Makes `dir/name` a directory on `disk`.
fn put_on(disk: &Disk, dir: &Path, name: &str) {
    let target = disk.path().join(name);
    std::fs::create_dir_all(&target).expect("the disk is writable");
    std::fs::create_dir_all(dir).expect("the work directory is writable");
    std::os::unix::fs::symlink(target, dir.join(name)).expect("the work directory is writable");
}
