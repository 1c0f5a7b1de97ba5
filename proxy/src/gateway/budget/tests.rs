use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::advance;

use crate::gateway::budget::reserve::SMALL;
use crate::gateway::budget::*;

const MIB: usize = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);

fn budget(bytes: usize) -> Budget {
    Budget::new(bytes, GatewayClock::start(), Gauge::default(), Gauge::default())
}

fn holder(address: u8) -> Arc<Holder> {
    Holder::new([10, 0, 0, address].into())
}

async fn held(budget: &Budget, bytes: usize) -> BudgetPermit {
    let mut hold = budget.hold(&holder(1));
    hold.grow_to(bytes).await;
    hold
}

/// Takes `bytes`. Returns `None` if it would have to wait.
fn tried(budget: &Budget, holder: &Arc<Holder>, bytes: usize) -> Option<BudgetPermit> {
    let mut hold = budget.hold(holder);
    hold.grow_to(bytes).now_or_never().map(|()| hold)
}

#[tokio::test]
async fn a_frame_larger_than_the_budget_passes_alone_and_the_next_one_waits() {
    let budget = budget(100);
    let large = held(&budget, 1_000).await;
    let small = held(&budget, 60).await;
    let mut third = budget.hold(&holder(1));
    assert!(third.grow_to(60).now_or_never().is_none(), "neither budget nor overdraft is left");
    assert_eq!(budget.0.in_use.get(), 1_060);
    drop(large);
    third.grow_to(60).await;
    drop(small);
    drop(third);
    assert_eq!((budget.0.in_use.get(), budget.0.waiters.get()), (0, 0));
    assert_eq!(budget.0.pool.available_permits(), 100);
}

/// Each frame has half of what it needs and cannot get more. Without the overdraft, neither would ever go on.
#[tokio::test]
async fn frames_that_are_half_way_in_do_not_lock_each_other_out() {
    let budget = budget(100);
    let (mut a, mut b) = (held(&budget, 50).await, held(&budget, 50).await);
    a.grow_to(100).await;
    assert!(b.grow_to(100).now_or_never().is_none());
    a.grow_to(5_000).await;
    drop(a);
    b.grow_to(100).await;
}

#[tokio::test]
async fn a_cancelled_waiter_leaves_no_trace() {
    let budget = budget(10);
    let (_a, _b) = (held(&budget, 10).await, held(&budget, 10).await);
    let mut waiting = budget.hold(&holder(1));
    let mut growing = Box::pin(waiting.grow_to(5));
    assert!((&mut growing).now_or_never().is_none());
    assert!(budget.is_awaited());
    assert_eq!(budget.0.waiters.get(), 1);
    drop(growing);
    assert!(!budget.is_awaited() && budget.queue().is_empty());
    assert_eq!(budget.0.waiters.get(), 0);
}

/// Given large frames that have spent the budget and its overdraft, then small frames of other connections
/// still pass. No address can use up the lane, and no connection can use it for many small frames.
#[tokio::test]
async fn a_small_frame_does_not_wait_behind_large_ones() {
    let budget = budget(16 * MIB);
    let lane = budget.0.lane.bytes();
    assert_eq!(lane, 2 * MIB);
    let hoards = (held(&budget, 14 * MIB).await, held(&budget, MIB).await);
    assert!(tried(&budget, &holder(2), SMALL + 1).is_none(), "the rest is for small ones");
    let one = holder(2);
    let kept = tried(&budget, &one, SMALL).unwrap();
    assert!(tried(&budget, &one, 1).is_none(), "it has its share");
    let mut greedy: Vec<BudgetPermit> = Vec::new();
    while let Some(hold) = tried(&budget, &holder(3), SMALL) {
        greedy.push(hold);
    }
    assert_eq!(greedy.len(), lane / 4 / SMALL, "no more than the share of an address");
    assert!(tried(&budget, &holder(4), SMALL).is_some());

    // The hold leaves the lane when it grows.
    drop(hoards);
    let mut grown = kept;
    grown.grow_to(MIB).await;
    assert_eq!(budget.0.pool.available_permits(), 13 * MIB);
    drop((greedy, grown));
    assert_eq!(budget.0.pool.available_permits(), 14 * MIB);
    let address = tried(&budget, &holder(3), 14 * MIB).unwrap();
    let again: Vec<_> = (0..8).map_while(|_| tried(&budget, &holder(5), SMALL)).collect();
    assert_eq!(again.len(), 8);
    drop((address, again));
    assert_eq!(budget.0.in_use.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn memory_is_reclaimed_only_while_others_wait_and_from_the_largest_holders_first() {
    let budget = budget(16 * MIB);
    let holders: Vec<_> = (1..=4).map(holder).collect();
    let patience = crate::gateway::clock::micros(SECOND);
    let reclaim = || budget.to_reclaim(&holders, patience);
    let hold = async |at: usize, bytes: usize| {
        let mut hold = budget.hold(&holders[at]);
        hold.grow_to(bytes).await;
        hold
    };
    let (_large, _small, _more) = (hold(0, 8 * MIB).await, hold(1, 100_000).await, hold(2, 5 * MIB).await);
    advance(60 * SECOND).await;
    let _beyond = hold(3, 10 * MIB).await;
    assert!(reclaim().is_empty(), "nobody waits");

    let mut waiting = budget.hold(&holder(9));
    let mut growing = Box::pin(waiting.grow_to(4 * MIB));
    assert!((&mut growing).now_or_never().is_none());
    advance(SECOND).await;
    assert!(reclaim().is_empty(), "the other has only begun to wait");
    advance(SECOND / 10).await;
    // All four have held for longer than the patience. The largest goes first, although it came last.
    assert_eq!(reclaim(), [3]);

    // A holder that has given all back and taken bytes again since is not selected.
    drop(_more);
    drop(growing);
    let mut growing = Box::pin(waiting.grow_to(20 * MIB));
    assert!((&mut growing).now_or_never().is_none());
    advance(SECOND + SECOND / 10).await;
    let _young = hold(2, 1_000).await;
    assert_eq!(reclaim(), [3, 0, 1], "in the order of what they hold");
}

#[tokio::test]
async fn shrinking_gives_back_the_overdraft_first() {
    let budget = budget(100);
    let mut hold = held(&budget, 60).await;
    hold.shrink_to(50);
    hold.shrink_to(55);
    assert_eq!((budget.0.pool.available_permits(), budget.0.in_use.get()), (50, 50));
    let other = held(&budget, 50).await;
    hold.grow_to(500).await;
    hold.shrink_to(70);
    assert_eq!(budget.0.overdraft.available_permits(), 0, "twenty are beyond the budget");
    hold.shrink_to(40);
    assert_eq!((budget.0.overdraft.available_permits(), budget.0.pool.available_permits()), (1, 10));
    hold.grow_to(45).await;
    drop((hold, other));
    assert_eq!((budget.0.pool.available_permits(), budget.0.in_use.get()), (100, 0));
}

/// Given a connection that holds much, when it gives back a little now and then, also through a second hold,
/// then its memory is still reclaimed.
#[tokio::test(start_paused = true)]
async fn giving_back_a_byte_now_and_then_does_not_protect_the_rest() {
    let budget = budget(MIB);
    let (hoarder, patience) = (holder(1), crate::gateway::clock::micros(SECOND));
    let mut hoard = budget.hold(&hoarder);
    hoard.grow_to(MIB).await;
    let _beyond = held(&budget, MIB).await;
    let mut waiting = budget.hold(&holder(2));
    let mut growing = Box::pin(waiting.grow_to(1_000));
    for byte in 0..4 {
        assert!((&mut growing).now_or_never().is_none());
        hoard.shrink_to(MIB - 1 - byte);
        hoarder.grown(u64::MAX, 1, budget.0.ticks.now());
        hoarder.given_back(u64::MAX, 1);
        advance(9 * SECOND / 10).await;
    }
    assert_eq!(budget.to_reclaim(&[hoarder], patience), [0]);
}

/// Given a thousand connections that each hold a part of a frame and wait for more, when another connection
/// with a frame comes after them, then it is served soon after the patience has passed.
#[tokio::test(start_paused = true)]
async fn a_convoy_does_not_hold_up_a_later_connection() {
    let budget = budget(16 * MIB);
    let holders: Vec<_> = (0..1_000).map(|_| holder(1)).collect();
    let mut convoy = Vec::new();
    for holder in &holders {
        let mut hold = budget.hold(holder);
        convoy.push(tokio::spawn(async move {
            hold.grow_to(32 * 1024).await;
            hold.grow_to(256 * 1024).await;
            std::future::pending::<()>().await;
        }));
    }
    tokio::time::sleep(SECOND / 10).await;
    let (small, large) = (holder(2), holder(3));
    assert!(tried(&budget, &small, SMALL).is_some());
    let mut good = budget.hold(&large);
    let good = tokio::spawn(async move { good.grow_to(200 * 1024).await });
    let patience = crate::gateway::clock::micros(SECOND);
    for ticks in 1.. {
        tokio::time::sleep(SECOND / 4).await;
        if good.is_finished() {
            assert!(ticks > 4, "before the patience was over");
            break;
        }
        // Together they wait for twice the budget.
        assert!(ticks < 24, "it still waits after six seconds");
        for at in budget.to_reclaim(&holders, patience) {
            convoy[at].abort();
        }
    }
}
