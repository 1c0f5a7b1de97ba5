//! Help texts change only on purpose: scripts and pages refer to them.

use crate::run::run;

/// `UPDATE_SNAPSHOTS=1 cargo test --workspace --test cli help` writes the files again.
fn matches_golden(file: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(golden, text, "{} differs", path.display());
}

/// Adds the help of a command and of all its subcommands.
fn add_help(command: &mut clap::Command, text: &mut String) {
    let name = command.get_display_name().unwrap_or(command.get_name()).replace('-', " ");
    *text += &format!("$ {name} --help\n{}\n", command.render_long_help());
    for sub in command.get_subcommands_mut().filter(|sub| !sub.is_hide_set()) {
        add_help(sub, text);
    }
}

#[test]
fn the_help_of_linkctl_and_its_subcommands_matches_the_golden_file() {
    let mut text = String::new();
    let mut command = linkctl::commands::definition().disable_help_subcommand(true).term_width(100);
    command.build();
    add_help(&mut command, &mut text);
    matches_golden("linkctl.txt", &text);
}

#[test]
fn the_help_of_the_kafka_tools_matches_the_golden_files() {
    for (binary, file) in [
        (env!("CARGO_BIN_EXE_kafka-cluster-links"), "kafka-cluster-links.txt"),
        (env!("CARGO_BIN_EXE_kafka-mirrors"), "kafka-mirrors.txt"),
    ] {
        let ran = run(binary, None, &["--help"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        matches_golden(file, &(ran.out + &ran.err));
    }
}
