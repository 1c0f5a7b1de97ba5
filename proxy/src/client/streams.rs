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
    stop: CancellationToken,
) {
    let write = async {
        while let Some(mut segments) = requests.recv().await {
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
