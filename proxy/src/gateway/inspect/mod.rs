//! Requests that are read before they go on, one file per kind.
//!
//! What would change a read-only mirror topic is answered here; the rest of such a request goes on, and its answer is
//! completed with what was refused.

mod admin;
mod produce;
mod sasl;
mod share;
mod transaction;

use crate::wire::header::RequestPrefix;
use crate::wire::versions;

use super::requests::{RequestSide, Stop};

pub(super) use sasl::SaslTokens;

impl RequestSide {
    /// Reads a request whose api is in the table to be inspected.
    pub(super) async fn inspect(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), Stop> {
        match prefix.api_key {
            versions::PRODUCE => self.produce(prefix, size).await,
            versions::ADD_PARTITIONS_TO_TXN => self.add_partitions(prefix, size).await,
            versions::WRITE_TXN_MARKERS => self.write_markers(prefix, size).await,
            versions::SASL_HANDSHAKE => self.sasl_handshake(prefix, size).await,
            versions::SHARE_FETCH => self.share_fetch(prefix, size).await,
            _ => self.admin(prefix, size).await,
        }
    }
}
