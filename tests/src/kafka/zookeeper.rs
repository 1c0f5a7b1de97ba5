//! ZooKeeper in one process, from the jar that old Kafka versions contain.

use std::path::Path;

use crate::kafka::Dist;
use crate::machine::process::Daemon;

/// A running ZooKeeper. It is killed when this value is dropped.
#[derive(Debug)]
pub struct ZooKeeper {
    port: u16,
    _process: Daemon,
}

impl ZooKeeper {
    /// Starts ZooKeeper with its state below `dir`. Brokers wait for it by themselves.
    ///
    /// # Panics
    /// Panics if the directory is not writable.
    #[must_use]
    pub fn start(dist: &Dist, port: u16, dir: &Path) -> ZooKeeper {
        std::fs::create_dir_all(dir).expect("the work directory is writable");
        let text = format!(
            "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n\
             maxClientCnxns=0\ntickTime=500\n",
            dir.join("state").display()
        );
        let config = dir.join("zookeeper.properties");
        std::fs::write(&config, text).expect("the work directory is writable");
        let mut command = dist.java("org.apache.zookeeper.server.quorum.QuorumPeerMain", 128, "warn");
        command.arg(config);
        ZooKeeper { port, _process: Daemon::start("ZooKeeper", command, dir.join("zookeeper.log")) }
    }

    /// Returns the port of its client listener.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}
