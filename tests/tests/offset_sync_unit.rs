//! Group offset sync, run in this process against real clusters. The test sets the log ends of the mirror; no
//! records are mirrored.

use std::collections::BTreeMap;
use std::time::Duration;

use linkgate_tests::client::admin::LATEST;
use linkgate_tests::kafka::{Cluster, Version};
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::produce::{Kind, send};
use proxy::internals::Commands;
use proxy::internals::OffsetSync;
use proxy::internals::ProgressTable;
use proxy::internals::SourceClusters;
use proxy::internals::TaskTable;
use proxy::internals::{ClientOptions, HostPort, Side};
use proxy::internals::{CreateLink, CreateMirror, MirrorAction, Selector};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use state::store::Store;
use tokio::runtime::Runtime;

const FILTERS: &str = r#"{"groupFilters":[
    {"name":"*","patternType":"LITERAL","filterType":"INCLUDE"},
    {"name":"private-","patternType":"PREFIXED","filterType":"EXCLUDE"}]}"#;

struct World {
    source: Cluster,
    destination: Cluster,
    runtime: Runtime,
    progress: ProgressTable,
    commands: Commands,
    sync: OffsetSync,
}

impl World {
    /// Starts two clusters with a mirror topic "orders" of three partitions behind a link that syncs group
    /// offsets.
    fn new(name: &str, source: Version, destination: Version) -> World {
        let source = Cluster::start_with(&format!("{name}-source"), source, 1, &[]);
        let destination = Cluster::start_with(&format!("{name}-destination"), destination, 1, &[]);
        source.admin().create_topic("orders", 3, &[]);
        source.admin().create_topic("other", 1, &[]);
        let store = Store::in_memory().unwrap();
        let servers = destination.bootstrap().parse::<HostPort>().unwrap();
        let client = proxy::internals::Cluster::new(vec![servers], ClientOptions::new(Side::Destination));
        let (sources, progress, tasks) =
            (SourceClusters::default(), ProgressTable::default(), TaskTable::default());
        let commands =
            Commands::new(store.clone(), client.clone(), sources.clone(), progress.clone(), tasks.clone());
        let sync = OffsetSync::new(store, client, sources, progress.clone(), tasks);
        let runtime = Runtime::new().unwrap();
        let link = CreateLink {
            name: "dr".into(),
            configs: BTreeMap::from([
                ("bootstrap.servers".into(), source.bootstrap()),
                ("consumer.offset.sync.enable".into(), "true".into()),
                ("consumer.offset.group.filters".into(), FILTERS.into()),
                ("request.timeout.ms".into(), "2000".into()),
            ]),
            validate_link: true,
            ..CreateLink::default()
        };
        runtime.block_on(commands.create_link(link)).unwrap();
        let mirror =
            CreateMirror { link: "dr".into(), source_topic: "orders".into(), ..CreateMirror::default() };
        runtime.block_on(commands.create_mirror(mirror)).unwrap();
        // More records in each partition than most commits: a synced offset never exceeds the high watermark.
        send(&destination.bootstrap(), "orders", Kind::plain("none"), 900);
        World { source, destination, runtime, progress, commands, sync }
    }

    fn mirror_holds(&self, ends: [i64; 3]) {
        for (cell, end) in self.progress.topic("orders", 3).iter().zip(ends) {
            cell.update(|progress| progress.log_end_offset = end);
        }
    }

    /// Requests a promote: the final sync commits offsets only for mirrors that are being promoted.
    fn promote(&self) {
        let topic = Selector::Names(vec!["orders".to_owned()]);
        let promoted = self.commands.alter_mirrors(Some("dr"), topic, MirrorAction::Promote, false);
        let _ = self.runtime.block_on(promoted).unwrap();
    }

    fn sync(&self) {
        self.runtime.block_on(self.sync.run_once("dr"));
    }

    fn local(&self, group: &str) -> Vec<(i32, i64)> {
        let offsets = self.destination.admin().group_offsets(group);
        offsets
            .into_iter()
            .map(|((topic, partition), offset)| {
                assert_eq!(topic, "orders");
                (partition, offset)
            })
            .collect()
    }

    fn task(&self) -> (&'static str, Vec<(String, String)>) {
        let task = self.commands.tasks("dr").swap_remove(2);
        assert_eq!(task.name, "ConsumerOffsetSync");
        (task.state, task.errors)
    }
}

/// Given groups with offsets on the source, when they are synced, then the destination has exactly the groups
/// that the filters select, in mirrored topics, and no offset beyond the end of the mirror.
#[test]
fn offsets_follow_the_source_up_to_the_end_of_the_mirror() {
    for (name, source, destination) in
        [("offsets-up", Version::V3_9_1, Version::V4_3_1), ("offsets-down", Version::V4_3_1, Version::V3_9_1)]
    {
        let world = World::new(name, source, destination);
        world.mirror_holds([100, 50, -1]);
        let mut there = world.source.admin();
        there.commit("app", &[("orders", 0, 40), ("orders", 1, 80), ("orders", 2, 5), ("other", 0, 3)]);
        there.commit("private-app", &[("orders", 0, 40)]);

        world.sync();
        assert_eq!(world.local("app"), [(0, 40), (1, 50)]);
        assert_eq!(world.local("private-app"), []);
        assert_eq!(world.task(), ("ACTIVE", vec![]));

        world.mirror_holds([100, 90, 7]);
        there.commit("app", &[("orders", 0, 12)]);
        world.destination.admin().commit("app", &[("orders", 2, 6)]);
        world.sync();
        assert_eq!(world.local("app"), [(0, 12), (1, 80), (2, 5)]);

        // A log end that only the leader has does not count: the offset is clamped to the high watermark.
        world.mirror_holds([100_000, 90, 7]);
        there.commit("app", &[("orders", 0, 90_000)]);
        world.sync();
        let replicated = world.destination.admin().offsets("orders", LATEST)[0];
        assert_eq!(world.local("app"), [(0, replicated), (1, 80), (2, 5)]);
    }
}

/// Given a group with members on the destination, when offsets are synced, then it is left alone and
/// reported. It is synced once the members are gone.
#[test]
fn a_group_in_use_on_the_destination_is_left_alone_and_reported() {
    let world = World::new("in-use", Version::V4_3_1, Version::V4_3_1);
    world.mirror_holds([100, 100, 100]);
    for protocol in ["classic", "consumer"] {
        let group = format!("{protocol}-app");
        world.source.admin().commit(&group, &[("orders", 0, 40)]);
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", world.destination.bootstrap())
            .set("group.id", &group)
            .set("group.protocol", protocol)
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        consumer.subscribe(&["orders"]).unwrap();
        until("the consumer has partitions", LONG, || {
            let _ = consumer.poll(Duration::from_millis(100));
            (consumer.assignment().unwrap().count() == 3).then_some(())
        });

        world.sync();
        assert_eq!(world.local(&group), []);
        let (state, errors) = world.task();
        assert_eq!((state, errors.len()), ("IN_ERROR", 1), "{errors:?}");
        assert_eq!(errors[0].0, "CONSUMER_GROUP_IN_USE_ERROR");
        assert!(errors[0].1.contains(&group), "{errors:?}");
        let troubles = world.runtime.block_on(world.sync.final_sync("dr", "orders")).unwrap();
        assert_eq!(troubles.len(), 1, "{troubles:?}");

        drop(consumer);
        until("the group is synced once it has no members", LONG, || {
            world.sync();
            (world.local(&group) == [(0, 40)]).then_some(())
        });
        assert_eq!(world.task(), ("ACTIVE", vec![]));
    }
}

/// Given synced groups, when the source is gone, then the final sync of a promote fails, and a failover still
/// lowers offsets beyond the log end to it.
#[test]
fn a_failover_clamps_offsets_without_the_source_and_a_promote_needs_the_source() {
    let mut world = World::new("clamp", Version::V4_3_1, Version::V4_3_1);
    world.mirror_holds([100, 100, 100]);
    let mut there = world.source.admin();
    there.commit("app", &[("orders", 0, 90), ("orders", 1, 10)]);
    there.commit("private-app", &[("orders", 0, 90)]);
    world.promote();
    assert_eq!(world.runtime.block_on(world.sync.final_sync("dr", "orders")), Ok(vec![]));
    assert_eq!(world.local("app"), [(0, 90), (1, 10)]);
    world.destination.admin().commit("private-app", &[("orders", 0, 90)]);

    world.source.kill();
    let error = world.runtime.block_on(world.sync.final_sync("dr", "orders")).unwrap_err();
    assert!(error.to_string().contains("source"), "{error}");
    assert_eq!(world.runtime.block_on(world.sync.clamp("dr", "orders", &[60, 60, 60])), Ok(vec![]));
    assert_eq!(world.local("app"), [(0, 60), (1, 10)]);
    assert_eq!(world.local("private-app"), [(0, 90)]);
}
