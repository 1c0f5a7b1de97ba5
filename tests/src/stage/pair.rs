//! Setup of most suites: a source cluster, a destination cluster, and a Linkgate in front of it, with a link.

use std::time::Duration;

use crate::client::admin::{Admin, EARLIEST, LATEST};
use crate::kafka::{Cluster, FORGETFUL, Version};
use crate::machine::wait::{LONG, until};
use crate::machine::workdir::WorkDir;
use crate::stage::linkgate::Linkgate;

/// Name of the link that [`Pair::link`] creates.
pub const LINK: &str = "test-link";

/// Source, destination and Linkgate. The fields are dropped in order, so the daemon ends first.
#[derive(Debug)]
pub struct Pair {
    /// Linkgate in front of the destination.
    pub linkgate: Linkgate,
    /// Source cluster.
    pub source: Cluster,
    /// Destination cluster.
    pub destination: Cluster,
}

/// Version, number of brokers and configs (name, value) of one cluster.
pub type Side<'a> = (Version, usize, &'a [(&'a str, &'a str)]);

impl Pair {
    /// Starts one broker of 4.3.1 on each side.
    #[must_use]
    pub fn small(name: &str) -> Pair {
        Pair::start(name, Version::V4_3_1, 1, 1)
    }

    /// Starts one broker of 4.3.1 on each side. The destination forgets producer ids after a second
    /// ([`FORGETFUL`]).
    #[must_use]
    pub fn forgetful(name: &str) -> Pair {
        let sides = [(Version::V4_3_1, 1, &[][..]), (Version::V4_3_1, 1, &FORGETFUL[..])];
        Pair::launch_each(name, sides)
    }

    /// Starts the given number of brokers on each side, all of one version.
    #[must_use]
    pub fn start(name: &str, version: Version, source: usize, destination: usize) -> Pair {
        Pair::launch(name, (version, source), (version, destination), &[])
    }

    /// Starts one broker on each side, of two versions. `extra` are configs of both.
    #[must_use]
    pub fn between(name: &str, source: Version, destination: Version, extra: &[(&str, &str)]) -> Pair {
        Pair::launch(name, (source, 1), (destination, 1), extra)
    }

    /// Starts the given version and number of brokers on each side. `extra` are configs of all brokers.
    #[must_use]
    pub fn launch(
        name: &str,
        source: (Version, usize),
        destination: (Version, usize),
        extra: &[(&str, &str)],
    ) -> Pair {
        Pair::launch_each(name, [(source.0, source.1, extra), (destination.0, destination.1, extra)])
    }

    /// Starts both sides, each with its own version, number of brokers and configs: first the source, then
    /// the destination.
    #[must_use]
    pub fn launch_each(name: &str, sides: [Side<'_>; 2]) -> Pair {
        let launch = |side: &str, (version, brokers, extra): Side<'_>| {
            Cluster::launch(WorkDir::new(&format!("{name}-{side}")), version, brokers, extra)
        };
        let [source, destination] = sides;
        let (mut source, mut destination) = (launch("source", source), launch("destination", destination));
        source.wait_ready();
        destination.wait_ready();
        let linkgate = Linkgate::start(&destination.bootstrap(), &[]);
        Pair { linkgate, source, destination }
    }

    /// Creates the link [`LINK`] with `extra` configs (`key=value`, comma separated; may be empty).
    pub fn link(&self, extra: &str) {
        let mut config = format!("bootstrap.servers={}", self.source.bootstrap().replace(',', ";"));
        // The comma-separated form cannot hold several servers; one is enough to find the rest.
        config.truncate(config.find(';').unwrap_or(config.len()));
        if !extra.is_empty() {
            config = format!("{config},{extra}");
        }
        let made = self.linkgate.cluster_links(&["--create", "--link", LINK, "--config", &config]);
        let _ = made.success("kafka-cluster-links --create");
    }

    /// Creates a topic on the source and its mirror topic.
    pub fn mirror_topic(&self, topic: &str, partitions: i32, configs: &[(&str, &str)]) {
        self.source.admin().create_topic(topic, partitions, configs);
        self.mirror(topic);
    }

    /// Creates the mirror topic of an existing source topic.
    pub fn mirror(&self, topic: &str) {
        let made = self.linkgate.mirrors(&["--create", "--mirror-topic", topic, "--link", LINK]);
        let _ = made.success("kafka-mirrors --create");
    }

    /// Waits until the mirror's logs end at the last stable offsets of the source. Useful only after
    /// producing has stopped.
    ///
    /// # Panics
    /// Panics with the state of the mirror if that does not happen in time.
    pub fn wait_caught_up(&self, topic: &str) {
        let begin = std::time::Instant::now();
        loop {
            let want = self.source.admin().last_stable_offsets(topic);
            let have = self.destination.admin().offsets(topic, LATEST);
            if want == have {
                return;
            }
            assert!(
                begin.elapsed() < LONG,
                "{topic} has {have:?} of {want:?}; {:#}\n{}",
                self.linkgate.mirror(LINK, topic),
                tail(&self.linkgate.log(), 30)
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the mirror has caught up and has the source's log start. Then compares every record, as
    /// clients see it through the gateway, and the log ends.
    ///
    /// # Panics
    /// Panics with the first differences.
    pub fn assert_mirrored(&self, topic: &str) {
        self.wait_caught_up(topic);
        // The log start follows a moment later.
        until(&format!("{topic} begins where its source begins"), LONG, || {
            let offsets = |admin: &mut Admin| admin.offsets(topic, EARLIEST);
            (offsets(&mut self.source.admin()) == offsets(&mut self.destination.admin())).then_some(())
        });
        crate::read::assert_same(&self.source.bootstrap(), topic, &self.linkgate.bootstrap(), topic);
    }

    /// Waits until a write to `topic` through the gateway succeeds.
    ///
    /// # Panics
    /// Panics if none succeeds in time.
    pub fn wait_writable(&self, topic: &str) {
        until(&format!("{topic} accepts writes"), LONG, || {
            let mut sender =
                crate::produce::Sender::new(&self.linkgate.bootstrap(), crate::produce::Kind::plain("none"));
            sender.send(topic, "first", "write");
            sender.finish();
            (sender.deliveries.acked() == 1).then_some(())
        });
    }

    /// Returns a client for requests through the gateway.
    #[must_use]
    pub fn gateway(&self) -> Admin {
        Admin::to(&self.linkgate.bootstrap())
    }
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
