//! `linkctl link configs list` and `linkctl link configs alter`

use crate::config_list;
use crate::exit::Failure;
use crate::filters::FilterKind;
use crate::link_configs::ConfigSources;
use crate::output;
use crate::rest::{AlterConfig, AlterConfigsRequest, AlterOperation, ConfigEntry};
use crate::table::Rows;
use clap::Subcommand;

use crate::commands::options::{Cleartext, Global};
use crate::commands::show;

/// Commands for the configs of a link.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List configs
    List(ListArgs),
    /// Alter configs: all of them, or none
    #[command(
        after_help = "A change of the link's target (bootstrap.servers, security.protocol, the trust store, the SASL \
                      mechanism, the token endpoint) needs the link's secrets again, in the same command.\n\nExamples:\n  \
                      linkctl link configs alter dr --set consumer.offset.sync.ms=1000 --unset acl.filters\n  \
                      linkctl link configs alter dr --config-file source.properties"
    )]
    Alter(AlterArgs),
}

/// `linkctl link configs list`
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Name of the link
    name: String,
    /// Only configs that are set explicitly
    #[arg(long)]
    set_only: bool,
}

/// `linkctl link configs alter`
#[derive(Debug, clap::Args)]
pub(crate) struct AlterArgs {
    /// Name of the link
    name: String,
    /// Configs to set
    #[arg(long, value_name = "K=V,K=V", required_unless_present_any = ["unset", "config_file"])]
    set: Vec<String>,
    /// Properties file with configs to set, for secrets that must not appear on the command line; - reads
    /// stdin
    #[arg(long, value_name = "FILE")]
    config_file: Option<String>,
    /// Configs to reset to their default
    #[arg(long, value_name = "K,K", value_delimiter = ',')]
    unset: Vec<String>,
    /// Only check that the configs could be altered
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    cleartext: Cleartext,
}

pub(crate) fn run(global: &Global, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::List(args) => list(global, &args),
        Verb::Alter(args) => alter(global, &args),
    }
}

fn list(global: &Global, args: &ListArgs) -> Result<(), Failure> {
    let mut configs = global.connect()?.link_configs(&args.name)?;
    configs.retain(|config| !(args.set_only && config.is_default));
    let text = show::render(global.output, &configs, "No configs.", || {
        let mut rows = Rows::new(&["CONFIG", "VALUE", "SOURCE"]);
        for config in &configs {
            let value = if config.is_sensitive { "[hidden]" } else { &config.value };
            let source = if config.is_default { "default" } else { "set" };
            rows.push([config.name.clone(), value.to_owned(), source.to_owned()]);
        }
        rows
    })?;
    Ok(output::print(&text)?)
}

fn alter(global: &Global, args: &AlterArgs) -> Result<(), Failure> {
    let mut data = Vec::new();
    for text in &args.set {
        let pairs = config_list::split(text).map_err(|err| Failure::Usage(format!("--set: {err}")))?;
        for (name, value) in pairs {
            if let Some(kind) = FilterKind::of_config(&name).filter(|_| !value.is_empty()) {
                let _ = kind.check(&name, &value).map_err(|err| Failure::Usage(err.to_string()))?;
            }
            data.push(AlterConfig { name, value: Some(value), operation: Some(AlterOperation::Set) });
        }
    }
    if let Some(file) = &args.config_file {
        let sources = ConfigSources { file: Some(file), ..ConfigSources::default() };
        let gathered = sources.gather().map_err(|err| Failure::Usage(err.to_string()))?;
        gathered.notes.iter().for_each(|note| output::note(note));
        data.extend(gathered.configs.into_iter().map(|ConfigEntry { name, value }| {
            let operation = Some(AlterOperation::Set);
            AlterConfig { name, value, operation }
        }));
    }
    for name in &args.unset {
        let (name, operation) = (name.trim().to_owned(), Some(AlterOperation::Delete));
        data.push(AlterConfig { name, value: None, operation });
    }
    let request = AlterConfigsRequest { data, validate_only: Some(args.dry_run) };
    let set = request.data.iter().filter(|change| change.value.is_some());
    let names: Vec<&str> = set.map(|change| change.name.as_str()).collect();
    global.connect_with(names, &args.cleartext)?.alter_link_configs(&args.name, &request)?;
    let done = if args.dry_run { "can be altered" } else { "altered" };
    output::note(&format!("configs of link '{}' {done}", args.name));
    Ok(())
}
