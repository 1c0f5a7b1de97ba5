//! Whether the source of each link answers.
//!
//! A probe asks the source for its cluster id every `availability.check.ms`, the first time at once. The link becomes
//! UNAVAILABLE after `availability.check.consecutive.failure.threshold` failures in a row, and ACTIVE again with the
//! first success. `cluster.link.paused` makes it PAUSED: then nothing is asked. Only changes are journaled, so a flapping
//! network writes little and a steady one nothing.
//!
//! A source that is silent is no better than one that refuses: a probe has `request.timeout.ms` or `availability.check.ms`,
//! whichever is shorter, and connections of its own. The next one is due a period after it began, so with threshold n the link is
//! UNAVAILABLE (n + 1) periods after the source fell silent at the latest.

use std::time::Duration;

use state::model::link_config::LinkConfig;
use state::model::{Change, Link, LinkError, LinkState, clipped};
use state::store::Store;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::per_link::{altered, per_link};
use super::source_clusters::{self, SOURCE_CLUSTER_CHANGED, SourceClusters};
use crate::client::ErrorKind;

/// What one probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The link is paused; the source was not asked.
    Paused,
    /// The source answers, and this is its cluster id.
    Source(String),
    /// Another cluster (its id) answers than the pinned one.
    Foreign(String),
    /// The source does not answer as it should.
    Nothing(LinkError, String),
}

/// Longest message that is kept, in characters: it may hold what the source said.
const LONGEST_MESSAGE: usize = 512;

/// State, error, message and source cluster id of a link.
type Condition = (LinkState, LinkError, String, String);

/// What the link is after a probe, and how many have failed in a row. Pure.
fn after_probe(link: &Link, found: Found, failures: u32, threshold: u32) -> (Condition, u32) {
    let id = link.source_cluster_id.clone();
    let present = (link.state, link.error, link.error_message.clone(), id.clone());
    let healthy = |state, id| (state, LinkError::NoError, String::new(), id);
    match found {
        _ if link.state == LinkState::Failed => (present, failures),
        Found::Paused => (healthy(LinkState::Paused, id), 0),
        Found::Source(found) if id.is_empty() || found == id => (healthy(LinkState::Active, found), 0),
        // The client of the link drops what another cluster answers (`client/pin.rs`): nothing of it is mirrored,
        // synced or judged.
        Found::Source(found) | Found::Foreign(found) => {
            let message = format!(
                "The source cluster is '{found}' now, but the link was created with '{id}' ({SOURCE_CLUSTER_CHANGED})."
            );
            let message = clipped(&message, LONGEST_MESSAGE);
            ((LinkState::Unavailable, LinkError::Unknown, message, id), threshold)
        }
        Found::Nothing(error, message) => {
            let failures = failures.saturating_add(1);
            if failures >= threshold || link.state == LinkState::Unavailable {
                // Wording differs from probe to probe; only another class of error is news.
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

/// How long a probe waits for an answer.
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
    /// A prober that journals what it finds in `store`.
    #[must_use]
    pub fn new(store: Store, sources: SourceClusters) -> Self {
        LinkProbe { store, sources }
    }

    /// Probes every link in its own rhythm until shut down.
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
                // What is found about configs that are no longer the link's counts for nothing.
                () = altered(&link, &self.store) => continue,
                now = self.probe(&link, failures) => failures = now,
            }
            let next = async {
                match LinkConfig::parse(&link.configs) {
                    // Links do not march in step, and none is later than it should be.
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

    /// Probes one link once and journals what is new. `failures` is how many probes in a row had failed before; the
    /// count after this one comes back.
    pub async fn run_once(&self, name: &str, failures: u32) -> u32 {
        let link = self.store.view().links.get(name).cloned();
        match link {
            Some(link) => self.probe(&link, failures).await,
            None => 0,
        }
    }

    async fn probe(&self, link: &Link, failures: u32) -> u32 {
        // A link is recorded only with valid configs; what an older version accepted is not probed.
        let Ok(config) = LinkConfig::parse(&link.configs) else { return 0 };
        let found = if config.paused { Found::Paused } else { self.ask(link, &config).await };
        let threshold = config.availability_failures;
        let (condition, now_failed) = after_probe(link, found, failures, threshold);
        if condition == (link.state, link.error, link.error_message.clone(), link.source_cluster_id.clone()) {
            return now_failed;
        }
        self.journal(link.clone(), condition).await;
        now_failed
    }

    async fn ask(&self, link: &Link, config: &LinkConfig) -> Found {
        let within = time_limit(config);
        let source = self.sources.for_probe(link, config, within);
        match source.answers(within).await {
            Ok(metadata) => Found::Source(metadata.cluster_id.clone()),
            Err(error) => match error.kind() {
                ErrorKind::ForeignCluster { found, .. } => Found::Foreign(found.clone()),
                _ => Found::Nothing(source_clusters::link_error(&error), error.to_string()),
            },
        }
    }

    async fn journal(&self, probed: Link, condition: Condition) {
        let (state, error, message, source_cluster_id) = condition;
        let why = if message.is_empty() { format!("the link is {state:?}") } else { message.clone() };
        let (name, was) = (probed.name.clone(), probed.state);
        let (text, is_new_state) = (message.clone(), was != state);
        let written = self
            .store
            .transact("link-probe", &why, move |view, now_ms| {
                let unchanged = |link: &&Link| link.id == probed.id && link.configs == probed.configs;
                let Some(link) = view.links.get(&probed.name).filter(unchanged) else {
                    // Deleted or altered meanwhile: the next probe knows better.
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
            Err(error) => tracing::error!(link = %name, error = %error, "link state is not journaled"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tokio::net::TcpListener;

    use super::*;
    use crate::mirror::sample::link;

    /// Puts a link into a journal, whose source is the listener, and watches it.
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
    async fn a_source_that_is_silent_is_unavailable_after_threshold_and_one_periods() {
        // A listener whose connections nobody answers: what a stopped process looks like
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
    async fn configs_that_are_altered_while_a_probe_waits_count_at_once() {
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

    fn timeout() -> Found {
        Found::Nothing(LinkError::TimeoutError, "no answer".into())
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
    fn one_success_brings_it_back() {
        let found = Found::Source("source".into());
        let (condition, failures) = after_probe(&unavailable(), found, 9, 3);
        let healthy = (LinkState::Active, LinkError::NoError, String::new(), "source".to_owned());
        assert_eq!((condition, failures), (healthy, 0));
    }

    #[test]
    fn other_words_for_the_same_error_are_no_news_after_a_restart_either() {
        let link = unavailable();
        let (condition, _) = after_probe(&link, timeout(), 0, 3);
        assert_eq!(condition, (link.state, link.error, link.error_message, link.source_cluster_id));
        let refused = Found::Nothing(LinkError::AuthenticationError, "bad password".into());
        let (condition, _) = after_probe(&unavailable(), refused, 4, 3);
        assert_eq!((condition.1, condition.2.as_str()), (LinkError::AuthenticationError, "bad password"));
    }

    #[test]
    fn pausing_and_going_on_are_states_of_the_link() {
        assert_eq!(after_probe(&unavailable(), Found::Paused, 7, 3).0.0, LinkState::Paused);
        let paused = Link { state: LinkState::Paused, ..link("dr") };
        assert_eq!(after_probe(&paused, Found::Source("source".into()), 0, 3).0.0, LinkState::Active);
        assert_eq!(after_probe(&paused, timeout(), 0, 3).0.0, LinkState::Active);
    }

    #[test]
    fn the_cluster_id_is_learnt_once_and_another_one_stops_the_link_at_once() {
        let never_contacted = Link { source_cluster_id: String::new(), ..link("dr") };
        let (condition, _) = after_probe(&never_contacted, Found::Source("c1".into()), 0, 3);
        assert_eq!((condition.0, condition.3.as_str()), (LinkState::Active, "c1"));

        let (condition, _) = after_probe(&link("dr"), Found::Source("other".into()), 0, 3);
        assert_eq!((condition.0, condition.3.as_str()), (LinkState::Unavailable, "source"));
        assert!(condition.2.contains("'other' now"), "{}", condition.2);
        // Known to the client alone, when the first contact could not be journaled: it is not taken for the source.
        let (condition, _) = after_probe(&never_contacted, Found::Foreign("other".into()), 0, 3);
        assert_eq!((condition.0, condition.3.as_str()), (LinkState::Unavailable, ""));
    }

    #[test]
    fn what_a_source_says_is_kept_short() {
        let long = "x".repeat(100_000);
        for found in [Found::Foreign(long.clone()), Found::Nothing(LinkError::Unknown, long)] {
            let (condition, _) = after_probe(&link("dr"), found, 9, 1);
            assert_eq!(condition.2.chars().count(), LONGEST_MESSAGE);
        }
    }

    #[test]
    fn a_failed_link_stays_failed() {
        let failed = Link { state: LinkState::Failed, ..link("dr") };
        for found in [Found::Paused, Found::Source("source".into()), timeout()] {
            assert_eq!(after_probe(&failed, found, 0, 1).0.0, LinkState::Failed);
        }
    }
}
