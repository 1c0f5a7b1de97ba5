//! `linkctl`: manages the cluster links and mirror topics of Linkgate.

use std::process::ExitCode;

fn main() -> ExitCode {
    linkctl::commands::run()
}
