//! Batches questions about single partitions: while a request to a broker is in flight, further questions to
//! it queue and go out together. Thousands of per-partition calls then cost a handful of requests.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use crate::client::error::ClientError;
use crate::client::types::TopicPartition;

/// Maximum number of partitions in one request.
const MAX_QUESTIONS: usize = 500;

/// Answers by partition. The outer error is that of the whole request.
pub(crate) type AnswersByPartition<V> = Result<HashMap<TopicPartition, Result<V, ClientError>>, ClientError>;

/// Sends many questions to one broker in one request.
pub(crate) type Ask<X, V> =
    dyn Fn(i32, Vec<(TopicPartition, X)>) -> BoxFuture<'static, AnswersByPartition<V>> + Send + Sync;

type QueuedQuestions<X, V> = (TopicPartition, X, oneshot::Sender<Result<V, ClientError>>);

/// Batched questions of one kind. `X` is the question about a partition, `V` the answer.
pub(crate) struct Gather<X, V> {
    lines: Arc<Mutex<HashMap<i32, BrokerQueue<X, V>>>>,
}

/// Questions that wait for one broker. `is_asked` is true while a task asks that broker.
struct BrokerQueue<X, V> {
    is_asked: bool,
    waiting: Vec<QueuedQuestions<X, V>>,
}

impl<X, V> Default for Gather<X, V> {
    fn default() -> Self {
        Gather { lines: Arc::default() }
    }
}

impl<X: Send + 'static, V: Send + 'static> Gather<X, V> {
    /// Asks `broker` about one partition. `ask` sends the question together with all others that wait.
    /// Returns `None` if the answer lacks the partition.
    ///
    /// # Errors
    /// Returns the error of the partition, or that of the whole request.
    pub(crate) async fn ask(
        &self,
        broker: i32,
        at: TopicPartition,
        with: X,
        ask: impl FnOnce() -> Arc<Ask<X, V>>,
    ) -> Option<Result<V, ClientError>> {
        let (tell, told) = oneshot::channel();
        let idle = {
            let mut lines = locked(&self.lines);
            let line =
                lines.entry(broker).or_insert_with(|| BrokerQueue { is_asked: false, waiting: Vec::new() });
            line.waiting.push((at, with, tell));
            !std::mem::replace(&mut line.is_asked, true)
        };
        if idle {
            // A separate task, since other callers wait for its answers even if this caller is cancelled.
            let _task = tokio::spawn(drive(Arc::clone(&self.lines), broker, ask()));
        }
        told.await.ok()
    }
}

/// Sends requests until no question waits.
async fn drive<X, V>(lines: Arc<Mutex<HashMap<i32, BrokerQueue<X, V>>>>, broker: i32, ask: Arc<Ask<X, V>>) {
    let _given_up = AskPanicGuard(&lines, broker);
    while let Some(batch) = next_batch(&lines, broker) {
        let (mut questions, mut tellers) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
        for (at, with, tell) in batch {
            tellers.push((at.clone(), tell));
            questions.push((at, with));
        }
        match ask(broker, questions).await {
            Ok(mut answers) => {
                for (at, tell) in tellers {
                    if let Some(answer) = answers.remove(&at) {
                        // The caller may have been cancelled.
                        let _ = tell.send(answer);
                    }
                }
            }
            Err(error) => {
                for (_, tell) in tellers {
                    let _ = tell.send(Err(error.clone()));
                }
            }
        }
    }
}

/// Cleans up if `ask` panics: waiting callers get `None`, and the next question starts a new task.
struct AskPanicGuard<'a, X, V>(&'a Mutex<HashMap<i32, BrokerQueue<X, V>>>, i32);

impl<X, V> Drop for AskPanicGuard<'_, X, V> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = locked(self.0).remove(&self.1);
        }
    }
}

/// Takes the questions for the next request. Each partition is in it once, since brokers refuse duplicates.
/// If no question waits, removes the broker's line and returns `None`.
fn next_batch<X, V>(
    lines: &Mutex<HashMap<i32, BrokerQueue<X, V>>>,
    broker: i32,
) -> Option<Vec<QueuedQuestions<X, V>>> {
    let mut lines = locked(lines);
    let line = lines.get_mut(&broker)?;
    if line.waiting.is_empty() {
        let _ = lines.remove(&broker);
        return None;
    }
    let (mut batch, mut later, mut taken) = (Vec::new(), Vec::new(), HashSet::new());
    for waiting in line.waiting.drain(..) {
        if batch.len() < MAX_QUESTIONS && taken.insert(waiting.0.clone()) {
            batch.push(waiting)
        } else {
            later.push(waiting)
        }
    }
    line.waiting = later;
    Some(batch)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use futures::future::join_all;

    use super::*;
    use crate::client::{ErrorKind, Side};

    fn at(partition: i32) -> TopicPartition {
        ("t".to_owned(), partition)
    }

    /// Answers each question with its double. Leaves odd partitions out.
    fn doubling(requests: &Arc<Mutex<Vec<Vec<i64>>>>) -> Arc<Ask<i64, i64>> {
        let requests = Arc::clone(requests);
        Arc::new(move |_, questions| {
            locked(&requests).push(questions.iter().map(|(_, with)| *with).collect());
            Box::pin(async move {
                tokio::task::yield_now().await;
                let even = questions.into_iter().filter(|((_, partition), _)| partition % 2 == 0);
                Ok(even.map(|(at, with)| (at, Ok(with * 2))).collect())
            })
        })
    }

    #[tokio::test]
    async fn questions_that_wait_go_out_together() {
        let (gather, requests) = (Gather::default(), Arc::default());
        let asked = (0..1200).map(|n| gather.ask(1, at(n), i64::from(n), || doubling(&requests)));
        let answers = join_all(asked).await;
        for (n, answer) in (0..).zip(&answers) {
            let told = answer.as_ref().map(|answer| *answer.as_ref().unwrap());
            assert_eq!(told, (n % 2 == 0).then_some(n * 2), "{n}");
        }
        let sizes: Vec<_> = locked(&requests).iter().map(Vec::len).collect();
        assert_eq!(sizes, [500, 500, 200]);
        assert!(locked(&gather.lines).is_empty());
    }

    #[tokio::test]
    async fn a_partition_is_in_a_request_once_and_each_question_gets_its_own_answer() {
        let (gather, requests) = (Gather::default(), Arc::default());
        let asked = [5, 6, 7].map(|with| gather.ask(1, at(0), with, || doubling(&requests)));
        let answers: Vec<i64> = join_all(asked).await.into_iter().map(|a| a.unwrap().unwrap()).collect();
        assert_eq!(answers, [10, 12, 14]);
        assert_eq!(*locked(&requests), [[5], [6], [7]]);
    }

    #[tokio::test]
    async fn after_a_panic_the_next_question_starts_a_new_task() {
        let (gather, requests) = (Gather::default(), Arc::default());
        let panics = || -> Arc<Ask<i64, i64>> { Arc::new(|_, _| Box::pin(async { panic!("on purpose") })) };
        assert!(gather.ask(1, at(0), 5, panics).await.is_none());
        assert_eq!(gather.ask(1, at(0), 5, || doubling(&requests)).await.unwrap().unwrap(), 10);
    }

    #[tokio::test]
    async fn a_cancelled_caller_affects_no_other_and_a_failed_request_fails_all_its_questions() {
        let (gather, count) = (Gather::<(), ()>::default(), Arc::new(AtomicUsize::new(0)));
        let failing = || -> Arc<Ask<(), ()>> {
            let count = Arc::clone(&count);
            Arc::new(move |_, _| {
                let _ = count.fetch_add(1, Relaxed);
                let error = ClientError::new(Side::Source, ErrorKind::UnknownBroker { id: 1 });
                Box::pin(async move {
                    tokio::task::yield_now().await;
                    Err(error)
                })
            })
        };
        let mut gone = Box::pin(gather.ask(1, at(0), (), failing));
        assert!(futures::poll!(gone.as_mut()).is_pending());
        drop(gone);
        let answers = join_all((1..4).map(|n| gather.ask(1, at(n), (), failing))).await;
        assert!(answers.iter().all(|answer| matches!(answer, Some(Err(_)))));
        assert!(count.load(Relaxed) <= 2);
    }
}
