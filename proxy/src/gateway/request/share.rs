//! Handles ShareFetch: acknowledges filler that the consumer acquired with an earlier response, together with
//! the consumer's own records.

use crate::wire::messages::share_fetch_request::ShareFetchRequest;
use crate::wire::protocol::header::RequestPrefix;

use crate::gateway::in_flight::ResponsePlan;
use crate::gateway::request::end::RequestEnd;
use crate::gateway::request::side::{RequestSide, request_error};

/// Epoch of the request that begins a share session. Nothing is acquired in the session yet.
const NEW_SESSION: i32 = 0;

impl RequestSide {
    pub(crate) async fn share_fetch(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), RequestEnd> {
        let gaps = self.gaps.take();
        self.expect(prefix, ResponsePlan::Rewrite).await?;
        if gaps.is_empty() {
            return self.pass(size).await;
        }
        let frame = self.take(size).await?;
        let request = ShareFetchRequest::read(frame, prefix.api_version)
            .map_err(|source| request_error(prefix, source))?;
        if request.session_epoch == NEW_SESSION {
            // The broker releases what the previous session had acquired.
            return self.send(vec![request.frame().clone()]).await;
        }
        self.send(request.with_gaps(gaps)).await
    }
}
