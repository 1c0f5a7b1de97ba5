//! The clusters of the matrix, and operations on many topics at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use linkgate_tests::client::Connection;
use linkgate_tests::client::admin::{Admin, LATEST};
use linkgate_tests::fault::{Behaviour, FaultProxy};
use linkgate_tests::kafka::{Cluster, Version};
use linkgate_tests::machine::ports::PortBlock;
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::machine::workdir::WorkDir;
use linkgate_tests::produce::crafted::{Crafted, CraftedRecord};
use linkgate_tests::produce::raw_batch::{now_ms, write};
use linkgate_tests::produce::{Kind, Sender};
use linkgate_tests::stage::linkgate::Linkgate;

use crate::case::{Case, Policy, Refused, Start, Stop};

/// Maximum time for a stop. A stop that takes longer counts as stuck.
const STOP_LIMIT: Duration = Duration::from_secs(60);
const LINKS: [&str; 2] = ["running", "paused"];
/// Key of the records that are written directly at the destination.
pub(crate) const FOREIGN: &[u8] = b"foreign";
/// Metadata of a group offset that the source accepts and the destination refuses (more than 8 bytes).
const LONG_NOTE: &str = "nine byte";

/// Both clusters, a proxy before the source, and the daemon. Fields drop in order: the daemon first.
#[derive(Debug)]
pub(crate) struct Clusters {
    pub(crate) linkgate: Linkgate,
    pub(crate) source: Cluster,
    pub(crate) destination: Cluster,
    front: FaultProxy,
    /// Number of records written so far. It makes each key unique.
    written: usize,
    _ports: PortBlock,
}

impl Clusters {
    pub(crate) fn start() -> Clusters {
        let ports = PortBlock::claim();
        let dir = WorkDir::new("matrix-source");
        let mut source = Cluster::launch_behind(dir, Version::V3_9_1, 1, &[], &[ports.port(0)]);
        let dir = WorkDir::new("matrix-destination");
        let refusing = [("offset.metadata.max.bytes", "8")];
        let mut destination = Cluster::launch(dir, Version::V4_3_1, 1, &refusing);
        let front = FaultProxy::start(ports.port(0), source.client_ports()[0]);
        source.wait_ready();
        destination.wait_ready();
        let linkgate = Linkgate::start(&destination.bootstrap(), &[]);
        let filters = linkgate.dir().join("filters.json");
        let text = r#"{"groupFilters":[{"name":"*","patternType":"LITERAL","filterType":"INCLUDE"}]}"#;
        std::fs::write(&filters, text).expect("the work directory is writable");
        let config = format!(
            "bootstrap.servers={},availability.check.ms=1000,availability.check.consecutive.failure.threshold=2,\
             consumer.offset.sync.enable=true,consumer.offset.sync.ms=2000,topic.config.sync.ms=2000",
            source.bootstrap()
        );
        let filters = filters.display().to_string();
        for link in LINKS {
            let args = [
                "--create",
                "--link",
                link,
                "--config",
                &config,
                "--consumer-group-filters-json-file",
                &filters,
            ];
            let _ = linkgate.cluster_links(&args).success("create a link");
        }
        Clusters { linkgate, source, destination, front, written: 0, _ports: ports }
    }

    /// Returns a client of the source that bypasses the proxy.
    pub(crate) fn source_admin(&self) -> Admin {
        Admin::to(&self.source.direct_bootstrap())
    }

    /// Creates source topics with records before and behind the start of each mirror, and creates the
    /// mirrors.
    pub(crate) fn mirror(&mut self, cases: &[Case]) {
        let mut admin = self.source_admin();
        for case in cases {
            let policy = match case.policy {
                Policy::Delete => "delete",
                Policy::Compact => "compact",
                Policy::Both => "compact,delete",
            };
            let configs =
                [("cleanup.policy", policy), ("compression.type", "lz4"), ("retention.ms", "7200000000")];
            admin.create_topic(&case.topic(), 2, &configs);
        }
        self.write(cases, 10);
        std::thread::sleep(Duration::from_millis(20));
        let moment = now_ms().to_string();
        std::thread::sleep(Duration::from_millis(20));
        self.write(cases, 10);
        for case in cases {
            let start = match case.start {
                Start::Earliest => "earliest",
                Start::Latest => "latest",
                Start::Time => &moment,
            };
            let spec = format!("mirror.start.offset.spec={start}");
            let topic = case.topic();
            let create = ["--create", "--mirror-topic", &topic, "--link", case.link(), "--config", &spec];
            let _ = self.linkgate.mirrors(&create).success("create a mirror");
        }
        self.write(cases, 10);
        let (mut source, mut destination) = (self.source_admin(), self.destination.admin());
        for case in cases {
            let topic = case.topic();
            until(&format!("{topic} has caught up"), LONG, || {
                (source.offsets(&topic, LATEST) == destination.offsets(&topic, LATEST)).then_some(())
            });
        }
    }

    /// Writes `count` records with unique keys to each source topic.
    fn write(&mut self, cases: &[Case], count: usize) {
        let mut sender =
            Sender::new(&self.source.direct_bootstrap(), Kind { batch: 5, ..Kind::plain("none") });
        for _ in 0..count {
            for case in cases {
                sender.send(&case.topic(), &format!("key-{}", self.written), "a record of the source");
                self.written += 1;
            }
        }
        sender.finish();
        assert_eq!(sender.deliveries.failed(), 0, "the source takes every record");
    }

    pub(crate) fn pause(&self, cases: &[Case]) {
        if !cases.is_empty() {
            let _ = self.linkgate.mirrors(&["--pause", "--topics", &names(cases)]).success("pause");
        }
    }

    pub(crate) fn pause_link(&self, link: &str, paused: bool) {
        let url = format!(
            "{}/kafka/v3/clusters/{}/links/{link}/configs/cluster.link.paused",
            self.linkgate.rest_url(),
            self.linkgate.cluster_id()
        );
        let body = serde_json::json!({ "value": paused.to_string() });
        let status = linkgate_tests::stage::linkgate::http_put_json(&url, &body);
        assert!(status.is_ok_and(|status| status < 300), "cluster.link.paused={paused} was refused");
    }

    /// Writes a foreign record directly at the destination. The next record of the source exposes it.
    pub(crate) fn write_past_the_gateway(&self, cases: &[Case]) {
        let mut destination = self.destination.admin();
        for case in cases {
            let topic = case.topic();
            let leader = destination.leaders(&topic).remove(0);
            let record = CraftedRecord {
                timestamp: now_ms(),
                key: Some(FOREIGN.to_vec()),
                ..CraftedRecord::default()
            };
            let mut connection = Connection::open(&leader.address).expect("the destination listens");
            write(&mut connection, &topic, 0, &Crafted::new(vec![record]).seal())
                .expect("the broker takes it");
        }
    }

    /// Adds partitions, group offsets, configs and more records on the source.
    pub(crate) fn change_the_source(&mut self, cases: &[Case]) {
        let mut admin = self.source_admin();
        for case in cases {
            let topic = case.topic();
            if case.grown {
                admin.grow_topic(&topic, 3);
            }
            admin.commit(&format!("taken-{topic}"), &[(&topic, 0, 2)]);
            match case.refused {
                Refused::Nothing => {}
                Refused::Group => {
                    admin.commit_noting(&format!("refused-{topic}"), &[(&topic, 0, 2)], LONG_NOTE)
                }
                // Below the minimum of brokers since 4.0.
                Refused::Config => admin.alter_config(&topic, "segment.bytes", "500000"),
            }
        }
        self.write(cases, 12);
    }

    pub(crate) fn promote(&self, cases: &[Case]) {
        if !cases.is_empty() {
            let _ = self.linkgate.mirrors(&["--promote", "--topics", &names(cases)]);
        }
    }

    /// Requests the stop of those cases that are to be stopped in this way.
    pub(crate) fn stop(&self, cases: &[Case], stop: Stop) {
        let cases: Vec<Case> = cases.iter().copied().filter(|case| case.stop == stop).collect();
        match stop {
            Stop::Promote => self.promote(&cases),
            Stop::Failover if cases.is_empty() => {}
            Stop::Failover => {
                let _ =
                    self.linkgate.mirrors(&["--failover", "--topics", &names(&cases)]).success("failover");
            }
        }
    }

    pub(crate) fn assert_promote_is_refused(&self, cases: &[Case]) {
        for case in cases {
            let said = self.linkgate.mirrors(&["--promote", "--topics", &case.topic()]).all();
            assert!(said.contains("has FAILED"), "{}: {said}", case.topic());
        }
    }

    pub(crate) fn take_the_source_away(&self) {
        self.front.set(Behaviour::Refuse);
    }

    pub(crate) fn bring_the_source_back(&self) {
        self.front.clear();
    }

    pub(crate) fn restart_the_daemon(&mut self) {
        self.linkgate.restart();
    }

    /// Returns the `mirror_status` of every mirror topic of both links.
    fn states(&self) -> BTreeMap<String, String> {
        let mut states = BTreeMap::new();
        for link in LINKS {
            let path = format!("/kafka/v3/clusters/{}/links/{link}/mirrors", self.linkgate.cluster_id());
            let (status, body) = self.linkgate.get(&path);
            assert_eq!(status, 200, "{body}");
            for mirror in body["data"].as_array().into_iter().flatten() {
                let text = |name: &str| mirror[name].as_str().unwrap_or_default().to_owned();
                let _ = states.insert(text("mirror_topic_name"), text("mirror_status"));
            }
        }
        states
    }

    fn wait_all(&self, cases: &[Case], status: &str, limit: Duration) {
        let begin = Instant::now();
        loop {
            let states = self.states();
            let others: Vec<String> = cases
                .iter()
                .map(Case::topic)
                .filter(|topic| states.get(topic).is_none_or(|state| state != status))
                .collect();
            if others.is_empty() {
                return;
            }
            let first = |topic: &String| {
                let mirror = LINKS.map(|link| self.linkgate.mirror(link, topic));
                format!("{topic}: {:#}", mirror.into_iter().find(|m| !m.is_null()).unwrap_or_default())
            };
            assert!(
                begin.elapsed() < limit,
                "{} of {} are not {status} after {limit:?}: {others:#?}\n{}",
                others.len(),
                cases.len(),
                others.first().map(first).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    pub(crate) fn wait_failed(&self, cases: &[Case]) {
        self.wait_all(cases, "FAILED", LONG);
    }

    pub(crate) fn wait_unavailable(&self, cases: &[Case]) {
        self.wait_all(cases, "SOURCE_UNAVAILABLE", LONG);
    }

    pub(crate) fn wait_stopped(&self, cases: &[Case]) {
        self.wait_all(cases, "STOPPED", STOP_LIMIT);
    }

    pub(crate) fn assert_not_stopped(&self, cases: &[Case]) {
        let states = self.states();
        for case in cases {
            assert_ne!(states.get(&case.topic()).map(String::as_str), Some("STOPPED"), "{}", case.topic());
        }
    }
}

fn names(cases: &[Case]) -> String {
    cases.iter().map(Case::topic).collect::<Vec<_>>().join(",")
}
