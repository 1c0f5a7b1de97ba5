//! `linkctl completion`

use crate::exit::Failure;
use crate::output;

const AFTER: &str = "\
Examples:
  source <(linkctl completion bash)
  linkctl completion zsh > ~/.zfunc/_linkctl
  linkctl completion fish > ~/.config/fish/completions/linkctl.fish";

/// Print the completions of linkctl for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the completions of `command`.
pub(crate) fn run(args: &Args, mut command: clap::Command) -> Result<(), Failure> {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    Ok(output::print(&String::from_utf8_lossy(&script))?)
}
