//! A long line: a TCP proxy that delivers each byte a fixed time after it was sent. Unlike
//! [`Behaviour::Delay`](super::Behaviour), it keeps any number of bytes under way, so it does not bound the
//! rate by itself.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes read at once.
const PIECE: usize = 256 << 10;
/// Maximum bytes under way in one direction of one connection by default. About what Linux allows
/// (`tcp_rmem`).
const WINDOW: usize = 6 << 20;

#[derive(Debug)]
struct Shared {
    target: u16,
    /// Delay of each direction, in microseconds.
    delay_us: AtomicU64,
    window: AtomicUsize,
    stop: AtomicBool,
    /// Streams of the connections, to end them.
    streams: Mutex<Vec<TcpStream>>,
}

/// The line. It stops when dropped.
#[derive(Debug)]
pub struct Line {
    shared: Arc<Shared>,
    port: u16,
}

impl Line {
    /// Listens on `port` of 127.0.0.1 and connects to port `target` there, without a delay.
    ///
    /// # Panics
    /// Panics if the port is taken.
    #[must_use]
    pub fn start(port: u16, target: u16) -> Line {
        let shared = Arc::new(Shared {
            target,
            delay_us: AtomicU64::new(0),
            window: AtomicUsize::new(WINDOW),
            stop: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap_or_else(|e| panic!("port {port}: {e}"));
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.stop.load(Relaxed) {
                    return;
                }
                join(&accepting, client);
            }
        });
        Line { shared, port }
    }

    /// Sets the round trip: each direction takes half of it. Bytes under way keep their delay.
    pub fn set_round_trip(&self, round_trip: Duration) {
        let half = u64::try_from(round_trip.as_micros() / 2).expect("a short time");
        self.shared.delay_us.store(half, Relaxed);
    }

    /// Bounds the bytes under way in each direction of each connection, as socket buffers do.
    pub fn set_window(&self, bytes: usize) {
        self.shared.window.store(bytes, Relaxed);
    }

    /// Ends all connections.
    pub fn cut(&self) {
        let mut streams = self.shared.streams.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        self.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn join(shared: &Arc<Shared>, client: TcpStream) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.target)) else { return };
    for (from, to) in [(&client, &server), (&server, &client)] {
        let (Ok(from), Ok(to), Ok(kept)) = (from.try_clone(), to.try_clone(), from.try_clone()) else {
            return;
        };
        let _ = from.set_nodelay(true);
        shared.streams.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        let (pieces, due) = channel();
        let under_way = Arc::new(AtomicUsize::new(0));
        let (shared, counted) = (Arc::clone(shared), Arc::clone(&under_way));
        std::thread::spawn(move || take(&shared, from, &pieces, &counted));
        std::thread::spawn(move || deliver(to, &due, &under_way));
    }
}

fn take(shared: &Shared, mut from: TcpStream, pieces: &Sender<(Instant, Vec<u8>)>, under_way: &AtomicUsize) {
    let mut buffer = vec![0; PIECE];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        let at = Instant::now() + Duration::from_micros(shared.delay_us.load(Relaxed));
        let _ = under_way.fetch_add(n, Relaxed);
        if pieces.send((at, buffer[..n].to_vec())).is_err() {
            return;
        }
        while under_way.load(Relaxed) >= shared.window.load(Relaxed) && !shared.stop.load(Relaxed) {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn deliver(mut to: TcpStream, due: &Receiver<(Instant, Vec<u8>)>, under_way: &AtomicUsize) {
    for (at, bytes) in due {
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
        let _ = under_way.fetch_sub(bytes.len(), Relaxed);
    }
    let _ = to.shutdown(Shutdown::Write);
}
