//! ShareFetch: filler that the consumer acquired with an earlier answer is acknowledged along with its own records.

use crate::wire::header::RequestPrefix;
use crate::wire::share_fetch_request::ShareFetchRequest;

use super::super::inflight::Answer;
use super::super::requests::{RequestSide, Stop, request_error};

/// Epoch with which a share session begins: nothing is acquired in it yet.
const NEW_SESSION: i32 = 0;

impl RequestSide {
    pub(super) async fn share_fetch(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), Stop> {
        let gaps = self.gaps.take();
        self.expect(prefix, Answer::Rewrite).await?;
        if gaps.is_empty() {
            return self.pass(size).await;
        }
        let frame = self.take(size).await?;
        let request = ShareFetchRequest::read(frame, prefix.api_version)
            .map_err(|source| request_error(prefix, source))?;
        if request.session_epoch == NEW_SESSION {
            // The broker releases what the session before had acquired.
            return self.send(vec![request.frame().clone()]).await;
        }
        self.send(request.with_gaps(gaps)).await
    }
}
