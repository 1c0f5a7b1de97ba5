//! The two tasks of a connection: one writes requests, one reads responses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::error::{ClientError, ErrorKind, Side};
use super::waiting::Waiting;
use crate::net::{HostPort, ReadFrameError, read_frame_within, write_segments};

/// Time to say that the stream ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the two tasks know of their connection.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) side: Side,
    pub(super) address: HostPort,
    pub(super) waiting: Arc<Waiting>,
}

impl Peer {
    fn lost(&self, reason: String) {
        let kind = ErrorKind::Lost { address: self.address.clone(), reason };
        self.waiting.poison(ClientError::new(self.side, kind));
    }
}

pub(super) async fn write_loop(
    mut stream: impl AsyncWrite + Unpin,
    mut requests: mpsc::Receiver<Vec<Bytes>>,
    peer: Peer,
    max_idle: Option<Duration>,
    stop: CancellationToken,
) {
    let write = async {
        while let Some(mut segments) = next(&mut requests, max_idle, &peer).await {
            // What else waits goes out in the same write.
            while segments.len() < 64
                && let Ok(more) = requests.try_recv()
            {
                segments.extend(more);
            }
            if let Err(error) = write_segments(&mut stream, &mut segments).await {
                peer.lost(error.to_string());
                break;
            }
        }
    };
    let _ = stop.run_until_cancelled(write).await;
    peer.lost("it was closed".into());
    stop.cancel();
    // The end of a TLS stream is announced; a peer that no longer reads must not keep the task.
    let _ = tokio::time::timeout(FAREWELL, stream.shutdown()).await;
}

/// The next request; `None` when there will be none, or the connection has been idle for long.
async fn next(
    requests: &mut mpsc::Receiver<Vec<Bytes>>,
    max_idle: Option<Duration>,
    peer: &Peer,
) -> Option<Vec<Bytes>> {
    let Some(max_idle) = max_idle else { return requests.recv().await };
    loop {
        match tokio::time::timeout(max_idle, requests.recv()).await {
            Ok(request) => return request,
            Err(_) if peer.waiting.is_empty() => {
                peer.lost(format!("it was idle for {max_idle:?}"));
                return None;
            }
            Err(_) => {}
        }
    }
}

pub(super) async fn read_loop(
    mut stream: impl AsyncRead + Unpin,
    limit: Arc<AtomicUsize>,
    peer: Peer,
    stop: CancellationToken,
) {
    let read = async {
        loop {
            let mut frame = match read_frame_within(&mut stream, || limit.load(Ordering::Acquire)).await {
                Ok(frame) => frame,
                Err(error @ ReadFrameError::Length { .. }) => {
                    let kind = ErrorKind::Protocol {
                        address: peer.address.clone(),
                        api: "response".into(),
                        reason: error.to_string(),
                    };
                    return peer.waiting.poison(ClientError::new(peer.side, kind));
                }
                Err(error) => return peer.lost(error.to_string()),
            };
            let Ok(correlation_id) = frame.try_get_i32() else {
                return peer.lost("a response without a header".into());
            };
            if !peer.waiting.answer(correlation_id, frame) {
                return peer.lost(format!("a response to nothing (correlation id {correlation_id})"));
            }
        }
    };
    let _ = stop.run_until_cancelled(read).await;
    peer.lost("it was closed".into());
    stop.cancel();
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::ListGroupsRequest;

    use crate::client::testing::{Scripted, options};
    use crate::client::{ClientOptions, Cluster};

    use super::*;

    #[tokio::test]
    async fn an_idle_connection_is_closed_and_made_anew_when_it_is_wanted_again() {
        let scripted = Scripted::start(1, |_| None).await;
        let idle = ClientOptions { max_idle: Some(Duration::from_millis(100)), ..options() };
        let cluster = Cluster::new(scripted.addresses.clone(), idle);
        let is_open = || cluster.pool().live(&scripted.addresses[0]).is_some();
        let _ = cluster.metadata(Some(&[])).await.unwrap();
        assert!(is_open());
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!is_open());
        let _ = cluster.metadata(Some(&[])).await.unwrap();
        // One on which an answer is waited for is not idle
        let connection = cluster.any().await.unwrap();
        let answer = tokio::spawn(async move { connection.call(ListGroupsRequest::default()).await });
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(is_open() && !answer.is_finished());
        answer.abort();
    }
}
