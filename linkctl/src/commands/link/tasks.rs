//! `linkctl link tasks`

use crate::exit::Failure;
use crate::table::Rows;
use crate::watch;

use crate::commands::options::{Global, Watch};
use crate::commands::show;

/// `linkctl link tasks`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the link
    name: String,
    #[command(flatten)]
    watch: Watch,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    watch::show(args.watch.interval(), || {
        let tasks = global.connect()?.link(&args.name, true)?.tasks.unwrap_or_default();
        show::render(global.output, &tasks, "No tasks.", || {
            let mut rows = Rows::new(&["TASK", "STATE", "ERRORS"]);
            for task in &tasks {
                let errors: Vec<String> = task
                    .errors
                    .iter()
                    .map(|error| format!("{}: {}", error.error_code, error.error_message))
                    .collect();
                let errors = if errors.is_empty() { "-".to_owned() } else { errors.join("; ") };
                rows.push([task.task_name.clone(), task.state.clone(), errors]);
            }
            rows
        })
    })
}
