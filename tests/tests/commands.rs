//! Commands for links and mirrors, the link probe and the config sync, run in this process against real
//! clusters of different versions.

use std::collections::BTreeMap;

use linkgate_tests::client::admin::Admin;
use linkgate_tests::kafka::{Cluster, Version};
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::produce::{Kind, send};
use proxy::internals::Accepted;
use proxy::internals::CommandErrorKind;
use proxy::internals::Commands;
use proxy::internals::ConfigSync;
use proxy::internals::Engine;
use proxy::internals::LinkProbe;
use proxy::internals::ProgressTable;
use proxy::internals::SourceClusters;
use proxy::internals::TaskTable;
use proxy::internals::{ClientOptions, ClusterPin, HostPort, Side};
use proxy::internals::{CreateLink, CreateMirror, MirrorAction, Selector};
use state::model::{Change, KafkaUuid, LinkError, LinkState, MirrorState, MirrorTopic};
use state::store::Store;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const UNLIMITED: &str = "9223372036854775807";

struct World {
    source: Cluster,
    destination: Cluster,
    runtime: Runtime,
    store: Store,
    sources: SourceClusters,
    tasks: TaskTable,
    commands: Commands,
    configs: ConfigSync,
}

impl World {
    fn new(name: &str, source: Version, destination: Version) -> World {
        let source = Cluster::start_with(&format!("{name}-source"), source, 1, &[]);
        let destination = Cluster::start_with(&format!("{name}-destination"), destination, 1, &[]);
        let store = Store::in_memory().unwrap();
        let (sources, tasks) = (SourceClusters::default(), TaskTable::default());
        let client = client_of(&destination);
        let commands = Commands::new(
            store.clone(),
            client.clone(),
            sources.clone(),
            ProgressTable::default(),
            tasks.clone(),
        );
        let configs = ConfigSync::new(store.clone(), client, sources.clone(), tasks.clone());
        let runtime = Runtime::new().unwrap();
        World { source, destination, runtime, store, sources, tasks, commands, configs }
    }

    fn create_link(
        &self,
        name: &str,
        bootstrap: &str,
        expected: Option<&str>,
    ) -> Result<(), (CommandErrorKind, String)> {
        let request = CreateLink {
            name: name.into(),
            configs: BTreeMap::from([
                ("bootstrap.servers".into(), bootstrap.into()),
                ("availability.check.consecutive.failure.threshold".into(), "2".into()),
                ("socket.connection.setup.timeout.ms".into(), "1000".into()),
            ]),
            expected_source_cluster_id: expected.map(str::to_owned),
            validate_only: false,
            validate_link: true,
        };
        self.runtime.block_on(self.commands.create_link(request)).map_err(|error| (error.kind, error.message))
    }

    fn create_mirror(&self, topic: &str, factor: Option<i16>) -> Result<(), (CommandErrorKind, String)> {
        let request = CreateMirror {
            link: "dr".into(),
            source_topic: topic.into(),
            replication_factor: factor,
            ..CreateMirror::default()
        };
        self.runtime
            .block_on(self.commands.create_mirror(request))
            .map_err(|error| (error.kind, error.message))
    }

    fn mirror(&self, topic: &str) -> MirrorTopic {
        self.store.view().mirrors.get(topic).cloned().unwrap()
    }

    /// Records a config of the link without a check, as an earlier version may have done.
    fn put_config(&self, name: &str, value: &str) {
        let (name, value) = (name.to_owned(), value.to_owned());
        let write = self.store.transact("test", "test", move |view, _| {
            let mut link = view.links["dr"].clone();
            let _ = link.configs.insert(name, value);
            Ok::<_, std::convert::Infallible>((vec![Change::PutLink(link)], ()))
        });
        self.runtime.block_on(write).unwrap();
    }

    fn put(&self, mirror: MirrorTopic) {
        let write = self.store.transact("test", "test", move |view, _| {
            let mut link = view.links["dr"].clone();
            link.generations = link.generations.max(mirror.generation + 1);
            Ok::<_, std::convert::Infallible>((vec![Change::PutLink(link), Change::PutMirror(mirror)], ()))
        });
        self.runtime.block_on(write).unwrap();
    }
}

fn client_of(cluster: &Cluster) -> proxy::internals::Cluster {
    let servers = cluster.bootstrap();
    let servers = servers.split(',').map(|server| server.parse::<HostPort>().unwrap()).collect();
    let mut options = ClientOptions::new(Side::Destination);
    options.pin = Some(ClusterPin::at_first_contact("destination", "DESTINATION_CLUSTER_CHANGED"));
    proxy::internals::Cluster::new(servers, options)
}

fn config(admin: &mut Admin, topic: &str, name: &str) -> String {
    admin.config(topic, name).unwrap_or_default()
}

/// Given two clusters, when links are created, then a link is refused if the source has another cluster id
/// than expected, if it is the destination itself or out of reach, or if a link of that name exists.
#[test]
fn a_link_needs_a_reachable_other_cluster_and_a_new_name() {
    let world = World::new("links", Version::V4_3_1, Version::V4_3_1);
    let source = world.source.bootstrap();
    let refused = world.create_link("dr", &source, Some("nonsense")).unwrap_err();
    assert_eq!(refused.0, CommandErrorKind::Invalid);
    assert!(refused.1.contains("not the expected id 'nonsense'"), "{}", refused.1);
    let refused = world.create_link("dr", &world.destination.bootstrap(), None).unwrap_err();
    assert!(refused.1.contains("the destination cluster itself"), "{}", refused.1);
    let refused = world.create_link("dr", "127.0.0.1:1", None).unwrap_err();
    assert!(refused.1.contains("Unable to contact the source cluster"), "{}", refused.1);
    assert!(world.store.view().links.is_empty());

    world.create_link("dr", &source, Some(world.source.id())).unwrap();
    assert_eq!(world.store.view().links["dr"].source_cluster_id, world.source.id());
    let again = world.create_link("dr", &source, None).unwrap_err();
    assert_eq!(again, (CommandErrorKind::LinkExists, "Cluster link 'dr' already exists.".to_owned()));
    assert_eq!(world.commands.cluster_id(), world.destination.id());

    let deleted = world.commands.delete_link("dr", false, false);
    world.runtime.block_on(deleted).unwrap();
    assert!(world.store.view().links.is_empty());
}

/// Given a source topic with configs of its own, when it is mirrored, synced and promoted, then the
/// destination topic has the configs of each phase, whichever of the two clusters has the older version.
#[test]
fn configs_follow_the_source_from_creation_to_promote() {
    for (name, source, destination) in
        [("configs-up", Version::V3_9_1, Version::V4_3_1), ("configs-down", Version::V4_3_1, Version::V3_9_1)]
    {
        let world = World::new(name, source, destination);
        world.create_link("dr", &world.source.bootstrap(), None).unwrap();
        let (mut there, mut here) = (world.source.admin(), world.destination.admin());
        there.create_topic(
            "orders",
            3,
            &[("compression.type", "lz4"), ("retention.ms", "1000000"), ("max.message.bytes", "2000000")],
        );

        world.create_mirror("orders", None).unwrap();
        let mirror = world.mirror("orders");
        assert_eq!((mirror.state.clone(), mirror.partitions), (MirrorState::Active, 3));
        assert_ne!(mirror.local_topic_id, KafkaUuid::ZERO);
        assert_eq!(here.leaders("orders").len(), 3);
        for (name, value) in [
            ("compression.type", "producer"),
            ("message.timestamp.type", "CreateTime"),
            ("message.timestamp.after.max.ms", UNLIMITED),
            ("message.timestamp.before.max.ms", UNLIMITED),
            ("max.message.bytes", "2000000"),
            ("retention.ms", "1000000"),
        ] {
            assert_eq!(config(&mut here, "orders", name), value, "{name}");
        }

        there.alter_config("orders", "retention.ms", "2000000");
        there.alter_config("orders", "compression.type", "zstd");
        // Brokers apply a config a moment after the controller accepted it.
        until("the source shows its configs", LONG, || {
            (config(&mut there, "orders", "compression.type") == "zstd").then_some(())
        });
        world.runtime.block_on(world.configs.run_once("dr"));
        until("the mirror has them", LONG, || {
            (config(&mut here, "orders", "retention.ms") == "2000000").then_some(())
        });
        assert_eq!(config(&mut here, "orders", "compression.type"), "producer");
        assert_eq!(world.commands.tasks("dr")[3].state, "ACTIVE", "{:?}", world.commands.tasks("dr"));

        world.runtime.block_on(world.configs.final_sync("dr", "orders")).unwrap();
        until("the mirror has the source's own", LONG, || {
            (config(&mut here, "orders", "compression.type") == "zstd").then_some(())
        });
        assert_eq!(
            config(&mut here, "orders", "message.timestamp.after.max.ms"),
            config(&mut there, "orders", "message.timestamp.after.max.ms")
        );
    }
}

/// Given impossible requests to create a mirror topic, when they are made, then each refusal has its text and
/// leaves nothing behind.
#[test]
fn a_refused_mirror_leaves_nothing_behind() {
    let world = World::new("refusals", Version::V4_3_1, Version::V4_3_1);
    let missing = world.create_mirror("orders", None).unwrap_err();
    assert_eq!(missing.0, CommandErrorKind::NoSuchLink);
    world.create_link("dr", &world.source.bootstrap(), None).unwrap();
    let missing = world.create_mirror("orders", None).unwrap_err();
    assert_eq!(missing, (CommandErrorKind::NoSuchSourceTopic, "Topic 'orders' does not exist.".to_owned()));
    world.source.admin().create_topic("orders", 1, &[]);
    let refused = world.create_mirror("orders", Some(5)).unwrap_err();
    assert_eq!(refused.0, CommandErrorKind::Invalid);
    assert!(refused.1.contains("INVALID_REPLICATION_FACTOR"), "{}", refused.1);
    world.destination.admin().create_topic("orders", 1, &[]);
    let exists = world.create_mirror("orders", None).unwrap_err();
    assert_eq!(exists, (CommandErrorKind::Invalid, "Topic 'orders' already exists.".to_owned()));
    assert!(world.store.view().mirrors.is_empty());
}

/// Given a creation that a crash interrupted, when it is resumed, then it ends as it would have without the
/// crash.
#[test]
fn an_interrupted_creation_is_completed() {
    let world = World::new("crash", Version::V4_3_1, Version::V4_3_1);
    world.create_link("dr", &world.source.bootstrap(), None).unwrap();
    for topic in ["before", "after", "foreign"] {
        world.source.admin().create_topic(topic, 2, &[]);
    }
    let finish = |topic: &str| world.runtime.block_on(world.commands.finish_create(topic)).unwrap();
    // The process died after it created the topic and before it recorded that.
    world.create_mirror("after", None).unwrap();
    let made = world.mirror("after");
    let pending = |topic: &str, generation| MirrorTopic {
        topic: topic.into(),
        source_topic: topic.into(),
        local_topic_id: KafkaUuid::ZERO,
        state: MirrorState::PendingMirror,
        generation,
        ..made.clone()
    };
    world.put(pending("after", made.generation));
    finish("after");
    assert_eq!(
        world.mirror("after"),
        MirrorTopic { state_ms: world.mirror("after").state_ms, ..made.clone() }
    );

    // The process died before it created the topic.
    world.put(pending("before", 5));
    finish("before");
    assert_eq!(world.mirror("before").state, MirrorState::Active);
    assert_eq!(world.destination.admin().leaders("before").len(), 2);
    assert_eq!(config(&mut world.destination.admin(), "before", "compression.type"), "producer");
    finish("before");

    // Another client created a topic of that name in the meantime.
    world.destination.admin().create_topic("foreign", 2, &[]);
    world.put(pending("foreign", 6));
    finish("foreign");
    let MirrorState::Failed { reason, .. } = world.mirror("foreign").state else {
        panic!("a foreign topic was taken over")
    };
    assert!(reason.contains("did not create"), "{reason}");
}

/// Given a link, when its source goes away and comes back, then the state of the link follows once the
/// failure threshold is reached.
#[test]
fn the_link_state_follows_the_source() {
    let mut world = World::new("probe", Version::V4_3_1, Version::V4_3_1);
    world.create_link("dr", &world.source.bootstrap(), None).unwrap();
    let probe = LinkProbe::new(world.store.clone(), world.sources.clone());
    let once = |world: &World, failures| world.runtime.block_on(probe.run_once("dr", failures));
    let link = |world: &World| world.store.view().links["dr"].clone();
    assert_eq!(once(&world, 0), 0);
    let before = world.store.view().sequence;

    world.source.kill();
    assert_eq!(once(&world, 0), 1);
    assert_eq!((link(&world).state, world.store.view().sequence), (LinkState::Active, before));
    assert_eq!(once(&world, 1), 2);
    assert_eq!(link(&world).state, LinkState::Unavailable);
    assert_eq!(link(&world).error, LinkError::BootstrapTcpConnectionFailedError);
    let after = world.store.view().sequence;
    assert_eq!((once(&world, 2), world.store.view().sequence), (3, after));

    world.source.node(1).start();
    world.source.wait_ready();
    until("the link is active again", LONG, || {
        let _ = once(&world, 3);
        (link(&world).state == LinkState::Active).then_some(())
    });
    let _ = &world.tasks;
}

/// Given a link that an earlier version recorded with a config that this version refuses, then the link is
/// FAILED and names the config. Its mirror topics can be failed over, a valid value makes it ACTIVE again,
/// and it can be deleted.
#[test]
fn a_link_with_an_invalid_recorded_config_can_be_failed_over_repaired_and_deleted() {
    let world = World::new("failed-link", Version::V4_3_1, Version::V4_3_1);
    let source = world.source.bootstrap();
    world.create_link("dr", &source, None).unwrap();
    for topic in ["a", "b"] {
        world.source.admin().create_topic(topic, 1, &[]);
        world.create_mirror(topic, Some(1)).unwrap();
    }
    world.put_config("topic.config.sync.ms", "5");
    let (engine, commands) =
        Engine::new(world.store.clone(), client_of(&world.destination), Accepted::default());
    let shutdown = CancellationToken::new();
    let running = world.runtime.spawn(engine.run(shutdown.clone()));
    let shown = || world.store.view().links["dr"].status();

    assert_eq!(shown().state, LinkState::Failed);
    assert_eq!(world.mirror("a").status(shown().state).name(), "LINK_FAILED");
    let task = commands.tasks("dr").into_iter().find(|task| task.name == "TopicConfigsSync").unwrap();
    assert_eq!((task.state, task.errors[0].0.as_str()), ("LINK_FAILED", "MISCONFIGURATION_ERROR"));
    assert!(task.errors[0].1.contains("topic.config.sync.ms"), "{}", task.errors[0].1);

    let one = Selector::Names(vec!["a".into()]);
    until("the journal has its clearance", LONG, || {
        let asked = commands.alter_mirrors(Some("dr"), one.clone(), MirrorAction::Failover, false);
        world.runtime.block_on(asked).ok()
    });
    until("a is failed over", LONG, || {
        matches!(world.mirror("a").state, MirrorState::Stopped { .. }).then_some(())
    });

    let mended = vec![("topic.config.sync.ms".to_owned(), Some("5000".to_owned()))];
    world.runtime.block_on(commands.alter_link_configs("dr", mended, false)).unwrap();
    assert_eq!(shown().state, LinkState::Active);
    send(&source, "b", Kind::plain("none"), 10);
    until("b is mirrored", LONG, || (commands.progress("b").first()?.log_end_offset == 10).then_some(()));

    world.put_config("replica.fetch.max.bytes", "0");
    assert_eq!(shown().state, LinkState::Failed);
    world.runtime.block_on(commands.delete_link("dr", true, false)).unwrap();
    assert!(world.store.view().links.is_empty());
    shutdown.cancel();
    world.runtime.block_on(running).unwrap();
}
