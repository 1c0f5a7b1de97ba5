//! The steps of the demo.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use linkgate_tests::client::admin::LATEST;
use linkgate_tests::client::python::{self, Running};
use linkgate_tests::machine::wait::{LONG, until};
use serde_json::Value;

use crate::report::Report;
use crate::screen::{Screen, grouped};
use crate::stage::{LINK, Stage};

const FLIGHTS: i64 = 336_776;
const WEATHER: i64 = 26_115;
/// Number of rows that the consumer group reads on the source. It reads the rest on the mirror.
const READ_ON_SOURCE: &str = "60000";
/// Number of rows written to each topic through the gateway after the topic was opened.
const WRITTEN_AFTER: i64 = 1_000;

/// Runs all steps. Returns true if no record is missing, different or repeated.
pub(crate) fn tell(dir: &Path, keep: bool) -> bool {
    let mut screen = Screen::new();
    let mut report = Report::default();

    screen.step("Two Kafka clusters (4.3.1, KRaft): a source of two brokers, a destination of three; Linkgate in front of it");
    let mut stage = Stage::build(dir);
    screen.say(&format!("source {}", stage.source.bootstrap()));
    screen.say(&format!("destination {}", stage.destination.bootstrap()));
    screen.say(&format!("gateway {}, REST {}", stage.linkgate.bootstrap(), stage.linkgate.rest_url()));

    screen.step("Producers fill the source: flights (no codec, lz4, zstd) and weather (transactions, every fifth aborted)");
    let mut source = stage.source.admin();
    source.create_topic("flights", 6, &[]);
    source.create_topic("weather", 3, &[]);
    source.create_topic("heartbeat", 1, &[]);
    let mut producers = producers(&stage);
    // Producing continues while the link is created. At least some records must exist before.
    until("the source gets records", LONG, || {
        (stage.source.admin().offsets("flights", LATEST).iter().sum::<i64>() > 20_000).then_some(())
    });

    screen.step("A link and mirror topics, while producing goes on");
    let (link_config, filters) =
        (stage.link_config.display().to_string(), stage.group_filters.display().to_string());
    let (command, output) = stage.cluster_links(&[
        "--create",
        "--link",
        LINK,
        "--config-file",
        &link_config,
        "--consumer-group-filters-json-file",
        &filters,
    ]);
    screen.ran(&command, &output);
    for topic in ["flights", "weather", "heartbeat"] {
        let (command, output) = stage.mirrors(&["--create", "--mirror-topic", topic, "--link", LINK]);
        screen.ran(&command, &output);
    }
    let writing = producers.iter_mut().map(Running::is_running).filter(|running| *running).count();
    screen.say(&format!("{writing} of {} producers are still writing", producers.len()));
    for topic in ["flights", "weather", "heartbeat"] {
        stage.linkgate.wait_status(LINK, topic, "ACTIVE");
    }
    let heartbeat = Running::start(
        "heartbeat.py",
        &[
            "--source",
            &stage.source.bootstrap(),
            "--gateway",
            &stage.linkgate.bootstrap(),
            "--topic",
            "heartbeat",
        ],
    );

    screen.step("A consumer group reads part of the source");
    let group = "demo-readers";
    let topics = "flights,weather";
    let read = python::json(
        "group.py",
        &[
            "--bootstrap",
            &stage.source.bootstrap(),
            "--group",
            group,
            "--topics",
            topics,
            "--max",
            READ_ON_SOURCE,
        ],
        LONG,
    );
    report.group_records_read = int(&read["records"]);
    screen.say(&format!("{group} read {} records, committed and left", grouped(report.group_records_read)));

    screen.step("A mirror topic is read-only");
    refused_write(&mut screen, &stage);

    screen.step("The mirror follows");
    follow(&mut screen, &stage, &mut producers, &mut report);
    for producer in producers {
        let said = producer.finish(LONG);
        screen.say(&format!("{}: {} rows committed", text(&said["topic"]), grouped(int(&said["records"]))));
    }
    let lag = heartbeat.finish(LONG);
    report.lag_p50_ms = lag["p50_ms"].as_f64().unwrap_or(-1.0);
    report.lag_p99_ms = lag["p99_ms"].as_f64().unwrap_or(-1.0);
    catch_up(&stage);
    screen.say("every mirror has caught up");

    screen.step("The audit reads the source, while there is one");
    let file = dir.join("source.audit").display().to_string();
    let mut args = vec!["snapshot", "--bootstrap"];
    let source_bootstrap = stage.source.bootstrap();
    args.extend([
        source_bootstrap.as_str(),
        "--topics",
        "flights,weather,heartbeat",
        "--groups",
        group,
        "--file",
        &file,
    ]);
    let snapshot = python::json("audit.py", &args, Duration::from_secs(150));
    let by_topic = &snapshot["by_topic"];
    screen.say(&format!(
        "flights {}, weather {}, heartbeat {} records",
        grouped(int(&by_topic["flights"])),
        grouped(int(&by_topic["weather"])),
        grouped(int(&by_topic["heartbeat"]))
    ));
    assert_eq!(int(&by_topic["flights"]), FLIGHTS, "rows of the flights table on the source");
    assert_eq!(int(&by_topic["weather"]), WEATHER, "committed rows of the weather table on the source");

    screen.step("The group's offsets on both sides");
    group_offsets(&mut screen, &stage, group);

    screen.step("One topic is promoted");
    report.promote_ms = promote(&mut screen, &stage, "weather");

    screen.step("The source dies (kill -9 of both brokers); the rest is failed over");
    stage.source.kill();
    report.failover_to_first_write_ms = fail_over(&mut screen, &stage);

    screen.step("Producers and consumers go on through the gateway");
    let groups = python::json(
        "audit.py",
        &["groups", "--bootstrap", &stage.linkgate.bootstrap(), "--file", &file],
        LONG,
    );
    report.group_offsets = int(&groups["offsets"]);
    report.group_offset_differences = int(&groups["group_offset_differences"]);
    let first_writes = 1;
    go_on(&mut screen, &stage, group, topics, first_writes, &mut report);

    screen.step("The audit, by confluent-kafka: every record and every group offset");
    let audit = python::json(
        "audit.py",
        &["compare", "--bootstrap", &stage.linkgate.bootstrap(), "--file", &file],
        Duration::from_secs(150),
    );
    report.records = int(&audit["records"]);
    report.bytes = int(&audit["bytes"]);
    report.differences = int(&audit["differences"]);
    report.written_after = int(&audit["written_after"]);
    for example in [&audit["examples"], &groups["examples"]] {
        for line in example.as_array().into_iter().flatten() {
            screen.say(&format!("difference: {}", text(line)));
        }
    }
    report.seconds = screen.elapsed().as_secs_f64();
    report.write(&dir.join("report.json"));
    report.print();
    let clean = report.is_clean();
    println!("\nFigures: {}", dir.join("report.json").display());
    if keep {
        left_running(&stage);
    }
    assert!(clean, "the mirror is not what the source was; see the table");
    clean
}

fn producers(stage: &Stage) -> Vec<Running> {
    let data = python::data_set().display().to_string();
    let source = stage.source.bootstrap();
    let common = ["--bootstrap", source.as_str(), "--data", data.as_str()];
    let mut all = Vec::new();
    for (part, codec) in [("0/3", "none"), ("1/3", "lz4"), ("2/3", "zstd")] {
        let own =
            ["--table", "flights", "--topic", "flights", "--codec", codec, "--part", part, "--rate", "9000"];
        all.push(Running::start("produce.py", &[&common[..], &own[..]].concat()));
    }
    let own = [
        "--table",
        "weather",
        "--topic",
        "weather",
        "--codec",
        "zstd",
        "--transaction",
        "500",
        "--rate",
        "2200",
    ];
    all.push(Running::start("produce.py", &[&common[..], &own[..]].concat()));
    all
}

fn refused_write(screen: &mut Screen, stage: &Stage) {
    let refused =
        stage.source.tools().console_producer(&stage.linkgate.bootstrap(), "flights", &[], "not allowed\n");
    let expected = "Cannot append records to read-only mirror topic 'flights'";
    let line = refused.stderr.lines().find(|line| line.contains(expected)).map(str::to_owned);
    let line = line.unwrap_or_else(|| panic!("the console producer was not refused: {}", refused.all()));
    screen.say("$ kafka-console-producer --topic flights (through the gateway)");
    screen.say(&format!("  {}", line.trim()));
}

/// Shows progress until every producer has ended.
fn follow(screen: &mut Screen, stage: &Stage, producers: &mut [Running], report: &mut Report) {
    let begin = Instant::now();
    loop {
        let writing = producers.iter_mut().map(Running::is_running).filter(|running| *running).count();
        let source: i64 = stage.source.admin().offsets("flights", LATEST).iter().sum();
        let lag = stage.lag("flights").max(stage.lag("weather"));
        report.lag_max_offsets = report.lag_max_offsets.max(lag);
        screen.progress(&format!(
            "{writing} producers writing; flights: {} offsets on the source; largest lag of a partition: {}",
            grouped(source),
            grouped(lag)
        ));
        if writing == 0 {
            return;
        }
        assert!(begin.elapsed() < LONG, "the producers did not come to their end");
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// Waits until every mirror's log ends at the same offsets as the source's.
fn catch_up(stage: &Stage) {
    for topic in ["flights", "weather", "heartbeat"] {
        until(&format!("the mirror {topic} catches up"), LONG, || {
            let source = stage.source.admin().offsets(topic, LATEST);
            (stage.destination.admin().offsets(topic, LATEST) == source).then_some(())
        });
    }
}

fn group_offsets(screen: &mut Screen, stage: &Stage, group: &str) {
    let source = stage.source.admin().group_offsets(group);
    let mirror = until("the group's offsets are synced", LONG, || {
        let mirror = stage.destination.admin().group_offsets(group);
        (mirror == source).then_some(mirror)
    });
    for ((topic, partition), offset) in &source {
        let synced = mirror.get(&(topic.clone(), *partition)).copied().unwrap_or(-1);
        screen.say(&format!("{topic}-{partition}: source {}, mirror {}", grouped(*offset), grouped(synced)));
    }
}

fn promote(screen: &mut Screen, stage: &Stage, topic: &str) -> i64 {
    let begin = Instant::now();
    let (command, output) = stage.mirrors(&["--promote", "--topics", topic]);
    stage.linkgate.wait_status(LINK, topic, "STOPPED");
    let took = millis(begin.elapsed());
    screen.ran(&command, &output);
    screen.say(&format!("{topic} is an ordinary topic after {} ms", grouped(took)));
    took
}

/// Fails over the remaining topics while a producer keeps trying to write. Returns the milliseconds from the
/// command to the first accepted write.
fn fail_over(screen: &mut Screen, stage: &Stage) -> i64 {
    let mut writer =
        Running::start("first_write.py", &["--bootstrap", &stage.linkgate.bootstrap(), "--topic", "flights"]);
    let refused = writer.next(LONG);
    assert_eq!(refused["refused"], true, "the topic took a write before its failover: {refused}");
    let begin = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let (command, output) = stage.mirrors(&["--failover", "--topics", "flights,heartbeat"]);
    let accepted = writer.finish(LONG);
    let at = accepted["at_ms"].as_f64().unwrap_or_default();
    let took = (at - begin.as_secs_f64() * 1000.0).round();
    screen.ran(&command, &output);
    for topic in ["flights", "heartbeat"] {
        stage.linkgate.wait_status(LINK, topic, "STOPPED");
    }
    #[allow(clippy::cast_possible_truncation, reason = "milliseconds of a demo")]
    let took = took as i64;
    screen.say(&format!("first accepted write {} ms after the command", grouped(took)));
    took
}

/// Writes new rows through the gateway. The group must continue at its position on the source: no record
/// twice, none skipped.
fn go_on(
    screen: &mut Screen,
    stage: &Stage,
    group: &str,
    topics: &str,
    first_writes: i64,
    report: &mut Report,
) {
    let data = python::data_set().display().to_string();
    let gateway = stage.linkgate.bootstrap();
    let limit = WRITTEN_AFTER.to_string();
    for table in ["flights", "weather"] {
        let own = ["--table", table, "--topic", table, "--codec", "lz4", "--limit", limit.as_str()];
        let args = [&["--bootstrap", gateway.as_str(), "--data", data.as_str()][..], &own[..]].concat();
        let said = python::json("produce.py", &args, LONG);
        screen.say(&format!("{} new rows to {table}", grouped(int(&said["records"]))));
    }
    let before = stage.destination.admin().group_offsets(group);
    let read =
        python::json("group.py", &["--bootstrap", &gateway, "--group", group, "--topics", topics], LONG);
    for ((topic, partition), offset) in &before {
        let first = read["first"][format!("{topic}-{partition}")].as_i64().unwrap_or(*offset);
        assert!(first >= *offset, "{group} went back in {topic}-{partition}: from {offset} to {first}");
    }
    report.group_records_read += int(&read["records"]);
    report.group_records_expected = FLIGHTS + WEATHER + 2 * WRITTEN_AFTER + first_writes;
    screen.say(&format!("{group} went on and read {} records more", grouped(int(&read["records"]))));
}

fn left_running(stage: &Stage) {
    println!("\nLeft running (--keep):");
    println!("  gateway      {}", stage.linkgate.bootstrap());
    println!("  REST         {}", stage.linkgate.rest_url());
    println!("  destination  {}", stage.destination.bootstrap());
    let mut pids = stage.destination.pids();
    pids.extend(stage.linkgate.pid());
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    println!("  stop it with: kill {}", pids.join(" "));
}

fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or(-1)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
