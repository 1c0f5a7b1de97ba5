//! Runs one task per link. It starts when the link appears and is cancelled when the link is deleted. So a
//! source that does not answer holds up no other link.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::time::Duration;

use state::model::link_config::LinkConfig;
use state::model::{KafkaUuid, Link, MirrorTopic, View};
use state::store::Store;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// Runs `each` for every link of the view until `shutdown` is cancelled. Returns when all tasks have ended.
///
/// `each` gets the link's name and a token that is cancelled when the link is deleted or `shutdown` is
/// cancelled. A link that is deleted and created again under its name is another link.
pub(crate) async fn per_link<F, Fut>(store: Store, shutdown: CancellationToken, each: F)
where
    F: Fn(String, CancellationToken) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let mut running: HashMap<KafkaUuid, CancellationToken> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut news = store.watch();
    loop {
        let _ = news.borrow_and_update();
        let view = store.view();
        running.retain(|id, token| {
            let alive = view.links.values().any(|link| link.id == *id);
            if !alive {
                token.cancel();
            }
            alive
        });
        for link in view.links.values() {
            if let Entry::Vacant(entry) = running.entry(link.id) {
                let token = entry.insert(shutdown.child_token()).clone();
                let _ = tasks.spawn(each(link.name.clone(), token));
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            changed = news.changed() => if changed.is_err() { break },
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                let _ = unless_panicked(ended);
            }
        }
    }
    for token in running.values() {
        token.cancel();
    }
    while tasks.join_next().await.is_some() {}
}

/// Returns the value of a task; `None` if the task was aborted. Continues a panic of the task in the caller:
/// a daemon with a part missing is worse than one that is restarted, since a restart loses nothing.
pub(crate) fn unless_panicked<T>(ended: Result<T, JoinError>) -> Option<T> {
    match ended {
        Ok(value) => Some(value),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}

/// Runs `round` for every link until `shutdown`, at the interval that `period` reads from the link's configs.
/// If the link is deleted during a round, the round is dropped where it waits.
pub(crate) async fn in_rounds<F, Fut>(
    store: Store,
    shutdown: CancellationToken,
    period: fn(&LinkConfig) -> Duration,
    round: F,
) where
    F: Fn(String) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let links = store.clone();
    per_link(store, shutdown, move |name, cancel| {
        let (store, round) = (links.clone(), round.clone());
        async move {
            while let Some(link) = store.view().links.get(&name).cloned() {
                // Configs that an older version accepted may be altered to ones that this version takes.
                let Ok(config) = LinkConfig::parse(&link.configs) else {
                    tokio::select! {
                        () = cancel.cancelled() => return,
                        () = altered(&link, &store) => continue,
                    }
                };
                tokio::select! {
                    () = cancel.cancelled() => return,
                    () = round(name.clone()) => {}
                }
                if !next_round(period(&config), &link, &store, &cancel).await {
                    return;
                }
            }
        }
    })
    .await;
}

/// Returns a link, its parsed configs, and one of the mirror topics.
///
/// # Errors
/// Fails if one of them is gone, or if the configs are those of an older version and no longer valid.
pub(crate) fn link_and_mirror<'a>(
    view: &'a View,
    link: &str,
    topic: &str,
) -> Result<(&'a Link, LinkConfig, &'a MirrorTopic), &'static str> {
    let found = view.links.get(link).zip(view.mirrors.get(topic));
    let (link, mirror) = found.ok_or("the mirror topic is gone")?;
    let config = LinkConfig::parse(&link.configs).map_err(|_| "the link's configs are not valid")?;
    Ok((link, config, mirror))
}

/// Waits until the configs of `link` have changed or the link is gone. Never returns once the store is gone.
pub(crate) async fn altered(link: &Link, store: &Store) {
    let is_news = |_: &u64| {
        let view = store.view();
        view.links.get(&link.name).is_none_or(|now| now.id != link.id || now.configs != link.configs)
    };
    if store.watch().wait_for(is_news).await.is_err() {
        std::future::pending().await
    }
}

/// Waits until the next round is due: after `period` (with jitter, so that links do not run in step), or as
/// soon as the configs or the state of `link` have changed. Returns false if there is no next round, because
/// `cancel` is cancelled or the store is gone.
pub(crate) async fn next_round(
    period: Duration,
    link: &Link,
    store: &Store,
    cancel: &CancellationToken,
) -> bool {
    let due = tokio::time::Instant::now() + period.mul_f64(0.95 + 0.1 * fastrand::f64());
    let is_news = |_: &u64| {
        let view = store.view();
        view.links.get(&link.name).is_none_or(|now| now.configs != link.configs || now.state != link.state)
    };
    let mut news = store.watch();
    tokio::select! {
        () = cancel.cancelled() => false,
        () = tokio::time::sleep_until(due) => true,
        news = news.wait_for(is_news) => news.is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use state::model::Change;

    use super::*;
    use crate::mirror::test_support::link;

    async fn put(store: &Store, change: Change) {
        store.transact("test", "test", |_, _| Ok::<_, Infallible>((vec![change], ()))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    #[tokio::test]
    async fn tasks_come_and_go_with_their_links() {
        // Given one link
        let store = Store::in_memory().unwrap();
        put(&store, Change::PutLink(link("a"))).await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shutdown = CancellationToken::new();
        let log = Arc::clone(&seen);
        let all = tokio::spawn(per_link(store.clone(), shutdown.clone(), move |name, token| {
            let log = Arc::clone(&log);
            async move {
                log.lock().unwrap().push(format!("+{name}"));
                token.cancelled().await;
                log.lock().unwrap().push(format!("-{name}"));
            }
        }));
        tokio::time::sleep(Duration::from_millis(50)).await;
        // When it is deleted and created again, and everything is shut down
        put(&store, Change::RemoveLink("a".into())).await;
        put(&store, Change::PutLink(link("a"))).await;
        shutdown.cancel();
        all.await.unwrap();
        // Then each of the two links has had its own task
        assert_eq!(*seen.lock().unwrap(), ["+a", "-a", "+a", "-a"]);
    }

    #[tokio::test]
    async fn a_round_comes_early_only_when_the_link_changes() {
        let store = Store::in_memory().unwrap();
        let first = link("a");
        put(&store, Change::PutLink(first.clone())).await;
        let cancel = CancellationToken::new();
        let start = std::time::Instant::now();
        assert!(next_round(Duration::from_millis(400), &first, &store, &cancel).await);
        assert!(start.elapsed() >= Duration::from_millis(380));

        let mut altered = first.clone();
        let _ = altered.configs.insert("topic.config.sync.ms".into(), "1000".into());
        put(&store, Change::PutLink(altered.clone())).await;
        let start = std::time::Instant::now();
        assert!(next_round(Duration::from_secs(10), &first, &store, &cancel).await);
        assert!(start.elapsed() < Duration::from_secs(1));

        cancel.cancel();
        assert!(!next_round(Duration::from_secs(10), &altered, &store, &cancel).await);
    }
}
