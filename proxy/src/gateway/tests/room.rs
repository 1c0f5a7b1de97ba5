//! If all places are taken, newcomers get those of quiet connections.

use std::time::{Duration, Instant};

use crate::gateway::Limits;
use crate::gateway::error::CloseCause;
use crate::gateway::options::ConnectionLimits;
use crate::gateway::tests::clients::handshaken;
use crate::gateway::tests::fixture::{Fixture, Peer};
use crate::gateway::tests::ordering::{beat, heartbeat, until_closed};

fn places(total: usize) -> Limits {
    let connections = ConnectionLimits { total, per_address: usize::MAX, overrides: Default::default() };
    Limits { connections, drain_timeout: Duration::ZERO, ..Limits::default() }
}

/// Given a stranger that sends nothing, a client with nothing to do, a client that waits for an answer, and
/// no place left, when others connect, then the stranger goes first, then the quiet client, and then none.
#[tokio::test]
async fn a_newcomer_takes_the_place_of_a_quiet_connection() {
    let fixture = Fixture::with(places(3)).await;
    let (mut quiet, mut broker, _) = fixture.connected(&heartbeat(1)).await;
    broker.send(&beat(1)).await;
    assert_eq!(quiet.receive().await, beat(1));
    let (mut waiting, mut behind, _) = fixture.connected(&heartbeat(2)).await;
    let mut stranger = fixture.client().await;

    let begun = Instant::now();
    let first = fixture.connected(&heartbeat(3)).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    stranger.closed().await;
    let second = fixture.connected(&heartbeat(4)).await;
    quiet.closed().await;
    assert_eq!(fixture.metrics.closed_by(CloseCause::GaveWay), 2);

    fixture.client().await.closed().await;
    until_closed(&fixture, CloseCause::ConnectionLimit).await;
    behind.send(&beat(2)).await;
    assert_eq!(waiting.receive().await, beat(2));
    assert_eq!(fixture.metrics.open_connections(), 3);
    drop((first, second));
    fixture.stop().await;
}

/// Given strangers that hold all places, when many more connect at once, then only the permitted number
/// waits, and a client that connects after them is served.
#[tokio::test]
async fn the_number_of_waiting_newcomers_is_bounded() {
    let fixture = Fixture::with(places(16)).await;
    let mut crowd: Vec<Peer> = Vec::new();
    for _ in 0..100 {
        crowd.push(fixture.client().await);
    }
    until_closed(&fixture, CloseCause::ConnectionLimit).await;
    let begun = Instant::now();
    while fixture.metrics.closed_by(CloseCause::GaveWay) < 2 {
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody gives way");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(fixture.metrics.closed_by(CloseCause::ConnectionLimit), 82);
    let _served = fixture.connected(&heartbeat(1)).await;
    fixture.stop().await;
}

/// Given clients that have not authenticated and hold all places, when another one connects, then one of them
/// goes.
#[tokio::test]
async fn an_unauthenticated_connection_gives_way() {
    let fixture = Fixture::sasl_with(places(2)).await;
    let mut behind = Vec::new();
    for _ in 0..2 {
        behind.push(handshaken(&fixture, "PLAIN").await);
    }
    let _third = handshaken(&fixture, "PLAIN").await;
    assert_eq!(fixture.metrics.closed_by(CloseCause::GaveWay), 1);
    fixture.stop().await;
}
