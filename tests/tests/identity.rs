//! Wrong clusters and wrong journals: another cluster behind either address, a topic that is recreated under
//! the name of a mirror, an old copy of the journal.

use std::path::Path;
use std::time::{Duration, Instant};

use linkgate_tests::client::admin::{Admin, LATEST};
use linkgate_tests::fault::FaultProxy;
use linkgate_tests::kafka::{Cluster, Version};
use linkgate_tests::machine::ports::PortBlock;
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::machine::workdir::WorkDir;
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::stage::linkgate::Linkgate;
use linkgate_tests::stage::pair::{LINK, Pair};

/// Longer than Linkgate tolerates a topic that is missing or another one (8 s at the source, 4 s at the
/// destination).
const LONG_ENOUGH: Duration = Duration::from_secs(11);

/// An address behind which clusters can be swapped.
struct Front {
    port: u16,
    proxy: Option<FaultProxy>,
}

impl Front {
    fn new(port: u16) -> Front {
        Front { port, proxy: None }
    }

    /// Leads to this port of the machine from now on, and cuts open connections.
    fn leads_to(&mut self, target: u16) {
        if let Some(before) = self.proxy.take() {
            let _ = before.reset();
        }
        let (port, deadline) = (self.port, Instant::now() + LONG);
        // The listener of the former proxy closes a moment later.
        while std::net::TcpListener::bind(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "port {port} stays in use");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.proxy = Some(FaultProxy::start(port, target));
    }
}

/// Source and destination behind fronts, a Linkgate, and a third cluster with topics of the same names.
struct World {
    pair: Pair,
    source: Front,
    destination: Front,
    foreign: Cluster,
    _ports: PortBlock,
}

impl World {
    fn start() -> World {
        let ports = PortBlock::claim();
        let (mut source, mut destination) = (Front::new(ports.port(0)), Front::new(ports.port(1)));
        let version = Version::V4_3_1;
        let behind = |name: &str, front: &Front| {
            // The default of brokers: a request for an unknown topic creates it.
            let extra = [("auto.create.topics.enable", "true")];
            Cluster::launch_behind(WorkDir::new(name), version, 1, &extra, &[front.port])
        };
        let mut at_source = behind("identity-source", &source);
        let mut at_destination = behind("identity-destination", &destination);
        let mut foreign = Cluster::launch(WorkDir::new("identity-foreign"), version, 1, &[]);
        source.leads_to(at_source.client_ports()[0]);
        destination.leads_to(at_destination.client_ports()[0]);
        for cluster in [&mut at_source, &mut at_destination, &mut foreign] {
            cluster.wait_ready();
        }
        let linkgate = Linkgate::start(&at_destination.bootstrap(), &[]);
        let pair = Pair { linkgate, source: at_source, destination: at_destination };
        World { pair, source, destination, foreign, _ports: ports }
    }

    fn link(&self) -> serde_json::Value {
        let linkgate = &self.pair.linkgate;
        linkgate.get(&format!("/kafka/v3/clusters/{}/links/{LINK}", linkgate.cluster_id())).1
    }

    fn wait_link(&self, state: &str) {
        until(&format!("the link is {state}"), LONG, || (self.link()["link_state"] == state).then_some(()));
    }

    /// Waits until the daemon reports that it is not ready because of a fault with this code. Returns the
    /// message.
    fn wait_fault(&self, code: &str) -> String {
        until(&format!("not ready because of {code}"), LONG, || {
            let (status, body) = self.pair.linkgate.get("/health/ready");
            let faults = body["faults"].as_array().cloned().unwrap_or_default();
            let fault =
                faults.iter().find(|fault| fault["code"].as_str().is_some_and(|is| is.starts_with(code)))?;
            (status == 503).then(|| fault["message"].as_str().unwrap_or_default().to_owned())
        })
    }

    fn write(&self, topic: &str, count: usize) {
        send(&self.pair.source.direct_bootstrap(), topic, Kind::plain("none"), count);
    }

    /// Returns the log end offsets on the destination itself, wherever its front leads.
    fn ends(&self, topic: &str) -> Vec<i64> {
        Admin::to(&self.pair.destination.direct_bootstrap()).offsets(topic, LATEST)
    }

    fn wait_ends(&self, topic: &str, ends: &[i64]) {
        until(&format!("{topic} ends at {ends:?}"), LONG, || (self.ends(topic) == ends).then_some(()));
    }

    fn statuses(&self) -> Vec<String> {
        ["t", "u", "open"].map(|topic| self.pair.linkgate.status(LINK, topic)).to_vec()
    }
}

#[test]
fn wrong_clusters_recreated_topics_and_old_journals_are_detected() {
    let mut world = World::start();
    world.pair.link("availability.check.ms=1000,availability.check.consecutive.failure.threshold=2");
    for topic in ["t", "u", "open", "anew"] {
        Admin::to(&world.pair.source.direct_bootstrap()).create_topic(topic, 1, &[]);
        world.write(topic, 20);
        world.foreign.admin().create_topic(topic, 1, &[]);
        world.pair.mirror(topic);
        world.wait_ends(topic, &[20]);
    }
    send(&world.foreign.bootstrap(), "t", Kind::plain("none"), 5);
    let _ = world.pair.linkgate.mirrors(&["--promote", "--topics", "open"]).success("promote");
    world.pair.linkgate.wait_status(LINK, "open", "STOPPED");

    another_source(&mut world);
    another_destination(&mut world);
    another_topic(&world);
    an_old_journal(&mut world);
    a_machine_that_comes_back(&mut world);
}

/// Given another cluster behind the address of the source, then no mirror fails, nothing of that cluster is
/// copied, and no promote is completed by its offsets.
fn another_source(world: &mut World) {
    let (own, foreign) = (world.pair.source.id().to_owned(), world.foreign.id().to_owned());
    world.source.leads_to(world.foreign.client_ports()[0]);
    world.wait_link("UNAVAILABLE");
    let message = world.link()["link_error_message"].as_str().unwrap_or_default().to_owned();
    for part in [own.as_str(), foreign.as_str(), "SOURCE_CLUSTER_CHANGED"] {
        assert!(message.contains(part), "{message}");
    }
    // The topic has five records there, so a promote by the offsets of that cluster would be done at once.
    let _ = world.pair.linkgate.mirrors(&["--promote", "--topics", "t"]).success("promote");
    world.write("t", 10);
    world.write("u", 10);
    std::thread::sleep(LONG_ENOUGH);
    // The promote waits and shows SOURCE_UNAVAILABLE, as all mirrors that need the source do.
    assert_eq!(world.statuses(), ["SOURCE_UNAVAILABLE", "SOURCE_UNAVAILABLE", "STOPPED"]);
    // When the right cluster is back, then everything goes on by itself.
    world.source.leads_to(world.pair.source.client_ports()[0]);
    world.wait_link("ACTIVE");
    world.wait_ends("u", &[30]);
    world.pair.linkgate.wait_status(LINK, "t", "STOPPED");
    let ends = world.ends("t");
    assert!(ends[0] >= 30, "{ends:?}: what was written before the promote was done is there");
}

/// Given another cluster behind the address of the destination, both while the daemon runs and when it
/// starts, then no mirror is forgotten, nothing is created there, and the daemon is not ready.
fn another_destination(world: &mut World) {
    let (own, foreign) = (world.pair.destination.id().to_owned(), world.foreign.id().to_owned());
    let topics = || world.foreign.admin().topics();
    let before = topics();
    world.destination.leads_to(world.foreign.client_ports()[0]);
    let message = world.wait_fault("DESTINATION_CLUSTER_CHANGED");
    assert!(message.contains(&own) && message.contains(&foreign), "{message}");
    world.write("u", 10);
    std::thread::sleep(LONG_ENOUGH / 2);
    world.pair.linkgate.kill();
    world.pair.linkgate.launch();
    let _ = world.wait_fault("DESTINATION_CLUSTER_CHANGED");
    std::thread::sleep(LONG_ENOUGH / 2);
    assert_eq!(world.foreign.admin().topics(), before);
    assert_eq!(world.foreign.admin().offsets("u", LATEST), [0]);
    world.destination.leads_to(world.pair.destination.client_ports()[0]);
    world.pair.linkgate.wait_ready();
    assert_eq!(world.statuses(), ["STOPPED", "ACTIVE", "STOPPED"]);
    world.wait_ends("u", &[40]);
}

/// Given a mirror topic that is deleted and recreated, then nothing is written to the new topic, and the
/// mirror is forgotten.
fn another_topic(world: &World) {
    let mut admin = Admin::to(&world.pair.destination.direct_bootstrap());
    admin.delete_topic("anew");
    // The name is free a moment after the deletion.
    until("the topic is created anew", LONG, || {
        std::panic::catch_unwind(|| {
            Admin::to(&world.pair.destination.direct_bootstrap()).create_topic("anew", 1, &[]);
        })
        .ok()
    });
    world.write("anew", 10);
    until("the mirror is forgotten", LONG, || {
        world.pair.linkgate.status(LINK, "anew").is_empty().then_some(())
    });
    assert_eq!(world.ends("anew"), [0], "the new topic is not the mirror");
}

/// Given a copy of the journal from before a failover, when the daemon starts with it, then the clearance
/// fails before anything works by the copy. It is used only after an operator accepts it.
fn an_old_journal(world: &mut World) {
    let linkgate = &mut world.pair.linkgate;
    assert_eq!(linkgate.stop(), Some(0), "{}", linkgate.log());
    let (state, copy) = (linkgate.dir().join("state"), linkgate.dir().join("copy"));
    copy_tree(&state, &copy);
    linkgate.launch();
    linkgate.wait_ready();
    let _ = linkgate.mirrors(&["--failover", "--topics", "u"]).success("failover");
    linkgate.wait_status(LINK, "u", "STOPPED");
    // The stamp is written a moment after the change.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(linkgate.stop(), Some(0), "{}", linkgate.log());
    let opened = world.ends("u");

    let linkgate = &mut world.pair.linkgate;
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::rename(&copy, &state).unwrap();
    linkgate.launch();
    let message = world.wait_fault("JOURNAL_OLD_COPY");
    world.write("u", 10);
    let refused = world.pair.linkgate.mirrors(&["--pause", "--topics", "u"]);
    assert!(refused.code != 0 && refused.all().contains("JOURNAL_OLD_COPY"), "{}", refused.all());
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(world.ends("u"), opened, "nothing is mirrored by an old copy");

    let accept = message.split_whitespace().skip_while(|word| *word != "--accept-old-journal").nth(1);
    let accept = accept.unwrap_or_else(|| panic!("{message}")).trim_end_matches('.').to_owned();
    let linkgate = &mut world.pair.linkgate;
    assert_eq!(linkgate.stop(), Some(0), "{}", linkgate.log());
    linkgate.launch_with(&["--accept-old-journal", &accept]);
    linkgate.wait_ready();
    // Accepting once is enough: the accepted journal has written the newest stamp.
    std::thread::sleep(Duration::from_secs(2));
    linkgate.restart();
}

/// Given a daemon that is paused while a copy of its journal makes a decision, when it goes on, then it
/// reports that, leaves the stamp of the copy, and is refused at its next start.
fn a_machine_that_comes_back(world: &mut World) {
    let linkgate = &mut world.pair.linkgate;
    assert_eq!(linkgate.stop(), Some(0), "{}", linkgate.log());
    let mut second = linkgate.copy("identity-second", &world.pair.destination.direct_bootstrap(), &[]);
    linkgate.launch();
    linkgate.wait_ready();
    linkgate.pause();
    second.launch();
    second.wait_ready();
    let _ = second.mirrors(&["--failover", "--topics", "u"]).success("failover");
    second.wait_status(LINK, "u", "STOPPED");
    // The stamp is written a moment after the change.
    std::thread::sleep(Duration::from_secs(2));
    second.kill();
    linkgate.resume();
    until("it tells of the other", LONG, || {
        let (_, body) = linkgate.get("/health/ready");
        body["troubles"].to_string().contains("JOURNAL_DIVERGED").then_some(())
    });
    assert_eq!(linkgate.stop(), Some(0), "{}", linkgate.log());
    linkgate.launch();
    // The code of the fault depends on what the daemon has found out by itself in the meantime.
    let _ = world.wait_fault("JOURNAL_");
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            let _ = std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
