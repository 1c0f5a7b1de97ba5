//! Ports that no other process takes, even if several harnesses run at once.
//!
//! A block is sixteen consecutive ports below the system's range for outgoing connections. Its last port
//! stays bound as long as the block lives, so two harnesses never share a block.

use std::net::TcpListener;

const FIRST: u16 = 20_000;
const BLOCKS: u16 = 750;
const SIZE: u16 = 16;

/// Sixteen consecutive ports of 127.0.0.1; fifteen of them are usable.
#[derive(Debug)]
pub struct PortBlock {
    base: u16,
    _claim: TcpListener,
}

impl PortBlock {
    /// Claims a free block.
    ///
    /// # Panics
    /// Panics if no block is free.
    #[must_use]
    pub fn claim() -> PortBlock {
        for _ in 0..2_000 {
            let base = FIRST + fastrand::u16(0..BLOCKS) * SIZE;
            let Ok(claim) = TcpListener::bind(("127.0.0.1", base + SIZE - 1)) else { continue };
            if (base..base + SIZE - 1).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
                return PortBlock { base, _claim: claim };
            }
        }
        panic!("no sixteen consecutive ports are free on 127.0.0.1");
    }

    /// Returns port `n` of the block.
    ///
    /// # Panics
    /// Panics if `n` is 15 or more.
    #[must_use]
    pub fn port(&self, n: u16) -> u16 {
        assert!(n < SIZE - 1, "a block has fifteen ports, port {n} was asked for");
        self.base + n
    }
}
