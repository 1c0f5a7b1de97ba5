//! The two tasks of a connection: one writes requests, the other reads responses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::client::connection::correlation::OutstandingRequests;
use crate::client::error::{ClientError, ErrorKind, Side};
use crate::net::{HostPort, ReadFrameError, read_frame_within, write_segments};

/// Timeout for closing the stream.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Connection data for the two tasks.
#[derive(Clone)]
pub(crate) struct IoContext {
    pub(crate) side: Side,
    pub(crate) address: HostPort,
    pub(crate) waiting: Arc<OutstandingRequests>,
}

impl IoContext {
    fn lost(&self, reason: String) {
        let kind = ErrorKind::Lost { address: self.address.clone(), reason };
        self.waiting.poison(ClientError::new(self.side, kind));
    }
}

pub(crate) async fn write_loop(
    mut stream: impl AsyncWrite + Unpin,
    mut requests: mpsc::Receiver<Vec<Bytes>>,
    peer: IoContext,
    max_idle: Option<Duration>,
    stop: CancellationToken,
) {
    let write = async {
        while let Some(mut segments) = next(&mut requests, max_idle, &peer).await {
            // Further queued requests go out in the same write.
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
    // TLS announces the end of its stream. A peer that no longer reads must not keep the task alive.
    let _ = tokio::time::timeout(FLUSH_TIMEOUT, stream.shutdown()).await;
}

/// Waits for the next request; `None` if there will be none, or if the connection was idle for `max_idle`.
async fn next(
    requests: &mut mpsc::Receiver<Vec<Bytes>>,
    max_idle: Option<Duration>,
    peer: &IoContext,
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

pub(crate) async fn read_loop(
    mut stream: impl AsyncRead + Unpin,
    limit: Arc<AtomicUsize>,
    peer: IoContext,
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
                return peer.lost(format!("a response with unknown correlation id {correlation_id}"));
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

    use crate::client::test_support::{Scripted, options};
    use crate::client::{ClientOptions, Cluster};

    use super::*;

    #[tokio::test]
    async fn an_idle_connection_is_closed_and_opened_again_on_demand() {
        let scripted = Scripted::start(1, |_| None).await;
        let idle = ClientOptions { max_idle: Some(Duration::from_millis(100)), ..options() };
        let cluster = Cluster::new(scripted.addresses.clone(), idle);
        let is_open = || cluster.pool().live(&scripted.addresses[0]).is_some();
        let _ = cluster.metadata(Some(&[])).await.unwrap();
        assert!(is_open());
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!is_open());
        let _ = cluster.metadata(Some(&[])).await.unwrap();
        // A connection with an outstanding response is not idle
        let connection = cluster.any().await.unwrap();
        let answer = tokio::spawn(async move { connection.call(ListGroupsRequest::default()).await });
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(is_open() && !answer.is_finished());
        answer.abort();
    }
}
