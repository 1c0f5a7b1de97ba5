//! One direction of one connection through a [`FaultProxy`](super::FaultProxy).

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::SockRef;

use super::behaviour::{Direction, Switch, Verdict};

/// A connection of a client and its continuation to the broker.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: u64,
    client: TcpStream,
    server: TcpStream,
    /// Bytes of the connection were dropped: it must not go on.
    pub(super) tainted: AtomicBool,
    over: AtomicBool,
}

impl Connection {
    pub(super) fn new(id: u64, client: TcpStream, server: TcpStream) -> Connection {
        for stream in [&client, &server] {
            let _ = stream.set_nodelay(true);
            // A write must notice that the connection is over although its peer reads nothing.
            let _ = stream.set_write_timeout(Some(Duration::from_millis(250)));
        }
        Connection { id, client, server, tainted: AtomicBool::new(false), over: AtomicBool::new(false) }
    }

    /// Ends the connection in order: both sides see the end of the stream.
    pub(super) fn cut(&self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    /// Ends the connection with RST on both sides, as soon as both pumps have released it.
    pub(super) fn reset(&self) {
        self.over.store(true, Ordering::Relaxed);
        for stream in [&self.client, &self.server] {
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
            // Wakes the pump without a packet to the peer.
            let _ = stream.shutdown(Shutdown::Read);
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Moves the bytes of one direction until the connection is over.
    pub(super) fn pump(&self, direction: Direction, switch: &Switch) {
        let (mut from, to) = match direction {
            Direction::Requests => (&self.client, &self.server),
            Direction::Responses => (&self.server, &self.client),
        };
        let mut passage = Passage { connection: self, direction, switch, to, era: 0, passed: 0 };
        let mut bytes = vec![0; 64 << 10];
        loop {
            match from.read(&mut bytes) {
                Ok(0) => break,
                Ok(n) => {
                    if passage.carry(&bytes[..n]).is_err() {
                        return self.cut();
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.reset(),
            }
        }
        // The end of a half-open connection is not passed on.
        let (verdict, _) = switch.verdict(self.id, direction, &AtomicBool::new(false));
        if verdict == Verdict::Swallow {
            self.tainted.store(true, Ordering::Relaxed);
        } else if !self.is_over() {
            let _ = to.shutdown(Shutdown::Write);
        }
    }
}

/// The connection was cut while bytes were carried.
struct Over;

struct Passage<'a> {
    connection: &'a Connection,
    direction: Direction,
    switch: &'a Switch,
    to: &'a TcpStream,
    /// Era of the verdict for which `passed` counts.
    era: u64,
    passed: u64,
}

impl Passage<'_> {
    fn carry(&mut self, mut bytes: &[u8]) -> Result<(), Over> {
        while !bytes.is_empty() {
            if self.connection.is_over() {
                return Err(Over);
            }
            let (verdict, era) =
                self.switch.verdict(self.connection.id, self.direction, &self.connection.tainted);
            if era != self.era {
                (self.era, self.passed) = (era, 0);
            }
            if verdict != Verdict::Pass {
                self.switch.hit();
            }
            match verdict {
                Verdict::Pass => return self.write(bytes),
                Verdict::Late { latency, jitter } => {
                    std::thread::sleep(latency + jitter.mul_f64(fastrand::f64()));
                    return self.write(bytes);
                }
                Verdict::UpTo(limit) => {
                    let left = usize::try_from(limit.saturating_sub(self.passed)).unwrap_or(usize::MAX);
                    if left <= bytes.len() {
                        let _ = self.write(&bytes[..left]);
                        return Err(Over);
                    }
                    self.passed += bytes.len() as u64;
                    return self.write(bytes);
                }
                Verdict::Swallow => return Ok(()),
                Verdict::Wait => self.switch.wait_for_change(era),
                Verdict::Slowly(rate) => {
                    let portion = usize::try_from(rate / 20).unwrap_or(usize::MAX).clamp(1, bytes.len());
                    self.write(&bytes[..portion])?;
                    bytes = &bytes[portion..];
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
        Ok(())
    }

    fn write(&self, mut bytes: &[u8]) -> Result<(), Over> {
        let mut to = self.to;
        while !bytes.is_empty() {
            match to.write(bytes) {
                Ok(0) => return Err(Over),
                Ok(n) => bytes = &bytes[n..],
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) =>
                {
                    if self.connection.is_over() {
                        return Err(Over);
                    }
                }
                Err(_) => return Err(Over),
            }
        }
        Ok(())
    }
}
