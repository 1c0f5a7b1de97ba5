//! `linkgate-manual DIR` writes the man pages and shell completions of all programs below DIR. The packages are made
//! from these files; nobody needs this program at run time.
//!
//! Everything comes from the definitions that the programs themselves use for their command lines.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgAction, Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use linkctl::tool::Tool;
use linkctl::{commands, tools};
use proxy::command_line::Options;

const DAEMON_NOTES: &str = "\
Files:
  /etc/linkgate/linkgate.properties  configuration of the systemd service
  /var/lib/linkgate                  state directory: the journal and its key

Signals:
  SIGTERM, SIGINT  stop within shutdown.timeout.ms; a second signal ends the process at once

Environment:
  RUST_LOG              filter of log messages; --log overrides it
  MIMALLOC_PURGE_DELAY  milliseconds for which free memory is kept (default: 10000)

Exit codes:
  0   stopped on request, or printed what was asked for
  1   the daemon failed
  64  wrong command line
  78  wrong configuration

See also:
  linkctl(1), kafka-cluster-links(1), kafka-mirrors(1)";

const TOOL_NOTES: &str = "\
Environment:
  LINKGATE_REST_URL  address of the REST API, if --rest-url is not given

Exit codes:
  0  everything was done or accepted
  1  anything else

See also:
  linkctl(1), linkgate(8)";

fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: linkgate-manual DIR   (writes man pages and shell completions below DIR)");
        return ExitCode::from(64);
    };
    match write_all(&dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err((path, error)) => {
            eprintln!("linkgate-manual: cannot write {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

/// Error of one file, with its path.
type Failed = (PathBuf, io::Error);

fn write_all(dir: &Path) -> Result<(), Failed> {
    let programs = [
        (Options::command().after_help(DAEMON_NOTES), "8"),
        (commands::definition(), "1"),
        (kafka_tool(&tools::CLUSTER_LINKS), "1"),
        (kafka_tool(&tools::MIRRORS), "1"),
    ];
    for (program, section) in programs {
        for (shell, file) in [
            (Shell::Bash, format!("bash/{}", program.get_name())),
            (Shell::Zsh, format!("zsh/_{}", program.get_name())),
            (Shell::Fish, format!("fish/{}.fish", program.get_name())),
        ] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut program.clone(), program.get_name(), &mut script);
            write(&dir.join("completions").join(file), &script)?;
        }
        let mut program = program.disable_help_subcommand(true);
        program.build();
        pages(&program, section, &dir.join("man").join(format!("man{section}")))?;
    }
    Ok(())
}

/// Writes the page of a command and those of its subcommands.
fn pages(command: &Command, section: &str, dir: &Path) -> Result<(), Failed> {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        pages(sub, section, dir)?;
    }
    let name = command.get_display_name().unwrap_or(command.get_name());
    let path = dir.join(format!("{name}.{section}"));
    let page = page(command, name, section).map_err(|error| (path.clone(), error))?;
    write(&path, &page)
}

fn page(command: &Command, name: &str, section: &str) -> io::Result<Vec<u8>> {
    let version = env!("CARGO_PKG_VERSION");
    let man = Man::new(command.clone())
        .title(name)
        .section(section)
        .source(format!("Linkgate {version}"))
        .manual("Linkgate");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|arg| !arg.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.get_subcommands().any(|sub| !sub.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(notes) = command.get_after_help() {
        notes_of(&notes.to_string()).to_writer(&mut page)?;
    }
    Ok(page)
}

/// Makes a section of each paragraph of the notes below a help text. A first line that ends with a colon is its
/// heading. Lines are kept as they are, since most paragraphs are tables.
fn notes_of(notes: &str) -> Roff {
    let mut roff = Roff::new();
    for paragraph in notes.trim().split("\n\n") {
        let (heading, text) = match paragraph.split_once('\n') {
            Some((first, rest)) if first.ends_with(':') => (first.trim_end_matches(':'), rest),
            _ => ("Notes", paragraph),
        };
        let _ = roff.control("SH", [heading.to_uppercase().as_str()]).control("nf", []);
        for line in text.lines() {
            let _ = roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        let _ = roff.control("fi", []);
    }
    roff
}

/// The command line of a tool that has its own option parser, as a definition of clap.
fn kafka_tool(tool: &Tool) -> Command {
    let purpose = tool.purpose.trim_start_matches("This tool ").trim_end_matches('.');
    let options = tool.options.iter().map(|option| {
        let arg = Arg::new(option.name).long(option.name).help(option.help);
        match option.value {
            Some(value) if option.repeats => arg.value_name(value).action(ArgAction::Append),
            Some(value) => arg.value_name(value),
            None => arg.action(ArgAction::SetTrue),
        }
    });
    Command::new(tool.name)
        .about(purpose)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(options)
        .after_help(TOOL_NOTES)
}

fn write(path: &Path, text: &[u8]) -> Result<(), Failed> {
    let failed = |error| (path.to_path_buf(), error);
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
    fs::write(path, text).map_err(failed)
}
