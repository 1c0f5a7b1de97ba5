//! Batches work that many callers ask for at the same time: it is done once for all of them.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::oneshot;

/// Waiting questions of one link, and the lock of the caller that answers them.
struct LinkQueue<Q, A> {
    waiting: Vec<(Q, oneshot::Sender<A>)>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl<Q, A> Default for LinkQueue<Q, A> {
    fn default() -> Self {
        LinkQueue { waiting: Vec::new(), turn: Arc::default() }
    }
}

/// Waiting questions by link. The caller that gets the lock answers all questions that wait then. Cheap to
/// clone.
pub(crate) struct Together<Q, A>(Arc<Mutex<HashMap<String, LinkQueue<Q, A>>>>);

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
    /// Returns the answer to `question`, from a pass of this caller or of another one. `pass` answers many
    /// questions, in their order. Returns `None` if the pass that took the question was dropped before it was
    /// done: ask again.
    pub(crate) async fn ask<F>(&self, link: &str, question: Q, pass: impl FnOnce(Vec<Q>) -> F) -> Option<A>
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
        // A caller that no longer waits needs no answer.
        let (questions, tellers): (Vec<Q>, Vec<_>) =
            batch.into_iter().filter(|(_, tell)| !tell.is_closed()).unzip();
        for (tell, answer) in tellers.into_iter().zip(pass(questions).await) {
            let _ = tell.send(answer);
        }
        told.try_recv().ok()
    }

    fn with<T>(&self, link: &str, change: impl FnOnce(&mut LinkQueue<Q, A>) -> T) -> T {
        let mut lines = self.0.lock();
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
    async fn one_pass_answers_all_waiting_questions() {
        let (together, passes) = (Together::default(), AtomicUsize::new(0));
        let asked = (0..1000).map(|n| together.ask("dr", n, |questions| doubled(&passes, questions)));
        let answers = join_all(asked).await;
        assert!((0..).zip(answers).all(|(n, answer)| answer == Some(n * 2)));
        // Either the first question has a pass of its own, or one pass answers all.
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
    async fn a_dropped_pass_leaves_no_caller_waiting() {
        let (together, passes) = (Together::default(), AtomicUsize::new(0));
        let mut first = Box::pin(together.ask("dr", 1, |_| std::future::pending::<Vec<u32>>()));
        // The second question comes before the first gets the lock, so its pass takes both.
        let turn = together.with("dr", |line| Arc::clone(&line.turn));
        let held = turn.lock().await;
        assert!(futures::poll!(first.as_mut()).is_pending());
        let mut second = Box::pin(together.ask("dr", 2, |questions| doubled(&passes, questions)));
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(held);
        assert!(futures::poll!(first.as_mut()).is_pending());
        drop(first);
        assert_eq!(second.await, None);
        // The next question begins a new pass.
        assert_eq!(together.ask("dr", 3, |questions| doubled(&passes, questions)).await, Some(6));
    }
}
