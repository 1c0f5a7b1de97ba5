//! The walkthrough of the documentation, with the exact texts that operators and their scripts expect.

use std::path::{Path, PathBuf};

use linkgate_tests::client::admin::LATEST;
use linkgate_tests::kafka::Tools;
use linkgate_tests::machine::ports::PortBlock;
use linkgate_tests::machine::process::Daemon;
use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::stage::pair::{LINK, Pair};

const SINK_GROUP: &str = "connect-users-sink";

/// Given a source with a Connect worker that sinks topic `users` into a file, when the topic is mirrored and
/// failed over, then every command prints what the documentation says, and a worker at the gateway continues
/// at the next record.
#[test]
fn the_documented_walkthrough_works() {
    let pair = Pair::small("walkthrough");
    let tools = pair.source.tools();
    let (source, gateway) = (pair.source.bootstrap(), pair.linkgate.bootstrap());
    pair.source.admin().create_topic("users", 1, &[]);

    // A link is created from the command line and deleted.
    let created = "Cluster link 'test-link' creation successfully completed.";
    let config = format!("bootstrap.servers={source}");
    let output =
        pair.linkgate.cluster_links(&["--create", "--link", LINK, "--config", &config]).success("create");
    assert_eq!(output.stdout.trim(), created);
    let output = pair.linkgate.cluster_links(&["--delete", "--link", LINK]).success("delete");
    assert_eq!(output.stdout.trim(), "Cluster link 'test-link' deletion successfully completed.");

    // The link is created from files, with sync of group offsets.
    let config_file = pair.linkgate.dir().join("config.txt");
    let text = format!(
        "bootstrap.servers={source}\nconsumer.offset.sync.enable=true\nconsumer.offset.sync.ms=1000\n"
    );
    std::fs::write(&config_file, text).unwrap();
    let filters = pair.linkgate.dir().join("config.json");
    let json = r#"{"groupFilters":[{"name":"*","patternType":"LITERAL","filterType":"INCLUDE"}]}"#;
    std::fs::write(&filters, json).unwrap();
    let (config_file, filters) = (config_file.display().to_string(), filters.display().to_string());
    let output = pair
        .linkgate
        .cluster_links(&[
            "--create",
            "--link",
            LINK,
            "--config-file",
            &config_file,
            "--consumer-group-filters-json-file",
            &filters,
        ])
        .success("create from files");
    assert_eq!(output.stdout.trim(), created);
    let listed = pair.linkgate.cluster_links(&["--list"]).success("list").stdout;
    assert!(listed.starts_with("Link name: 'test-link', link ID: '"), "{listed}");
    assert!(listed.contains(&format!("remote cluster ID: '{}'", pair.source.id())), "{listed}");
    assert!(listed.contains("link state: 'ACTIVE'"), "{listed}");

    let output =
        pair.linkgate.mirrors(&["--create", "--mirror-topic", "users", "--link", LINK]).success("mirror");
    assert_eq!(output.stdout.trim(), "Created topic users.");
    let again = pair.linkgate.mirrors(&["--create", "--mirror-topic", "users", "--link", LINK]);
    assert_ne!(again.code, 0);
    assert!(
        again.all().contains("Error while executing mirror command: Topic 'users' already exists."),
        "{again:?}"
    );

    // A sink runs at the source; the offsets of its group advance and appear on the destination.
    let mut worker = Worker::start(&tools, &source, pair.linkgate.dir(), "on-source");
    let _ = tools.console_producer(&source, "users", &[], &lines(0, 60)).success("produce to the source");
    worker.wait_for(60);
    wait_group(&pair, 60);
    let _ = tools.console_producer(&source, "users", &[], &lines(60, 90)).success("produce to the source");
    worker.wait_for(90);
    worker.stop();
    wait_group(&pair, 90);

    // These records come while no worker runs: the worker at the gateway gets them.
    let _ = tools.console_producer(&source, "users", &[], &lines(90, 120)).success("produce to the source");
    pair.wait_caught_up("users");

    let refused = tools.console_producer(&gateway, "users", &[], "not allowed\n").all();
    assert!(
        refused.contains("InvalidRequestException: Cannot append records to read-only mirror topic 'users'"),
        "{refused}"
    );
    assert_eq!(pair.destination.admin().offsets("users", LATEST), [120], "the refused write left nothing");

    let output = pair.linkgate.mirrors(&["--failover", "--link", LINK]).success("failover");
    assert!(
        output.stdout.contains(
            "Request for stopping topic users's mirror was successfully scheduled. Please use the describe command with \
             the --pending-stopped-only option to monitor progress."
        ),
        "{output:?}"
    );
    until("no mirror topic is pending", LONG, || {
        let described = pair.linkgate.mirrors(&["--describe", "--link", LINK, "--pending-stopped-only"]);
        described.stdout.contains("No mirror topics found.").then_some(())
    });
    pair.linkgate.wait_status(LINK, "users", "STOPPED");
    let again = pair.linkgate.mirrors(&["--failover", "--topics", "users"]);
    assert!(
        again.all().contains("Topic 'users' has already stopped its mirror from 'test-link'"),
        "{again:?}"
    );

    // The topic takes writes, and a worker behind the gateway continues at the exact next record.
    let _ = tools
        .console_producer(&gateway, "users", &[], &lines(120, 150))
        .success("produce through the gateway");
    let mut worker = Worker::start(&tools, &gateway, pair.linkgate.dir(), "on-destination");
    worker.wait_for(60);
    worker.stop();
    let want: Vec<String> = lines(90, 150).lines().map(str::to_owned).collect();
    assert_eq!(worker.sunk(), want, "none twice, none skipped");
}

fn lines(from: usize, to: usize) -> String {
    (from..to).map(|n| format!("user-{n}\n")).collect()
}

fn wait_group(pair: &Pair, offset: i64) {
    let expected = [(("users".to_owned(), 0), offset)].into();
    until(&format!("offset {offset} of the sink's group is on both sides"), LONG, || {
        let source = pair.source.admin().group_offsets(SINK_GROUP);
        let destination = pair.destination.admin().group_offsets(SINK_GROUP);
        (source == expected && destination == expected).then_some(())
    });
}

/// A Connect worker with a FileStreamSink.
struct Worker {
    process: Daemon,
    file: PathBuf,
    _port: PortBlock,
}

impl Worker {
    fn start(tools: &Tools, bootstrap: &str, dir: &Path, name: &str) -> Worker {
        let dir = dir.join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let port = PortBlock::claim();
        let file = dir.join("users.txt");
        let worker = format!(
            "bootstrap.servers={bootstrap}\nkey.converter=org.apache.kafka.connect.storage.StringConverter\n\
             value.converter=org.apache.kafka.connect.storage.StringConverter\n\
             offset.storage.file.filename={}\noffset.flush.interval.ms=500\nlisteners=http://127.0.0.1:{}\n",
            dir.join("offsets").display(),
            port.port(0)
        );
        let connector = format!(
            "name=users-sink\nconnector.class=org.apache.kafka.connect.file.FileStreamSinkConnector\n\
             tasks.max=1\ntopics=users\nfile={}\n",
            file.display()
        );
        std::fs::write(dir.join("worker.properties"), worker).unwrap();
        std::fs::write(dir.join("sink.properties"), connector).unwrap();
        let process = tools.connect_standalone(
            &dir.join("worker.properties"),
            &dir.join("sink.properties"),
            &dir.join("connect.log"),
        );
        Worker { process, file, _port: port }
    }

    fn sunk(&self) -> Vec<String> {
        std::fs::read_to_string(&self.file).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn wait_for(&mut self, count: usize) {
        until(&format!("the sink has written {count} lines"), LONG, || {
            if let Some(status) = self.process.ended() {
                panic!("the worker ended with {status}: {}", self.process.tail(30));
            }
            (self.sunk().len() >= count).then_some(())
        });
    }

    fn stop(&mut self) {
        let _ = self.process.stop(LONG);
    }
}
