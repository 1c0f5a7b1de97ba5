//! A part of a budget for connections that hold little, so that they never wait behind those that hold much.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Holder;

/// What a connection may hold in one direction to use the lane.
pub(super) const SMALL: usize = 64 * 1024;
/// Part of the budget that is the lane.
const PART_OF_BUDGET: usize = 8;
/// Part of the lane that one address may hold.
const PART_OF_ADDRESS: usize = 4;

/// The lane. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    permits: Arc<Semaphore>,
    bytes: usize,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Lane {
    /// None of a budget in which an address would not have room for a small frame.
    pub(super) fn of_a_budget(bytes: usize) -> Self {
        let bytes = bytes / PART_OF_BUDGET;
        let bytes = if bytes / PART_OF_ADDRESS < SMALL { 0 } else { bytes };
        Lane { permits: Arc::new(Semaphore::new(bytes)), bytes, by_address: Arc::default() }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `more`, where it is small and there is so much at once.
    pub(super) fn try_take(&self, holder: &Holder, more: usize) -> Option<InLane> {
        let share = self.share(holder, more)?;
        let permit = Arc::clone(&self.permits).try_acquire_many_owned(permits(more)).ok()?;
        Some(InLane { permit, share })
    }

    /// Waits for `more`; for ever where it is not small, or where its address has its share.
    pub(super) async fn take(&self, holder: &Holder, more: usize) -> InLane {
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
        let mut shares = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
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

/// What a hold has in the lane.
#[derive(Debug)]
pub(super) struct InLane {
    permit: OwnedSemaphorePermit,
    share: Share,
}

impl InLane {
    pub(super) fn merge(&mut self, other: InLane) {
        let InLane { permit, mut share } = other;
        self.permit.merge(permit);
        self.share.bytes += std::mem::take(&mut share.bytes);
    }
}

/// What an address has of the lane; given back when it is dropped.
#[derive(Debug)]
struct Share {
    lane: Lane,
    address: IpAddr,
    bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut shares = self.lane.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = shares.get_mut(&self.address) {
            *held = held.saturating_sub(self.bytes);
            if *held == 0 {
                let _ = shares.remove(&self.address);
            }
        }
    }
}
