//! One broker (usually also a controller) as a child process that can be stopped, killed, paused and
//! restarted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::kafka::Dist;
use crate::kafka::dist::is_measured;
use crate::machine::process::Daemon;

/// Session timeout: ZooKeeper considers a killed broker alive for this time. `broker.session.timeout.ms` of a
/// KRaft cluster has the same value.
const SESSION: Duration = Duration::from_secs(6);

/// Properties of the cluster that a node needs.
#[derive(Debug, Clone)]
pub struct ClusterShape {
    /// Cluster id, 22 characters.
    pub id: String,
    /// `controller.quorum.voters`.
    pub voters: String,
    /// Number of brokers.
    pub brokers: usize,
    /// Port of ZooKeeper, if the version needs it. `id` and `voters` are not used then.
    pub zookeeper: Option<u16>,
    /// Broker configs in addition to the harness's own.
    pub extra: Vec<(String, String)>,
    /// Proxies and additional listeners of each broker, by broker id. Empty if there are none.
    pub fronts: BTreeMap<i32, Front>,
    /// Ports of the `MUTUAL` listeners, by broker id. If there are any, the client listener is named
    /// `CLIENT`. `extra` sets the protocols of both.
    pub mutual: BTreeMap<i32, u16>,
}

/// Listeners of a broker behind a proxy. It advertises the proxy's port to clients. Other brokers, and
/// clients that bypass the proxy, use a separate listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    /// Advertised port: the proxy's.
    pub advertised: u16,
    /// Port of the separate listener.
    pub direct: u16,
    /// Further client listeners: their ports, and the ports that they advertise.
    pub places: Vec<(u16, u16)>,
}

/// A broker process and its configuration.
#[derive(Debug)]
pub struct Node {
    /// `node.id`.
    pub id: i32,
    /// Port of the client listener.
    pub port: u16,
    dist: Dist,
    dir: PathBuf,
    process: Option<Daemon>,
    killed: Option<Instant>,
}

impl Node {
    /// Writes the configuration and the formatted storage. Does not start the broker.
    ///
    /// # Panics
    /// Panics if the directory is not writable.
    #[must_use]
    pub fn prepare(
        dist: &Dist,
        shape: &ClusterShape,
        id: i32,
        port: u16,
        controller_port: Option<u16>,
        dir: PathBuf,
    ) -> Node {
        let log = dir.join("log");
        if shape.zookeeper.is_none() {
            format(dist, shape, id, &log);
        }
        std::fs::create_dir_all(&log).expect("the work directory is writable");
        let text = properties(shape, id, port, controller_port, &log);
        std::fs::write(dir.join("server.properties"), text).expect("the work directory is writable");
        Node { id, port, dist: dist.clone(), dir, process: None, killed: None }
    }

    /// Starts the broker, unless it runs. With ZooKeeper, it first waits until the session of a killed broker
    /// has ended: until then ZooKeeper refuses another broker with the same id.
    pub fn start(&mut self) {
        if self.process.is_none() {
            if let Some(killed) = self.killed.take().filter(|_| self.dist.version.needs_zookeeper()) {
                std::thread::sleep((SESSION + Duration::from_millis(1_500)).saturating_sub(killed.elapsed()));
            }
            let heap_mb = if is_measured() { 1024 } else { 384 };
            let mut command = self.dist.java("kafka.Kafka", heap_mb, "info");
            command.arg(self.dir.join("server.properties"));
            self.process =
                Some(Daemon::start(&format!("broker {}", self.id), command, self.dir.join("broker.log")));
        }
    }

    /// Changes the port of the client listener from the next start on, as if the machine had a new address.
    ///
    /// # Panics
    /// Panics if the configuration file does not exist.
    pub fn move_to(&mut self, port: u16) {
        let file = self.dir.join("server.properties");
        let text = std::fs::read_to_string(&file).expect("the broker has its configuration");
        let (old, new) =
            (format!("PLAINTEXT://127.0.0.1:{}", self.port), format!("PLAINTEXT://127.0.0.1:{port}"));
        std::fs::write(&file, text.replace(&old, &new)).expect("the work directory is writable");
        self.port = port;
    }

    /// Returns the process id while the broker runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(Daemon::pid)
    }

    /// Kills the broker (kill -9).
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
            self.killed = Some(Instant::now());
        }
    }

    /// Stops the broker in an orderly way: leadership moves first.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.stop(Duration::from_secs(90));
        }
    }

    /// Stops the process with SIGSTOP: it hangs with its connections open.
    pub fn pause(&self) {
        if let Some(process) = &self.process {
            process.signal("STOP");
        }
    }

    /// Resumes the process with SIGCONT.
    pub fn resume(&self) {
        if let Some(process) = &self.process {
            process.signal("CONT");
        }
    }

    /// Returns the end of the broker's output if it has ended by itself.
    pub fn ended(&mut self) -> Option<String> {
        let process = self.process.as_mut()?;
        let status = process.ended()?;
        Some(format!("broker {} ended with {status}:\n{}", self.id, process.tail(25)))
    }
}

/// Creates the storage of a node with its own ids, from the template of its version.
fn format(dist: &Dist, shape: &ClusterShape, id: i32, log: &Path) {
    copy_tree(&dist.template(), log);
    let meta = std::fs::read_to_string(log.join("meta.properties")).expect("formatted storage has its ids");
    let directory_id = random_id();
    let meta: String = meta
        .lines()
        .map(|line| match line.split_once('=').map_or(line, |(key, _)| key) {
            "cluster.id" => format!("cluster.id={}\n", shape.id),
            "node.id" => format!("node.id={id}\n"),
            "directory.id" => format!("directory.id={directory_id}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    std::fs::write(log.join("meta.properties"), meta).expect("the work directory is writable");
}

/// Returns sixteen random bytes as 22 characters of URL-safe base64. They contain no dash and no underscore.
#[must_use]
pub fn random_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut id: String = (0..21).map(|_| char::from(ALPHABET[fastrand::usize(0..62)])).collect();
    // The last character carries two bits, so the low four bits of its value are zero.
    id.push(char::from(ALPHABET[fastrand::usize(0..4) * 16]));
    id
}

fn properties(shape: &ClusterShape, id: i32, port: u16, controller: Option<u16>, log: &Path) -> String {
    let factor = shape.brokers.min(3);
    let mut text = String::new();
    let mut set = |key: &str, value: &str| {
        let _ = writeln!(text, "{key}={value}");
    };
    if let Some(zookeeper) = shape.zookeeper {
        set("broker.id", &id.to_string());
        set("zookeeper.connect", &format!("127.0.0.1:{zookeeper}"));
        set("zookeeper.session.timeout.ms", &SESSION.as_millis().to_string());
        set("listeners", &format!("PLAINTEXT://127.0.0.1:{port}"));
        set("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT");
    } else {
        match controller {
            Some(controller) => {
                set("process.roles", "broker,controller");
                set(
                    "listeners",
                    &format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"),
                );
            }
            None => {
                set("process.roles", "broker");
                set("listeners", &format!("PLAINTEXT://127.0.0.1:{port}"));
            }
        }
        set("node.id", &id.to_string());
        set("controller.quorum.voters", &shape.voters);
        set("controller.listener.names", "CONTROLLER");
        set("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT");
    }
    set("inter.broker.listener.name", "PLAINTEXT");
    set("advertised.listeners", &format!("PLAINTEXT://127.0.0.1:{port}"));
    set("log.dirs", &log.display().to_string());
    for prefix in ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"] {
        set(&format!("{prefix}.replication.factor"), &factor.to_string());
    }
    for (key, value) in [
        ("transaction.state.log.min.isr", "1"),
        ("share.coordinator.state.topic.min.isr", "1"),
        ("offsets.topic.num.partitions", "3"),
        ("transaction.state.log.num.partitions", "3"),
        ("share.coordinator.state.topic.num.partitions", "3"),
        ("auto.create.topics.enable", "false"),
        ("group.initial.rebalance.delay.ms", "0"),
        ("num.network.threads", "2"),
        ("num.io.threads", "4"),
        ("num.replica.fetchers", "1"),
        ("background.threads", "2"),
        // The default of 128 MiB does not fit in the small heap.
        ("log.cleaner.dedupe.buffer.size", "2097152"),
        ("log.cleaner.backoff.ms", "1000"),
        // A killed broker is noticed soon, but a broker without CPU time does not lose its session at once.
        ("broker.session.timeout.ms", &SESSION.as_millis().to_string()),
        ("broker.heartbeat.interval.ms", "1000"),
    ] {
        set(key, value);
    }
    set("default.replication.factor", &factor.to_string());
    if let Some(front) = shape.fronts.get(&id) {
        // If a key appears twice in a .properties file, the last value counts.
        let direct = front.direct;
        let controller = controller.map(|at| format!(",CONTROLLER://127.0.0.1:{at}")).unwrap_or_default();
        let mutual = shape.mutual.get(&id).map(|at| format!(",MUTUAL://127.0.0.1:{at}")).unwrap_or_default();
        let client = if mutual.is_empty() { "PLAINTEXT" } else { "CLIENT" };
        let own = format!("DIRECT://127.0.0.1:{direct}{mutual}");
        let advertised = front.advertised;
        let (mut listeners, mut told, mut protocols) = (String::new(), String::new(), String::new());
        for (n, (at, advertised)) in front.places.iter().enumerate() {
            let _ = write!(listeners, ",PLACE{n}://127.0.0.1:{at}");
            let _ = write!(told, ",PLACE{n}://127.0.0.1:{advertised}");
            let _ = write!(protocols, ",PLACE{n}:PLAINTEXT");
        }
        set("listeners", &format!("{client}://127.0.0.1:{port},{own}{listeners}{controller}"));
        set("advertised.listeners", &format!("{client}://127.0.0.1:{advertised},{own}{told}"));
        set("inter.broker.listener.name", "DIRECT");
        let protocols = format!("PLAINTEXT:PLAINTEXT,DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}");
        set("listener.security.protocol.map", &protocols);
    }
    for (key, value) in &shape.extra {
        set(key, value);
    }
    text
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the work directory is writable");
    for entry in std::fs::read_dir(from).expect("formatted storage is readable").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("the work directory is writable");
        }
    }
}
