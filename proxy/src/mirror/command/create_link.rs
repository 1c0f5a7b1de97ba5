//! Creates a link.

use std::collections::BTreeMap;

use state::model::link_config::{self, ConfigError, LinkConfig, describe_errors};
use state::model::{Change, ConnectionMode, KafkaUuid, Link, LinkError, LinkMode, LinkState, View};

use crate::mirror::clusters;
use crate::mirror::command::types::{CommandError, CreateLink};
use crate::mirror::command::{Commands, names, refusal};
use crate::net::tls::invalid::InvalidSetting;

impl Commands {
    /// Records a link. Contacts the source first, unless `validate_link` is off. With `validate_only`
    /// everything is checked and nothing is written.
    ///
    /// # Errors
    /// Fails if the name or a config is invalid, the link exists, the source does not answer or is not the
    /// expected cluster, or the journal cannot be written.
    pub async fn create_link(&self, request: CreateLink) -> Result<(), CommandError> {
        names::check_link(&request.name)?;
        check_new(&self.view(), &request.name, &request.configs)?;
        let config = checked(&request.configs)?;
        check_security(&config).await?;
        let expected = request.expected_source_cluster_id.clone().unwrap_or_default();
        let source_cluster_id = if request.validate_link {
            self.contact_source(&config, Some(&expected)).await?
        } else {
            expected
        };
        if request.validate_only {
            return Ok(());
        }
        let (name, source) = (request.name.clone(), source_cluster_id.clone());
        let why = format!("creation of link '{name}'");
        self.transact(&why, move |view, now_ms| {
            check_new(view, &request.name, &request.configs)?;
            let link = Link {
                name: request.name,
                id: KafkaUuid::random(),
                source_cluster_id,
                mode: LinkMode::Destination,
                connection_mode: ConnectionMode::Outbound,
                configs: request.configs,
                state: if config.paused { LinkState::Paused } else { LinkState::Active },
                error: LinkError::NoError,
                error_message: String::new(),
                generations: 0,
                created_ms: now_ms,
                state_ms: now_ms,
            };
            Ok((vec![Change::PutLink(link)], ()))
        })
        .await?;
        tracing::info!(link = %name, source_cluster_id = %source, "link created");
        Ok(())
    }
}

/// Parses and checks the link configs that an operator gave.
pub(crate) fn checked(configs: &BTreeMap<String, String>) -> Result<LinkConfig, CommandError> {
    let refused = |errors: Vec<ConfigError>| refusal::invalid(describe_errors(&errors));
    let config = LinkConfig::parse(configs).map_err(refused)?;
    let conflicts = link_config::conflicts(configs);
    if conflicts.is_empty() { Ok(config) } else { Err(refused(conflicts)) }
}

/// Checks that the security configs are consistent and that the files they name can be read.
pub(crate) async fn check_security(config: &LinkConfig) -> Result<(), CommandError> {
    let security = clusters::security(config);
    let checked = tokio::task::spawn_blocking(move || {
        security.and_then(|security| security.check().map_err(|error| vec![error]))
    });
    // The task fails only when the runtime shuts down.
    checked.await.unwrap_or(Ok(())).map_err(|errors| {
        let sentence = |error: &InvalidSetting| format!("Invalid configuration {}.", without_file(error));
        refusal::invalid(errors.iter().map(sentence).collect::<Vec<_>>().join(" "))
    })
}

/// Formats the error for the API. An error about a file goes to the daemon's log only: the API must not
/// reveal which files exist and what is in them.
fn without_file(error: &InvalidSetting) -> String {
    if !error.key.ends_with("store.location") {
        return error.to_string();
    }
    tracing::warn!(%error, "cannot use a file that a request names");
    format!(
        "{}: the daemon cannot use this file as a PEM store, its log says why; convert JKS stores with \
         `keytool -importkeystore`, PKCS12 stores with `openssl pkcs12`",
        error.key
    )
}

fn check_new(view: &View, name: &str, configs: &BTreeMap<String, String>) -> Result<(), CommandError> {
    const PREFIX: &str = "cluster.link.prefix";
    if view.links.contains_key(name) {
        return Err(refusal::link_exists(name));
    }
    // Prefixes are compared without surrounding blanks, since those are ignored when the prefix is used.
    let prefix_of =
        |configs: &BTreeMap<String, String>| configs.get(PREFIX).map(|prefix| prefix.trim().to_owned());
    let Some(prefix) = prefix_of(configs).filter(|prefix| !prefix.is_empty()) else { return Ok(()) };
    let is_taken = |link: &&Link| prefix_of(&link.configs).as_ref() == Some(&prefix);
    match view.links.values().find(is_taken) {
        Some(link) => Err(refusal::invalid(format!(
            "{PREFIX} '{prefix}' already exists: cluster link '{}' uses it.",
            link.name
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use state::store::Store;

    use super::*;
    use crate::client::{ClientOptions, Cluster, Side};
    use crate::mirror::clearance::{Clearance, ClearanceCell, Fault};
    use crate::mirror::clusters::SourceClusters;
    use crate::mirror::command::types::CommandErrorKind;
    use crate::mirror::progress::ProgressTable;
    use crate::mirror::sync::task_status::TaskTable;
    use crate::mirror::test_support::{link, view};

    fn configs(prefix: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("cluster.link.prefix".to_owned(), prefix.to_owned())])
    }

    #[test]
    fn link_names_and_prefixes_are_unique() {
        let known = view([Link { configs: configs("west."), ..link("dr") }], []);
        let error = check_new(&known, "dr", &BTreeMap::new()).unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (CommandErrorKind::LinkExists, "Cluster link 'dr' already exists.")
        );
        let error = check_new(&known, "eu", &configs("west.")).unwrap_err();
        assert_eq!(error.kind, CommandErrorKind::Invalid);
        assert!(error.message.contains("prefix 'west.' already exists"), "{}", error.message);
        let blank_behind = check_new(&known, "eu", &configs(" west. ")).unwrap_err();
        assert_eq!(blank_behind.message, error.message);
        check_new(&known, "eu", &configs("east.")).unwrap();
        check_new(&known, "eu", &configs("")).unwrap();
    }

    #[tokio::test]
    async fn nothing_is_journaled_before_clearance_is_given() {
        let nobody = Cluster::new(Vec::new(), ClientOptions::new(Side::Destination));
        let store = Store::in_memory().unwrap();
        let clearance = ClearanceCell::default();
        let commands = Commands::new(
            store.clone(),
            nobody,
            SourceClusters::default(),
            ProgressTable::default(),
            TaskTable::default(),
        )
        .cleared_by(clearance.clone());
        let request = || CreateLink {
            name: "dr".into(),
            configs: BTreeMap::from([("bootstrap.servers".to_owned(), "127.0.0.1:1".to_owned())]),
            ..CreateLink::default()
        };
        let error = commands.create_link(request()).await.unwrap_err();
        assert_eq!(error.kind, CommandErrorKind::NotClearedYet);
        let fault =
            Fault { code: "JOURNAL_OLD_COPY", message: "JOURNAL_OLD_COPY: why, and the way out".into() };
        clearance.set(Clearance::Refused(fault.clone()));
        let error = commands.create_link(request()).await.unwrap_err();
        assert_eq!((error.kind, error.message), (CommandErrorKind::NotCleared, fault.message.clone()));
        assert_eq!(commands.faults(), [fault]);
        assert_eq!(store.view().sequence, 0);
        clearance.set(Clearance::Given);
        commands.create_link(request()).await.unwrap();
        assert_eq!(store.view().sequence, 1);
    }

    #[tokio::test]
    async fn errors_do_not_reveal_which_files_exist() {
        let refused = async |location: &str| {
            let configs = [
                ("bootstrap.servers", "src:9092"),
                ("security.protocol", "SSL"),
                ("ssl.truststore.location", location),
            ];
            let configs = configs.map(|(name, value)| (name.to_owned(), value.to_owned()));
            check_security(&checked(&BTreeMap::from(configs)).unwrap()).await.unwrap_err().message
        };
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("there");
        std::fs::write(&there, "no store").unwrap();
        let missing = refused("/no/such/file").await;
        assert!(missing.contains("ssl.truststore.location"), "{missing}");
        assert_eq!(refused(&there.display().to_string()).await, missing);
        // Reading this file to its end would exhaust the memory.
        assert_eq!(refused("/dev/zero").await, missing);
    }

    #[test]
    fn invalid_configs_are_a_bad_request() {
        let error = checked(&BTreeMap::new()).unwrap_err();
        assert_eq!(error.kind, CommandErrorKind::Invalid);
        assert!(error.message.contains("bootstrap.servers"), "{}", error.message);
    }
}
