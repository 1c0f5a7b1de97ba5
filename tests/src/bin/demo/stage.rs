//! Setup of the demo: two clusters and a Linkgate, with the configs of `compose/configs`.

use std::path::{Path, PathBuf};

use linkgate_tests::kafka::{Cluster, Version};
use linkgate_tests::machine::process::Output;
use linkgate_tests::machine::properties;
use linkgate_tests::machine::workdir::WorkDir;
use linkgate_tests::stage::linkgate::Linkgate;

/// Name of the link.
pub(crate) const LINK: &str = "demo-link";

/// Clusters and Linkgate of the demo. The fields are dropped in order, so the daemon ends first.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) linkgate: Linkgate,
    pub(crate) source: Cluster,
    pub(crate) destination: Cluster,
    /// Copy of `link.properties` with the address of this source.
    pub(crate) link_config: PathBuf,
    pub(crate) group_filters: PathBuf,
}

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../compose/configs")
        .canonicalize()
        .expect("compose/configs is there")
}

impl Stage {
    /// Starts two brokers as the source, three as the destination, and Linkgate in front of the destination.
    pub(crate) fn build(dir: &Path) -> Stage {
        let configs = configs();
        let broker = properties::read(&configs.join("broker.properties"));
        let broker: Vec<(&str, &str)> = broker.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let mut source = Cluster::launch(WorkDir::at(dir.join("source")), Version::V4_3_1, 2, &broker);
        let mut destination =
            Cluster::launch(WorkDir::at(dir.join("destination")), Version::V4_3_1, 3, &broker);
        source.wait_ready();
        destination.wait_ready();

        let mut linkgate =
            Linkgate::prepare(WorkDir::at(dir.join("linkgate")), &destination.bootstrap(), &[]);
        let state = linkgate.dir().join("state");
        let listener = format!("PLAINTEXT://{}", linkgate.bootstrap());
        properties::write(
            linkgate.config(),
            &properties::read(&configs.join("linkgate.properties")),
            &[
                ("bootstrap.servers", &destination.bootstrap()),
                ("listeners", &listener),
                ("advertised.listeners", &listener),
                ("admin.listeners", &linkgate.rest_url()),
                ("state.dir", &state.display().to_string()),
            ],
        );
        linkgate.launch();
        linkgate.wait_ready();

        let link_config = dir.join("link.properties");
        let link = properties::read(&configs.join("link.properties"));
        properties::write(&link_config, &link, &[("bootstrap.servers", &source.bootstrap())]);
        Stage {
            linkgate,
            source,
            destination,
            link_config,
            group_filters: configs.join("group-filters.json"),
        }
    }

    /// Runs `kafka-cluster-links ARGS`, which must succeed. Returns the command as an operator would type it,
    /// and its output.
    pub(crate) fn cluster_links(&self, args: &[&str]) -> (String, Output) {
        self.shown("kafka-cluster-links", args, self.linkgate.cluster_links(args))
    }

    /// Runs `kafka-mirrors ARGS`, which must succeed. Returns the command as an operator would type it, and
    /// its output.
    pub(crate) fn mirrors(&self, args: &[&str]) -> (String, Output) {
        self.shown("kafka-mirrors", args, self.linkgate.mirrors(args))
    }

    fn shown(&self, tool: &str, args: &[&str], output: Output) -> (String, Output) {
        let command = format!("{tool} --bootstrap-server {} {}", self.linkgate.bootstrap(), args.join(" "));
        let output = output.success(&command);
        (command, output)
    }

    /// Returns the largest lag of a mirror topic's partitions, in offsets; -1 while unknown.
    pub(crate) fn lag(&self, topic: &str) -> i64 {
        let mirror = self.linkgate.mirror(LINK, topic);
        let lags = mirror["mirror_lags"].as_array().cloned().unwrap_or_default();
        lags.iter().filter_map(|lag| lag["lag"].as_i64()).max().unwrap_or(-1)
    }
}
