//! Alters configs of a link. Applies all requested changes or none.

use std::collections::BTreeMap;

use state::model::link_config::{self, LinkConfig};
use state::model::{Change, Link};

use crate::mirror::command::types::CommandError;
use crate::mirror::command::{Commands, create_link, new_target, refusal};

const OFFSET_FILTERS: &str = "consumer.offset.group.filters";
const OFFSET_SYNC: &str = "consumer.offset.sync.enable";

type Configs = BTreeMap<String, String>;

impl Commands {
    /// Sets configs of a link. A change with the value `None` resets the config to its default.
    ///
    /// # Errors
    /// Fails if there is no such link; if a config is unknown, fixed at creation or invalid; if the target
    /// changes without the link's secrets in the same request; if the source does not answer with the new
    /// bootstrap servers or credentials, or belongs to another cluster; if the journal cannot be written.
    pub async fn alter_link_configs(
        &self,
        name: &str,
        changes: Vec<(String, Option<String>)>,
        validate_only: bool,
    ) -> Result<(), CommandError> {
        // The recorded configs may come from an earlier version and contain some that this version no longer
        // accepts.
        let view = self.view();
        let link = view.links.get(name).ok_or_else(|| refusal::no_such_link(name))?;
        let (configs, wanted) = altered(&link.configs, &changes)?;
        let (present_security, present_servers) = link_config::way_to_source(&link.configs);
        let (security, servers) = link_config::way_to_source(&configs);
        let secured_anew = security != present_security;
        if secured_anew {
            create_link::check_security(&wanted).await?;
        }
        if servers != present_servers || secured_anew {
            let _ = self.contact_source(&wanted, Some(&link.source_cluster_id)).await?;
        }
        if validate_only {
            return Ok(());
        }
        let (name, why) = (name.to_owned(), format!("configs of link '{name}'"));
        self.transact(&why, move |view, _| {
            let link = view.links.get(&name).ok_or_else(|| refusal::no_such_link(&name))?;
            let (configs, _) = altered(&link.configs, &changes)?;
            let unchanged = configs == link.configs;
            let altered = Change::PutLink(Link { configs, ..link.clone() });
            Ok((if unchanged { Vec::new() } else { vec![altered] }, ()))
        })
        .await
    }
}

/// Returns the configs after the changes, as text and in typed form.
fn altered(
    present: &Configs,
    changes: &[(String, Option<String>)],
) -> Result<(Configs, LinkConfig), CommandError> {
    let mut configs = present.clone();
    for (name, value) in changes {
        let def = link_config::find(name).ok_or_else(|| match link_config::check(name, "") {
            Err(error) => refusal::invalid(error.message),
            Ok(()) => refusal::invalid(format!("Unknown link configuration '{name}'.")),
        })?;
        if !def.dynamic && value.as_ref() != present.get(name) {
            return Err(refusal::invalid(format!(
                "Configuration {name} cannot be altered: a link keeps the value it was created with."
            )));
        }
        let _ = match value {
            Some(value) => configs.insert(name.clone(), value.clone()),
            None => configs.remove(name),
        };
    }
    new_target::secrets_given(present, &configs, changes)?;
    let typed = create_link::checked(&configs)?;
    let was_enabled = link_config::is_offset_sync_wanted(present);
    let gives = |name: &str| changes.iter().any(|(changed, _)| changed == name);
    if was_enabled && !typed.offset_sync.enabled && gives(OFFSET_SYNC) && !gives(OFFSET_FILTERS) {
        // Confluent does the same: switching the sync off removes its filters.
        let _ = configs.remove(OFFSET_FILTERS);
        let typed = create_link::checked(&configs)?;
        return Ok((configs, typed));
    }
    Ok((configs, typed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::command::types::CommandErrorKind;

    const FILTERS: &str = r#"{"groupFilters":[{"name":"*","patternType":"LITERAL","filterType":"INCLUDE"}]}"#;

    fn configs(entries: &[(&str, &str)]) -> Configs {
        entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn present() -> Configs {
        configs(&[
            ("bootstrap.servers", "localhost:9092"),
            ("cluster.link.prefix", "west."),
            ("consumer.offset.sync.enable", "true"),
            ("consumer.offset.group.filters", FILTERS),
        ])
    }

    fn alter(changes: &[(&str, Option<&str>)]) -> Result<Configs, String> {
        let changes: Vec<_> =
            changes.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect();
        altered(&present(), &changes).map(|(configs, _)| configs).map_err(|error| {
            assert_eq!(error.kind, CommandErrorKind::Invalid);
            error.message
        })
    }

    #[test]
    fn values_are_set_and_brought_back_to_their_defaults() {
        let now = alter(&[("consumer.offset.sync.ms", Some("2000")), (OFFSET_FILTERS, None)]).unwrap();
        assert_eq!(now.get("consumer.offset.sync.ms").map(String::as_str), Some("2000"));
        assert!(!now.contains_key(OFFSET_FILTERS));
    }

    #[test]
    fn one_bad_change_refuses_all() {
        assert!(
            alter(&[("consumer.offset.sync.ms", Some("2000")), ("consumer.offset.sync.ms", Some("x"))])
                .is_err()
        );
        assert!(alter(&[("consumer.offset.sink.ms", Some("1"))]).unwrap_err().contains("Unknown"));
        assert!(alter(&[("bootstrap.servers", None)]).unwrap_err().contains("bootstrap.servers"));
    }

    #[test]
    fn stored_secrets_are_not_used_for_another_cluster() {
        let mut present = present();
        present.extend(configs(&[
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.jaas.config", "a password"),
        ]));
        let to = |secret: Option<&str>| {
            let mut changes = vec![("bootstrap.servers".to_owned(), Some("evil:9".to_owned()))];
            changes.extend(secret.map(|secret| ("sasl.jaas.config".to_owned(), Some(secret.to_owned()))));
            altered(&present, &changes)
        };
        // These configs are refused before any broker is contacted.
        let refused = to(None).unwrap_err();
        assert!(refused.message.contains("give sasl.jaas.config again"), "{}", refused.message);
        assert_eq!(to(Some("a password")).unwrap().0["bootstrap.servers"], "evil:9");
    }

    #[test]
    fn a_recorded_config_that_became_invalid_must_be_fixed_before_others_are_altered() {
        let mut recorded = present();
        let _ = recorded.insert("topic.config.sync.ms".to_owned(), "5".to_owned());
        let change = |name: &str, value: &str| vec![(name.to_owned(), Some(value.to_owned()))];
        let refused = altered(&recorded, &change("consumer.offset.sync.ms", "2000")).unwrap_err();
        assert!(refused.message.contains("topic.config.sync.ms"), "{}", refused.message);
        assert!(altered(&recorded, &change("topic.config.sync.ms", "2000")).is_ok());
    }

    #[test]
    fn configs_that_do_not_fit_together_are_refused() {
        for (name, value) in [
            ("replica.fetch.wait.max.ms", "30000"),
            ("request.timeout.ms", "500"),
            ("replica.socket.timeout.ms", "400"),
            ("default.api.timeout.ms", "29999"),
        ] {
            let refused = alter(&[(name, Some(value))]).unwrap_err();
            assert!(refused.contains(name), "{refused}");
        }
        assert!(alter(&[("request.timeout.ms", Some("501"))]).is_ok());
        assert!(alter(&[("request.timeout.ms", Some("90000"))]).is_ok(), "the other is a default");
    }

    #[test]
    fn configs_fixed_at_creation_cannot_be_altered() {
        let refused = alter(&[("cluster.link.prefix", Some("east."))]).unwrap_err();
        assert!(refused.contains("cannot be altered"), "{refused}");
        assert!(alter(&[("cluster.link.prefix", None)]).is_err());
        assert_eq!(alter(&[("cluster.link.prefix", Some("west."))]).unwrap(), present());
    }

    #[test]
    fn switching_the_offset_sync_off_removes_its_filters() {
        let off = alter(&[(OFFSET_SYNC, Some("false"))]).unwrap();
        assert!(!off.contains_key(OFFSET_FILTERS));
        let kept = alter(&[(OFFSET_SYNC, Some("false")), (OFFSET_FILTERS, Some(FILTERS))]).unwrap();
        assert!(kept.contains_key(OFFSET_FILTERS));
    }
}
