//! Work that is asked for in many places at the same time and done once for all of them.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// What waits for one link, and whose turn it is to do it for all.
struct Line<Q, A> {
    waiting: Vec<(Q, oneshot::Sender<A>)>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl<Q, A> Default for Line<Q, A> {
    fn default() -> Self {
        Line { waiting: Vec::new(), turn: Arc::default() }
    }
}

/// Questions by link. Whoever comes to its turn answers all that wait then. Cheap to clone.
pub(super) struct Together<Q, A>(Arc<Mutex<HashMap<String, Line<Q, A>>>>);

impl<Q, A> Clone for Together<Q, A> {
    fn clone(&self) -> Self {
        Together(Arc::clone(&self.0))
    }
}

impl<Q, A> Default for Together<Q, A> {
    fn default() -> Self {
        Together(Arc::default())
    }
}

impl<Q, A> std::fmt::Debug for Together<Q, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Together")
    }
}

impl<Q, A> Together<Q, A> {
    /// The answer to `question`, from a pass of its own or of somebody else. `pass` answers many, in their order. `None`: the
    /// pass that took the question up was dropped before it was done; ask again.
    pub(super) async fn ask<F>(&self, link: &str, question: Q, pass: impl FnOnce(Vec<Q>) -> F) -> Option<A>
    where
        F: Future<Output = Vec<A>>,
    {
        let (tell, mut told) = oneshot::channel();
        let turn = self.with(link, |line| {
            line.waiting.push((question, tell));
            Arc::clone(&line.turn)
        });
        let _turn = turn.lock().await;
        match told.try_recv() {
            Ok(answer) => return Some(answer),
            Err(oneshot::error::TryRecvError::Closed) => return None,
            Err(oneshot::error::TryRecvError::Empty) => {}
        }
        let batch = self.with(link, |line| std::mem::take(&mut line.waiting));
        // Who no longer waits needs no answer.
        let (questions, tellers): (Vec<Q>, Vec<_>) =
            batch.into_iter().filter(|(_, tell)| !tell.is_closed()).unzip();
        for (tell, answer) in tellers.into_iter().zip(pass(questions).await) {
            let _ = tell.send(answer);
        }
        told.try_recv().ok()
    }

    fn with<T>(&self, link: &str, change: impl FnOnce(&mut Line<Q, A>) -> T) -> T {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(lines.entry(link.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use futures::future::join_all;

    use super::*;

    async fn doubled(passes: &AtomicUsize, questions: Vec<u32>) -> Vec<u32> {
        let _ = passes.fetch_add(1, Relaxed);
        tokio::task::yield_now().await;
        questions.into_iter().map(|n| n * 2).collect()
    }

    #[tokio::test]
    async fn what_is_asked_meanwhile_is_answered_by_one_pass() {
        let (together, passes) = (Together::default(), AtomicUsize::new(0));
        let asked = (0..1000).map(|n| together.ask("dr", n, |questions| doubled(&passes, questions)));
        let answers = join_all(asked).await;
        assert!((0..).zip(answers).all(|(n, answer)| answer == Some(n * 2)));
        // The first one alone, or all at once.
        assert!(passes.load(Relaxed) <= 2, "{passes:?}");
    }

    #[tokio::test]
    async fn links_do_not_wait_for_each_other() {
        let (together, passes) = (Together::default(), AtomicUsize::new(0));
        let mut hangs = Box::pin(together.ask("a", 1, |_| std::future::pending::<Vec<u32>>()));
        assert!(futures::poll!(hangs.as_mut()).is_pending());
        assert_eq!(together.ask("b", 4, |questions| doubled(&passes, questions)).await, Some(8));
    }

    #[tokio::test]
    async fn a_pass_that_is_dropped_leaves_no_one_waiting_for_ever() {
        let (together, passes) = (Together::default(), AtomicUsize::new(0));
        let mut first = Box::pin(together.ask("dr", 1, |_| std::future::pending::<Vec<u32>>()));
        // The second question is there before the first comes to its turn: it is taken along.
        let turn = together.with("dr", |line| Arc::clone(&line.turn));
        let held = turn.lock().await;
        assert!(futures::poll!(first.as_mut()).is_pending());
        let mut second = Box::pin(together.ask("dr", 2, |questions| doubled(&passes, questions)));
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(held);
        assert!(futures::poll!(first.as_mut()).is_pending());
        drop(first);
        assert_eq!(second.await, None);
        // And the next one begins anew.
        assert_eq!(together.ask("dr", 3, |questions| doubled(&passes, questions)).await, Some(6));
    }
}
