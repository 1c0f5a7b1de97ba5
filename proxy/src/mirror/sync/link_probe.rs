//! Checks whether the source of each link answers.
//!
//! A probe asks the source for its cluster id every `availability.check.ms`, the first time at once. The link
//! becomes UNAVAILABLE after `availability.check.consecutive.failure.threshold` consecutive failures, and
//! ACTIVE again after the first success. `cluster.link.paused` makes it PAUSED: then the source is not asked.
//! Only changes are journaled, so a flapping network writes little and a steady one writes nothing.
//!
//! A silent source counts like one that refuses. So a probe has its own connections, and a timeout of
//! `request.timeout.ms` or `availability.check.ms`, whichever is shorter. The next probe is due one period
//! after the last one began. With threshold n, the link is UNAVAILABLE at most (n + 1) periods after the
//! source fell silent.

use std::time::Duration;

use state::model::link_config::LinkConfig;
use state::model::{Change, Link, LinkError, LinkState, clipped};
use state::store::Store;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::client::ErrorKind;
use crate::mirror::clusters::{self, SOURCE_CLUSTER_CHANGED, SourceClusters};
use crate::mirror::sync::per_link::{altered, per_link};

/// Result of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProbeResult {
    /// The link is paused, so the source was not asked.
    Paused,
    /// The source answers. The value is its cluster id.
    Source(String),
    /// Another cluster than the pinned one answers. The value is its id.
    Foreign(String),
    /// The source does not answer, or answers with an error.
    Nothing(LinkError, String),
}

/// Maximum length of a message that is kept, in characters. It may contain text from the source.
const LONGEST_MESSAGE: usize = 512;

/// State, error, message and source cluster id of a link.
type LinkCondition = (LinkState, LinkError, String, String);

/// Computes the condition of a link after a probe, and the number of consecutive failures. Pure.
fn after_probe(link: &Link, found: ProbeResult, failures: u32, threshold: u32) -> (LinkCondition, u32) {
    let id = link.source_cluster_id.clone();
    let present = (link.state, link.error, link.error_message.clone(), id.clone());
    let healthy = |state, id| (state, LinkError::NoError, String::new(), id);
    match found {
        _ if link.state == LinkState::Failed => (present, failures),
        ProbeResult::Paused => (healthy(LinkState::Paused, id), 0),
        ProbeResult::Source(found) if id.is_empty() || found == id => (healthy(LinkState::Active, found), 0),
        // The link's client drops answers of another cluster (`client/pin.rs`): none of its data is mirrored,
        // synced or judged.
        ProbeResult::Source(found) | ProbeResult::Foreign(found) => {
            let message = format!(
                "The source cluster is '{found}' now, but the link was created with '{id}' ({SOURCE_CLUSTER_CHANGED})."
            );
            let message = clipped(&message, LONGEST_MESSAGE);
            ((LinkState::Unavailable, LinkError::Unknown, message, id), threshold)
        }
        ProbeResult::Nothing(error, message) => {
            let failures = failures.saturating_add(1);
            if failures >= threshold || link.state == LinkState::Unavailable {
                // The message differs from probe to probe. Only another class of error is a change.
                let is_known = link.state == LinkState::Unavailable && link.error == error;
                let message =
                    if is_known { link.error_message.clone() } else { clipped(&message, LONGEST_MESSAGE) };
                ((LinkState::Unavailable, error, message, id), failures)
            } else if link.state == LinkState::Paused {
                (healthy(LinkState::Active, id), failures)
            } else {
                (present, failures)
            }
        }
    }
}

/// Returns the timeout of a probe.
fn time_limit(config: &LinkConfig) -> Duration {
    config.request_timeout.min(config.availability_check)
}

/// Probes the sources of all links.
#[derive(Debug, Clone)]
pub struct LinkProbe {
    store: Store,
    sources: SourceClusters,
}

impl LinkProbe {
    /// Creates a prober that journals its results in `store`.
    #[must_use]
    pub fn new(store: Store, sources: SourceClusters) -> Self {
        LinkProbe { store, sources }
    }

    /// Probes every link at its own interval until shut down.
    pub async fn run(self, shutdown: CancellationToken) {
        let store = self.store.clone();
        per_link(store, shutdown, move |name, cancel| {
            let probe = self.clone();
            async move { probe.watch_link(&name, &cancel).await }
        })
        .await;
    }

    async fn watch_link(&self, name: &str, cancel: &CancellationToken) {
        let mut failures = 0;
        loop {
            let Some(link) = self.store.view().links.get(name).cloned() else { return };
            let begun = Instant::now();
            tokio::select! {
                () = cancel.cancelled() => return,
                // A result about configs that the link no longer has is dropped.
                () = altered(&link, &self.store) => continue,
                now = self.probe(&link, failures) => failures = now,
            }
            let next = async {
                match LinkConfig::parse(&link.configs) {
                    // The random factor keeps links out of step. It is below 1, so no probe is late.
                    Ok(config) => {
                        let period = config.availability_check.mul_f64(0.95 + 0.05 * fastrand::f64());
                        tokio::time::sleep_until(begun + period).await;
                    }
                    Err(_) => std::future::pending().await,
                }
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = altered(&link, &self.store) => {}
                () = next => {}
            }
        }
    }

    /// Probes one link once and journals changes. `failures` is the number of consecutive failures before
    /// this probe. Returns the number after it.
    pub async fn run_once(&self, name: &str, failures: u32) -> u32 {
        let link = self.store.view().links.get(name).cloned();
        match link {
            Some(link) => self.probe(&link, failures).await,
            None => 0,
        }
    }

    async fn probe(&self, link: &Link, failures: u32) -> u32 {
        // A link is recorded only with valid configs. Configs that only an older version accepted are not
        // probed.
        let Ok(config) = LinkConfig::parse(&link.configs) else { return 0 };
        let found = if config.paused { ProbeResult::Paused } else { self.ask(link, &config).await };
        let threshold = config.availability_failures;
        let (condition, now_failed) = after_probe(link, found, failures, threshold);
        if condition == (link.state, link.error, link.error_message.clone(), link.source_cluster_id.clone()) {
            return now_failed;
        }
        self.journal(link.clone(), condition).await;
        now_failed
    }

    async fn ask(&self, link: &Link, config: &LinkConfig) -> ProbeResult {
        let within = time_limit(config);
        let source = self.sources.for_probe(link, config, within);
        match source.answers(within).await {
            Ok(metadata) => ProbeResult::Source(metadata.cluster_id.clone()),
            Err(error) => match error.kind() {
                ErrorKind::ForeignCluster { found, .. } => ProbeResult::Foreign(found.clone()),
                _ => ProbeResult::Nothing(clusters::link_error(&error), error.to_string()),
            },
        }
    }

    async fn journal(&self, probed: Link, condition: LinkCondition) {
        let (state, error, message, source_cluster_id) = condition;
        let why = if message.is_empty() { format!("the link is {state:?}") } else { message.clone() };
        let (name, was) = (probed.name.clone(), probed.state);
        let (text, is_new_state) = (message.clone(), was != state);
        let written = self
            .store
            .transact("link-probe", &why, move |view, now_ms| {
                let unchanged = |link: &&Link| link.id == probed.id && link.configs == probed.configs;
                let Some(link) = view.links.get(&probed.name).filter(unchanged) else {
                    // The link was deleted or altered in the meantime. The next probe uses the new configs.
                    return Ok::<_, std::convert::Infallible>((Vec::new(), false));
                };
                let state_ms = if link.state == state { link.state_ms } else { now_ms };
                let changed = Link {
                    state,
                    error,
                    error_message: message,
                    source_cluster_id,
                    state_ms,
                    ..link.clone()
                };
                Ok((vec![Change::PutLink(changed)], true))
            })
            .await;
        match written {
            Ok(true) if is_new_state => {
                tracing::info!(link = %name, from = ?was, to = ?state, reason = %text, "link changed its state");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(link = %name, %error, "the state of the link could not be recorded");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tokio::net::TcpListener;

    use super::*;
    use crate::mirror::test_support::link;

    /// Journals a link whose source is the listener, and probes it.
    async fn watched(
        listener: &TcpListener,
        configs: &[(&str, &str)],
    ) -> (Store, tokio::task::JoinHandle<()>) {
        let mut watched = link("dr");
        let address = listener.local_addr().unwrap().to_string();
        let _ = watched.configs.insert("bootstrap.servers".into(), address);
        watched.configs.extend(configs.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        let store = Store::in_memory().unwrap();
        put(&store, watched).await;
        let probe = LinkProbe::new(store.clone(), SourceClusters::default());
        let task = tokio::spawn(probe.run(CancellationToken::new()));
        (store, task)
    }

    async fn put(store: &Store, link: Link) {
        let change = vec![Change::PutLink(link)];
        store.transact("test", "test", |_, _| Ok::<_, Infallible>((change, ()))).await.unwrap();
    }

    async fn becomes(store: &Store, state: LinkState) {
        let _ = store.watch().wait_for(|_| store.view().links["dr"].state == state).await.unwrap();
    }

    #[tokio::test]
    async fn a_silent_source_is_unavailable_after_threshold_plus_one_periods() {
        // The listener never answers on its connections, like a stopped process.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let configs =
            [("availability.check.ms", "300"), ("availability.check.consecutive.failure.threshold", "3")];
        let begun = Instant::now();
        let (store, task) = watched(&listener, &configs).await;
        let limit = Duration::from_millis(4 * 300 + 1_000);
        tokio::time::timeout(limit, becomes(&store, LinkState::Unavailable)).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(3 * 250), "each had its time");
        assert_eq!(store.view().links["dr"].error, LinkError::TimeoutError);
        task.abort();
    }

    #[tokio::test]
    async fn configs_altered_during_a_probe_take_effect_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (store, task) = watched(&listener, &[]).await;
        // Given a probe under way
        let _silent = listener.accept().await.unwrap();
        let mut paused = store.view().links["dr"].clone();
        let _ = paused.configs.insert("cluster.link.paused".into(), "true".into());
        put(&store, paused).await;
        tokio::time::timeout(Duration::from_secs(5), becomes(&store, LinkState::Paused)).await.unwrap();
        task.abort();
    }

    fn timeout() -> ProbeResult {
        ProbeResult::Nothing(LinkError::TimeoutError, "no answer".into())
    }

    fn unavailable() -> Link {
        Link {
            state: LinkState::Unavailable,
            error: LinkError::TimeoutError,
            error_message: "first words".into(),
            ..link("dr")
        }
    }

    #[test]
    fn a_link_is_unavailable_only_after_the_threshold() {
        let link = link("dr");
        let (first, failures) = after_probe(&link, timeout(), 0, 3);
        assert_eq!((first.0, failures), (LinkState::Active, 1));
        let (second, failures) = after_probe(&link, timeout(), failures, 3);
        assert_eq!((second.0, failures), (LinkState::Active, 2));
        let (third, failures) = after_probe(&link, timeout(), failures, 3);
        let lost = (LinkState::Unavailable, LinkError::TimeoutError, "no answer".into(), "source".into());
        assert_eq!((third, failures), (lost, 3));
    }

    #[test]
    fn one_success_makes_a_link_active_again() {
        let found = ProbeResult::Source("source".into());
        let (condition, failures) = after_probe(&unavailable(), found, 9, 3);
        let healthy = (LinkState::Active, LinkError::NoError, String::new(), "source".to_owned());
        assert_eq!((condition, failures), (healthy, 0));
    }

    #[test]
    fn another_message_for_the_same_error_is_not_journaled_even_after_a_restart() {
        let link = unavailable();
        let (condition, _) = after_probe(&link, timeout(), 0, 3);
        assert_eq!(condition, (link.state, link.error, link.error_message, link.source_cluster_id));
        let refused = ProbeResult::Nothing(LinkError::AuthenticationError, "bad password".into());
        let (condition, _) = after_probe(&unavailable(), refused, 4, 3);
        assert_eq!((condition.1, condition.2.as_str()), (LinkError::AuthenticationError, "bad password"));
    }

    #[test]
    fn pausing_and_resuming_change_the_state_of_the_link() {
        assert_eq!(after_probe(&unavailable(), ProbeResult::Paused, 7, 3).0.0, LinkState::Paused);
        let paused = Link { state: LinkState::Paused, ..link("dr") };
        assert_eq!(after_probe(&paused, ProbeResult::Source("source".into()), 0, 3).0.0, LinkState::Active);
        assert_eq!(after_probe(&paused, timeout(), 0, 3).0.0, LinkState::Active);
    }

    #[test]
    fn the_cluster_id_is_learned_once_and_another_one_makes_the_link_unavailable() {
        let never_contacted = Link { source_cluster_id: String::new(), ..link("dr") };
        let (condition, _) = after_probe(&never_contacted, ProbeResult::Source("c1".into()), 0, 3);
        assert_eq!((condition.0, condition.3.as_str()), (LinkState::Active, "c1"));

        let (condition, _) = after_probe(&link("dr"), ProbeResult::Source("other".into()), 0, 3);
        assert_eq!((condition.0, condition.3.as_str()), (LinkState::Unavailable, "source"));
        assert!(condition.2.contains("'other' now"), "{}", condition.2);
        // Only the client knows the pinned id if the first contact could not be journaled. The other cluster
        // is not taken for the source.
        let (condition, _) = after_probe(&never_contacted, ProbeResult::Foreign("other".into()), 0, 3);
        assert_eq!((condition.0, condition.3.as_str()), (LinkState::Unavailable, ""));
    }

    #[test]
    fn messages_from_a_source_are_clipped() {
        let long = "x".repeat(100_000);
        for found in [ProbeResult::Foreign(long.clone()), ProbeResult::Nothing(LinkError::Unknown, long)] {
            let (condition, _) = after_probe(&link("dr"), found, 9, 1);
            assert_eq!(condition.2.chars().count(), LONGEST_MESSAGE);
        }
    }

    #[test]
    fn a_failed_link_stays_failed() {
        let failed = Link { state: LinkState::Failed, ..link("dr") };
        for found in [ProbeResult::Paused, ProbeResult::Source("source".into()), timeout()] {
            assert_eq!(after_probe(&failed, found, 0, 1).0.0, LinkState::Failed);
        }
    }
}
