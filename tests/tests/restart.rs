//! Links, mirrors and decisions survive the end of the daemon, whether it was killed or stopped.

use linkgate_tests::machine::wait::{LONG, until};
use linkgate_tests::produce::{Kind, send};
use linkgate_tests::stage::pair::{LINK, Pair};

/// Given a link with an active, a paused and a stopped mirror, when the daemon is killed and starts again,
/// then each mirror has its state from before, and mirroring goes on at its append position.
#[test]
fn links_and_mirrors_survive_a_kill() {
    let mut pair = Pair::small("restart");
    let source = pair.source.bootstrap();
    pair.link("");
    for topic in ["active", "paused", "stopped"] {
        pair.mirror_topic(topic, 2, &[]);
        send(&source, topic, Kind::transactional("lz4", 10), 60);
        pair.assert_mirrored(topic);
    }
    let _ = pair.linkgate.mirrors(&["--pause", "--topics", "paused"]).success("pause");
    let _ = pair.linkgate.mirrors(&["--failover", "--topics", "stopped"]).success("failover");
    pair.linkgate.wait_status(LINK, "stopped", "STOPPED");
    pair.linkgate.wait_status(LINK, "paused", "PAUSED");
    let described = pair.linkgate.cluster_links(&["--describe", "--link", LINK]).success("describe").stdout;

    pair.linkgate.kill();
    send(&source, "active", Kind::idempotent("zstd"), 100);
    pair.linkgate.launch();
    pair.linkgate.wait_ready();

    assert_eq!(
        pair.linkgate.cluster_links(&["--describe", "--link", LINK]).success("describe").stdout,
        described
    );
    assert_eq!(pair.linkgate.status(LINK, "paused"), "PAUSED");
    assert_eq!(pair.linkgate.status(LINK, "stopped"), "STOPPED");
    pair.linkgate.wait_status(LINK, "active", "ACTIVE");
    pair.assert_mirrored("active");
    send(&pair.linkgate.bootstrap(), "stopped", Kind::plain("none"), 5);

    send(&source, "paused", Kind::plain("none"), 30);
    let _ = pair.linkgate.mirrors(&["--resume", "--topics", "paused"]).success("resume");
    pair.assert_mirrored("paused");

    let told = pair.linkgate.linkctl(&["journal", "--limit", "1000"]).success("journal").stdout;
    for part in ["link mirror-link created", "mirror stopped altered", "PENDING_STOPPED -> STOPPED"] {
        assert!(told.contains(&part.replace("mirror-link", LINK)), "{part} in {told}");
    }
    a_lost_journal_is_not_made_anew_and_a_backup_replaces_it(&mut pair);
    pair.linkgate.wait_status(LINK, "stopped", "STOPPED");
    pair.assert_mirrored("active");
}

/// Given a backup made while the daemon runs, when the journal is lost, then the daemon refuses to start
/// without it, and starts with the backup.
fn a_lost_journal_is_not_made_anew_and_a_backup_replaces_it(pair: &mut Pair) {
    let made = pair.linkgate.linkctl(&["journal", "backup", "b1", "-o", "plain"]).success("backup").stdout;
    let state = pair.linkgate.dir().join("state");
    let backup = state.join("backups/b1");
    assert!(made.starts_with(&format!("{}\t", backup.display())), "{made}");
    pair.linkgate.kill();
    std::fs::remove_dir_all(state.join("journal")).expect("the journal is there");

    pair.linkgate.launch();
    let end = until("linkgate without its journal ends", LONG, || pair.linkgate.ended());
    assert!(end.contains("has no journal") && end.contains(&state.display().to_string()), "{end}");
    assert!(!state.join("journal").exists());

    pair.linkgate.kill();
    std::fs::rename(backup.join("journal"), state.join("journal")).expect("one file system");
    pair.linkgate.launch();
    pair.linkgate.wait_ready();
}

/// Given a daemon that mirrors, when it gets SIGTERM, then it drains and exits with code 0, and a new process
/// takes over.
#[test]
fn sigterm_drains_and_exits_zero() {
    let mut pair = Pair::small("sigterm");
    let source = pair.source.bootstrap();
    pair.link("");
    pair.mirror_topic("t", 1, &[]);
    let writer = linkgate_tests::produce::Writer::start(&source, "t", Kind::idempotent("lz4"), 1_000);
    std::thread::sleep(std::time::Duration::from_secs(1));

    assert_eq!(pair.linkgate.stop(), Some(0), "{}", pair.linkgate.log());

    let _ = writer.stop();
    pair.linkgate.launch();
    pair.linkgate.wait_ready();
    pair.assert_mirrored("t");
}

/// Given a daemon that has restarted itself once for its allocator, then the process has the same pid and
/// name, and its allocator keeps free memory for 10 s.
#[test]
fn the_daemon_restarts_itself_in_place_to_configure_its_allocator() {
    let pair = Pair::small("allocator");
    let pid = pair.linkgate.pid().expect("it runs");
    let of = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).expect("it runs");
    let has =
        |file: &str, entry: &str| of(file).split(|byte| *byte == 0).any(|found| found == entry.as_bytes());
    assert!(has("environ", "MIMALLOC_PURGE_DELAY=10000"));
    assert!(has("cmdline", "--config") && has("cmdline", &pair.linkgate.config().display().to_string()));
    assert_eq!(String::from_utf8_lossy(&of("comm")).trim_end(), "linkgate");
}
