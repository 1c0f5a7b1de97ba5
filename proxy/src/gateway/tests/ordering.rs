//! Responses leave in the order of their requests, and connections end cleanly.

use std::time::Duration;

use kafka_protocol::messages::{ApiKey, HeartbeatRequest, ProduceResponse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::gateway::Limits;
use crate::gateway::error::CloseCause;
use crate::gateway::tests::fixture::{Fixture, PATIENCE, answer, request, response};
use crate::gateway::tests::produce::produce;

const HEARTBEAT: ApiKey = ApiKey::Heartbeat;

pub(crate) fn heartbeat(correlation_id: i32) -> bytes::Bytes {
    request(HEARTBEAT, 4, correlation_id, &HeartbeatRequest::default())
}

pub(crate) fn beat(correlation_id: i32) -> Vec<u8> {
    [&correlation_id.to_be_bytes()[..], &[0, 0, 0, 0, 0, 0, 0, 0]].concat()
}

#[tokio::test]
async fn answers_of_broker_and_gateway_keep_the_order_of_the_requests() {
    let fixture = Fixture::start().await;
    let refused = |id| request(ApiKey::Produce, 9, id, &produce(9, -1, &["mirror"]));
    let (mut client, mut broker, _) = fixture.connected(&heartbeat(0)).await;
    for id in 1..60 {
        client.send(&if id % 3 == 0 { heartbeat(id) } else { refused(id) }).await;
    }
    for id in (0..60).step_by(3) {
        if id > 0 {
            assert_eq!(broker.receive().await, heartbeat(id));
        }
        broker.send(&beat(id)).await;
    }
    for id in 0..60 {
        let frame = client.receive().await;
        if id % 3 == 0 {
            assert_eq!(frame, beat(id));
        } else {
            let _: ProduceResponse = answer(frame, ApiKey::Produce, 9, id);
        }
    }
    fixture.stop().await;
}

/// Given a broker that delays some responses, when a client sends 1,000 requests without reading, of which
/// the gateway answers some itself and some get no answer, then the answers come in the order of the
/// requests.
#[tokio::test]
async fn a_thousand_pipelined_requests_are_answered_in_order() {
    const REQUESTS: i32 = 1_000;
    enum Sent {
        Passed,
        Refused,
        Merged,
        Unanswered,
    }
    let kind = |id: i32| match id * 7 % 11 {
        0..4 => Sent::Passed,
        4..7 => Sent::Refused,
        7..9 => Sent::Merged,
        _ => Sent::Unanswered,
    };
    let fixture = Fixture::start().await;
    let (mut client, mut broker, _) = fixture.connected(&heartbeat(0)).await;
    broker.send(&beat(0)).await;
    assert_eq!(client.receive().await, beat(0));

    let slow_broker = tokio::spawn(async move {
        for id in (1..=REQUESTS).filter(|id| !matches!(kind(*id), Sent::Refused)) {
            let got = broker.receive().await;
            if id % 50 == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            match kind(id) {
                Sent::Merged => {
                    assert_eq!(got, request(ApiKey::Produce, 9, id, &produce(9, 1, &["plain"])));
                    broker.send(&response(ApiKey::Produce, 9, id, &ProduceResponse::default())).await;
                }
                Sent::Unanswered => {
                    assert_eq!(got, request(ApiKey::Produce, 9, id, &produce(9, 0, &["plain"])));
                }
                _ => {
                    assert_eq!(got, heartbeat(id));
                    broker.send(&beat(id)).await;
                }
            }
        }
        broker
    });
    let (mut read, mut write) = client.0.into_split();
    let writer = tokio::spawn(async move {
        for id in 1..=REQUESTS {
            let frame = match kind(id) {
                Sent::Passed => heartbeat(id),
                Sent::Refused => request(ApiKey::Produce, 9, id, &produce(9, 1, &["mirror"])),
                Sent::Merged => request(ApiKey::Produce, 9, id, &produce(9, 1, &["mirror", "plain"])),
                Sent::Unanswered => request(ApiKey::Produce, 9, id, &produce(9, 0, &["mirror", "plain"])),
            };
            write.write_u32(frame.len() as u32).await.unwrap();
            write.write_all(&frame).await.unwrap();
        }
        write
    });
    for id in (1..=REQUESTS).filter(|id| !matches!(kind(*id), Sent::Unanswered)) {
        let answered = async {
            let size = read.read_u32().await.unwrap();
            let mut frame = vec![0; size as usize];
            read.read_exact(&mut frame).await.unwrap();
            bytes::Bytes::from(frame)
        };
        let frame = timeout(PATIENCE, answered).await.expect("no answer came");
        match kind(id) {
            Sent::Passed => assert_eq!(frame, beat(id)),
            _ => {
                let refused: ProduceResponse = answer(frame, ApiKey::Produce, 9, id);
                assert_eq!(refused.responses[0].name.as_str(), "mirror");
            }
        }
    }
    let _still_open = (writer.await.unwrap(), slow_broker.await.unwrap());
    fixture.stop().await;
}

#[tokio::test]
async fn requests_wait_when_too_many_responses_are_due() {
    let fixture = Fixture::with(Limits { max_in_flight: 2, ..Limits::default() }).await;
    let (mut client, mut broker, _) = fixture.connected(&heartbeat(0)).await;
    for id in 1..20 {
        client.send(&heartbeat(id)).await;
    }
    // One response is being delivered, and two are queued. The next request waits for the first response.
    for id in 1..3 {
        assert_eq!(broker.receive().await, heartbeat(id));
    }
    assert!(timeout(Duration::from_millis(200), broker.0.peek(&mut [0])).await.is_err());
    for id in 0..20 {
        broker.send(&beat(id)).await;
        assert_eq!(client.receive().await, beat(id));
        if id + 3 < 20 {
            assert_eq!(broker.receive().await, heartbeat(id + 3));
        }
    }
    fixture.stop().await;
}

#[tokio::test]
async fn a_client_that_ends_its_side_still_gets_what_it_asked_for() {
    let fixture = Fixture::start().await;
    let (mut client, mut broker, _) = fixture.connected(&heartbeat(1)).await;
    client.0.shutdown().await.unwrap();
    broker.closed().await;
    broker.send(&beat(1)).await;
    assert_eq!(client.receive().await, beat(1));
    client.closed().await;
    until_closed(&fixture, CloseCause::ClientClosed).await;
    fixture.stop().await;
}

#[tokio::test]
async fn a_lost_client_connection_closes_the_broker_connection() {
    let limits = Limits { drain_timeout: Duration::from_millis(50), ..Limits::default() };
    let fixture = Fixture::with(limits).await;
    let (client, mut broker, _) = fixture.connected(&heartbeat(1)).await;
    drop(client);
    broker.closed().await;
    until_closed(&fixture, CloseCause::ClientClosed).await;
    fixture.stop().await;
}

#[tokio::test]
async fn a_closed_broker_connection_closes_the_client_connection() {
    let fixture = Fixture::start().await;
    let (mut client, broker, _) = fixture.connected(&heartbeat(1)).await;
    drop(broker);
    client.closed().await;

    let (mut client, mut broker, _) = fixture.connected(&heartbeat(1)).await;
    broker.0.write_all(&[0, 0, 0, 90, 0, 0, 0, 1, 5]).await.unwrap();
    broker.0.shutdown().await.unwrap();
    drop(broker);
    // The part that arrived is not a whole response. Whatever part of it was passed on, the end of the stream
    // follows.
    let mut rest = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut client.0, &mut rest);
    let _ = timeout(PATIENCE, read).await.expect("still open");
    assert!(rest.len() <= 9);
    fixture.stop().await;
}

#[tokio::test]
async fn stopping_delivers_what_is_due_and_leaves_no_task() {
    let fixture = Fixture::start().await;
    let (mut client, mut broker, _) = fixture.connected(&heartbeat(1)).await;
    fixture.stop.cancel();
    broker.closed().await;
    broker.send(&beat(1)).await;
    assert_eq!(client.receive().await, beat(1));
    client.closed().await;
    fixture.stop().await;
}

/// Given a client that goes while its request is passing, then the client is the cause of the end, and the
/// addresses of the brokers are not in doubt.
#[tokio::test]
async fn a_client_that_goes_in_mid_request_is_not_taken_for_a_broker_that_failed() {
    let fixture = Fixture::start().await;
    let (mut client, mut broker, _) = fixture.connected(&heartbeat(1)).await;
    broker.send(&beat(1)).await;
    let _ = client.receive().await;
    let next = heartbeat(2);
    client.0.write_u32(next.len() as u32).await.unwrap();
    client.0.write_all(&next[..next.len() - 1]).await.unwrap();
    drop(client);
    until_closed(&fixture, CloseCause::ClientIo).await;
    fixture.stop().await;
}

pub(crate) async fn until_closed(fixture: &Fixture, cause: CloseCause) {
    let counted = async {
        while fixture.metrics.closed_by(cause) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, counted).await.unwrap_or_else(|_| panic!("no close counted as {cause:?}"));
}
