//! Reserves a part of a budget, the lane, for connections that hold little, so that they never wait behind
//! connections that hold much.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::gateway::budget::Holder;

/// Maximum number of bytes that a connection may hold in one direction to use the lane.
pub(crate) const SMALL: usize = 64 * 1024;
/// Divisor of the budget that gives the size of the lane.
const PART_OF_BUDGET: usize = 8;
/// Divisor of the lane that gives the maximum share of one client address.
const PART_OF_ADDRESS: usize = 4;

/// Lane of a budget. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    permits: Arc<Semaphore>,
    bytes: usize,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Lane {
    /// Creates the lane of a budget of `bytes`. It is empty if the share of an address would have no room for
    /// a small frame.
    pub(crate) fn of_a_budget(bytes: usize) -> Self {
        let bytes = bytes / PART_OF_BUDGET;
        let bytes = if bytes / PART_OF_ADDRESS < SMALL { 0 } else { bytes };
        Lane { permits: Arc::new(Semaphore::new(bytes)), bytes, by_address: Arc::default() }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `more` bytes if the holder stays small and the bytes are free now.
    pub(crate) fn try_take(&self, holder: &Holder, more: usize) -> Option<InLane> {
        let share = self.share(holder, more)?;
        let permit = Arc::clone(&self.permits).try_acquire_many_owned(permits(more)).ok()?;
        Some(InLane { permit, share })
    }

    /// Waits for `more` bytes. Never returns if the holder would not stay small, or if its address has used
    /// up its share.
    pub(crate) async fn take(&self, holder: &Holder, more: usize) -> InLane {
        if let Some(share) = self.share(holder, more)
            && let Ok(permit) = Arc::clone(&self.permits).acquire_many_owned(permits(more)).await
        {
            return InLane { permit, share };
        }
        std::future::pending().await
    }

    fn share(&self, holder: &Holder, more: usize) -> Option<Share> {
        if holder.bytes().saturating_add(more) > SMALL {
            return None;
        }
        let mut shares = self.by_address.lock();
        let held = shares.get(&holder.address).copied().unwrap_or_default();
        if held + more > self.bytes / PART_OF_ADDRESS {
            return None;
        }
        let _ = shares.insert(holder.address, held + more);
        Some(Share { lane: self.clone(), address: holder.address, bytes: more })
    }
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Bytes of the lane that one budget permit has.
#[derive(Debug)]
pub(crate) struct InLane {
    permit: OwnedSemaphorePermit,
    share: Share,
}

impl InLane {
    pub(crate) fn merge(&mut self, other: InLane) {
        let InLane { permit, mut share } = other;
        self.permit.merge(permit);
        self.share.bytes += std::mem::take(&mut share.bytes);
    }
}

/// Bytes of the lane that one address has. Dropping this gives them back.
#[derive(Debug)]
struct Share {
    lane: Lane,
    address: IpAddr,
    bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut shares = self.lane.by_address.lock();
        if let Some(held) = shares.get_mut(&self.address) {
            *held = held.saturating_sub(self.bytes);
            if *held == 0 {
                let _ = shares.remove(&self.address);
            }
        }
    }
}
