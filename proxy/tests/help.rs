//! The help text of `linkgate` changes only on purpose: units and pages refer to its flags.

use clap::CommandFactory as _;
use expect_test::expect_file;

/// `UPDATE_EXPECT=1 cargo test --workspace --test help` writes the file again.
#[test]
fn the_help_of_linkgate_matches_the_golden_file() {
    let text = proxy::command_line::Options::command().term_width(100).render_long_help().to_string();
    expect_file!["golden/linkgate.txt"].assert_eq(&text);
}
