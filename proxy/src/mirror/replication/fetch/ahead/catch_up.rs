//! The catch-up of one partition: asks for ranges ahead, puts the answers in order, and hands each to the code
//! that handles ordinary answers.
//!
//! Whatever is not plain ends it: an error of the source, an answer that does not continue the log, a partition
//! that is reset, delayed, stopped or led by another broker. What is held is dropped then, and the session
//! fetches from the next offset on. So errors, epochs, truncation and the log start are judged in one place,
//! in order.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::{BoxFuture, OptionFuture};
use futures::stream::FuturesUnordered;
use kafka_protocol::messages::fetch_response::PartitionData;
use tokio::sync::watch;

use crate::client::Cluster;
use crate::mirror::replication::fetch::FetchOptions;
use crate::mirror::replication::fetch::ahead::line::{Line, NoAnswer, Turn};
use crate::mirror::replication::fetch::ahead::ranges::{Ask, Next, Ranges};
use crate::mirror::replication::fetch::response::FetchResponseHandler;
use crate::mirror::replication::partition::catching_up::CatchingUp;
use crate::mirror::replication::partition::{FetchPlan, NoFetch, Partition};

/// Pause while the window or the byte budget is full.
const FULL_PAUSE: Duration = Duration::from_millis(2);
/// Maximum time between two looks at the partition.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What the catch-ups of one source broker share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) link: String,
    pub(crate) source: Cluster,
    pub(crate) destination: Cluster,
    pub(crate) options: FetchOptions,
    pub(crate) line: Arc<Line>,
}

/// The catch-up of one partition.
pub(crate) struct CatchUp {
    shared: Arc<Shared>,
    partition: Arc<Partition>,
    assigned: watch::Receiver<Arc<Vec<Arc<Partition>>>>,
    /// Keeps the session from fetching for the partition.
    _excluded: CatchingUp,
    ranges: Ranges,
    /// Next offset to copy, as last seen.
    next: i64,
    /// Offset at which the last answer was handed over.
    handed_at: Option<i64>,
}

type Answers<'a> = FuturesUnordered<BoxFuture<'a, (Ask, Result<PartitionData, NoAnswer>)>>;

impl CatchUp {
    pub(crate) fn new(
        shared: Arc<Shared>,
        partition: Arc<Partition>,
        assigned: watch::Receiver<Arc<Vec<Arc<Partition>>>>,
        excluded: CatchingUp,
        ranges: Ranges,
    ) -> Self {
        CatchUp { shared, partition, assigned, _excluded: excluded, ranges, next: -1, handed_at: None }
    }

    /// Runs until the backlog is fetched, or until something needs an ordinary fetch.
    pub(crate) async fn run(mut self) {
        let line = Arc::clone(&self.shared.line);
        let _counted = line.counted();
        let why = self.fetch_all(&line).await;
        let id = &self.partition.id;
        tracing::debug!(
            link = self.shared.link,
            topic = id.topic,
            partition = id.index,
            offset = self.next,
            why,
            "fetching ahead is over"
        );
    }

    /// Fetches until there is a reason to end, and returns it.
    async fn fetch_all(&mut self, line: &Arc<Line>) -> &'static str {
        let mut answers = Answers::new();
        let mut turn: OptionFuture<BoxFuture<'_, Turn>> = None.into();
        let mut waits_for_turn = false;
        loop {
            if !line.pays() {
                return "the source is not far away";
            }
            if self.partition.source_leader().0 != line.broker() {
                return "another broker leads";
            }
            let has_room = match self.hand_over().await {
                Ok(has_room) => has_room,
                Err(why) => return why,
            };
            let wanted = self.wanted();
            if wanted.is_none() && self.ranges.is_empty() {
                return "the backlog is fetched";
            }
            if wanted.is_some() && !waits_for_turn {
                turn = Some(Box::pin(Arc::clone(line).turn()) as BoxFuture<'_, Turn>).into();
                waits_for_turn = true;
            }
            tokio::select! {
                Some((ask, answer)) = answers.next() => if let Err(why) = self.answered(ask, answer) {
                    return why;
                },
                Some(turn) = &mut turn, if waits_for_turn => {
                    waits_for_turn = false;
                    if self.ask(turn, &mut answers).is_none() {
                        if self.ranges.is_empty() {
                            return "the byte budget is spent";
                        }
                        tokio::time::sleep(FULL_PAUSE).await;
                    }
                }
                // A stop or a reset of the partition is noticed at the next look.
                () = tokio::time::sleep(if has_room { LOOK_INTERVAL } else { FULL_PAUSE }) => {}
                changed = self.assigned.changed() => if changed.is_err() || !self.is_assigned() {
                    return "the partition is no longer mirrored";
                },
            }
        }
    }

    fn is_assigned(&self) -> bool {
        self.assigned.borrow().iter().any(|one| Arc::ptr_eq(one, &self.partition))
    }

    /// Hands over what continues at the next offset. Returns false if the partition has no room for more.
    ///
    /// # Errors
    /// Fails with the reason why the catch-up is over.
    async fn hand_over(&mut self) -> Result<bool, &'static str> {
        loop {
            let plan = match self.partition.catch_up_plan() {
                Ok(plan) => plan,
                Err(NoFetch::NoRoom) => return Ok(false),
                Err(NoFetch::NotRunning) => return Err("the partition is reset, delayed or stopped"),
            };
            self.next = plan.offset;
            match self.ranges.take(plan.offset, plan.last_fetched_epoch) {
                Next::Wait => return Ok(true),
                Next::Unproven => return Err("the leader epoch changes"),
                Next::Data(_) if self.handed_at == Some(plan.offset) => {
                    return Err("an answer brought nothing");
                }
                Next::Data(data) => self.hand(plan, *data).await,
            }
        }
    }

    async fn hand(&mut self, plan: FetchPlan, data: PartitionData) {
        self.handed_at = Some(plan.offset);
        let Shared { link, source, destination, options, .. } = &*self.shared;
        let handler = FetchResponseHandler { link, source, destination, options, on_records: None };
        handler.in_order(&self.partition, plan, data).await;
    }

    /// Returns the next range to ask for, if this catch-up has not its share of the byte budget yet.
    fn wanted(&self) -> Option<Ask> {
        if self.next < 0 {
            return None;
        }
        let share = self.partition.reservable() / self.shared.line.catch_ups();
        let ask = self.ranges.next_ask(self.next, self.shared.line.range())?;
        // The range at the next offset is always asked for: nothing goes on without it.
        let is_first = ask.from == self.next;
        (is_first || self.ranges.bytes() + ask.max_bytes <= share).then_some(ask)
    }

    /// Asks for the next range. Returns `None` if nothing is wanted, or the byte budget is spent.
    fn ask<'a>(&mut self, turn: Turn, answers: &mut Answers<'a>) -> Option<()> {
        let ask = self.wanted()?;
        let reserved = self.partition.reserve(ask.max_bytes)?;
        self.ranges.asked(ask, reserved);
        let (line, partition) = (Arc::clone(&self.shared.line), Arc::clone(&self.partition));
        answers.push(Box::pin(async move { (ask, line.fetch(turn, &partition, ask).await) }));
        Some(())
    }

    fn answered(&mut self, ask: Ask, answer: Result<PartitionData, NoAnswer>) -> Result<(), &'static str> {
        match answer {
            Ok(data) => self.ranges.answered(ask, data).then_some(()).ok_or("an answer is empty"),
            Err(NoAnswer::Lost) => {
                self.ranges.failed(ask);
                Ok(())
            }
            Err(NoAnswer::Refused) => Err("the source refuses a range"),
        }
    }
}
