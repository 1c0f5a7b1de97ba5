//! Help texts change only on purpose: scripts and pages refer to them.
//! `UPDATE_EXPECT=1 cargo test --workspace --test cli help` writes the files again.

use expect_test::expect_file;

use crate::run::run;

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
    expect_file!["../golden/linkctl.txt"].assert_eq(&text);
}

#[test]
fn the_help_of_the_kafka_tools_matches_the_golden_files() {
    for (binary, file) in [
        (env!("CARGO_BIN_EXE_kafka-cluster-links"), expect_file!["../golden/kafka-cluster-links.txt"]),
        (env!("CARGO_BIN_EXE_kafka-mirrors"), expect_file!["../golden/kafka-mirrors.txt"]),
    ] {
        let ran = run(binary, None, &["--help"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        file.assert_eq(&(ran.out + &ran.err));
    }
}
