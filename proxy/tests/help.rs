//! The help text of `linkgate` changes only on purpose: units and pages refer to its flags.

#![expect(clippy::disallowed_methods, reason = "the golden file is our own")]

use clap::CommandFactory as _;

/// `UPDATE_SNAPSHOTS=1 cargo test --workspace --test help` writes the file again.
#[test]
fn the_help_of_linkgate_matches_the_golden_file() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/linkgate.txt");
    let text = proxy::command_line::Options::command().term_width(100).render_long_help().to_string();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{} differs", path.display());
}
