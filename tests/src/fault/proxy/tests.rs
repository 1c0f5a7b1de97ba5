//! Tests of each fault with an echo server.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::*;
use crate::machine::ports::PortBlock;
use crate::machine::wait::until;

/// An echo server behind a proxy.
struct Rig {
    proxy: FaultProxy,
    ports: PortBlock,
}

impl Rig {
    fn new() -> Rig {
        let ports = PortBlock::claim();
        let listener = TcpListener::bind(("127.0.0.1", ports.port(0))).expect("the port is free");
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || {
                    let mut bytes = [0; 4096];
                    while let Ok(n) = stream.read(&mut bytes) {
                        if n == 0 || stream.write_all(&bytes[..n]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Rig { proxy: FaultProxy::start(ports.port(1), ports.port(0)), ports }
    }

    fn try_connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.ports.port(1)))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(stream)
    }

    fn connect(&self) -> TcpStream {
        let mut stream = self.try_connect().expect("the proxy listens");
        assert_eq!(echo(&mut stream, b"hello").expect("an echo"), b"hello");
        stream
    }
}

fn echo(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(bytes)?;
    let mut answer = vec![0; bytes.len()];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// Asserts that a read gets nothing for the time `within`: no bytes, no end and no reset.
fn nothing_arrives(stream: &mut TcpStream, within: Duration) {
    stream.set_read_timeout(Some(within)).expect("a timeout");
    let error = stream.read(&mut [0; 16]).expect_err("bytes arrived, or the end did");
    assert!(matches!(error.kind(), std::io::ErrorKind::WouldBlock), "{error}");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
}

#[test]
fn a_cut_ends_the_stream_and_a_reset_resets_it() {
    let rig = Rig::new();
    let mut stream = rig.connect();
    assert_eq!(rig.proxy.cut(), 1);
    assert_eq!(stream.read(&mut [0; 1]).expect("the end of the stream"), 0);

    until("the proxy forgets it", Duration::from_secs(5), || (rig.proxy.connections() == 0).then_some(()));
    let mut stream = rig.connect();
    assert_eq!(rig.proxy.reset(), 1);
    let error = stream.read(&mut [0; 1]).expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    until("the proxy forgets them", Duration::from_secs(5), || (rig.proxy.connections() == 0).then_some(()));
}

#[test]
fn a_frame_is_cut_in_its_middle() {
    let rig = Rig::new();
    let mut stream = rig.connect();
    rig.proxy.set(Behaviour::CutAfter { direction: Direction::Responses, bytes: 3 });
    stream.write_all(b"0123456789").expect("a write");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert_eq!(answer, b"012");
    rig.proxy.clear();
    let _ = rig.connect();
}

#[test]
fn a_delay_delays_and_a_throttle_throttles() {
    let rig = Rig::new();
    let mut stream = rig.connect();
    rig.proxy
        .set(Behaviour::Delay { latency: Duration::from_millis(100), jitter: Duration::from_millis(20) });
    let begin = Instant::now();
    assert_eq!(echo(&mut stream, b"late").expect("an echo"), b"late");
    assert!(begin.elapsed() >= Duration::from_millis(200), "{:?}", begin.elapsed());

    rig.proxy.set(Behaviour::Throttle { bytes_per_second: 10_000 });
    let begin = Instant::now();
    assert_eq!(echo(&mut stream, &[7; 4_000]).expect("an echo"), [7; 4_000]);
    assert!(begin.elapsed() >= Duration::from_millis(350), "{:?}", begin.elapsed());
}

/// Given a half-open connection, then neither bytes nor an end arrive, until the fault ends with a reset.
#[test]
fn a_half_open_connection_is_silent_and_then_reset() {
    let rig = Rig::new();
    let mut old = rig.connect();
    rig.proxy.set(Behaviour::Swallow { requests: true, responses: true });
    let mut new = rig.try_connect().expect("it accepts");
    for stream in [&mut old, &mut new] {
        stream.write_all(b"anybody?").expect("a write");
        nothing_arrives(stream, Duration::from_millis(200));
    }
    rig.proxy.clear();
    for mut stream in [old, new] {
        let error = stream.read(&mut [0; 1]).expect_err("a reset");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    assert!(rig.proxy.hits() >= 2);
}

#[test]
fn held_bytes_arrive_complete() {
    let rig = Rig::new();
    let mut stream = rig.connect();
    rig.proxy.set(Behaviour::Hold { requests: false, responses: true });
    stream.write_all(b"patience").expect("a write");
    nothing_arrives(&mut stream, Duration::from_millis(200));
    rig.proxy.clear();
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).expect("what was held");
    assert_eq!(&answer, b"patience");
}

#[test]
fn one_of_two_connections_overtakes_the_other() {
    let rig = Rig::new();
    let mut streams = [rig.connect(), rig.connect()];
    rig.proxy.set(Behaviour::HoldSome);
    for stream in &mut streams {
        stream.write_all(b"first?").expect("a write");
        stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    }
    let arrived = streams.each_mut().map(|s| s.read_exact(&mut [0; 6]).is_ok());
    assert_eq!(arrived.iter().filter(|a| **a).count(), 1, "{arrived:?}");
    rig.proxy.clear();
    let held = usize::from(arrived[0]);
    streams[held].read_exact(&mut [0; 6]).expect("what was held");
}

#[test]
fn connections_are_refused_and_then_accepted_again() {
    let rig = Rig::new();
    let mut stream = rig.connect();
    rig.proxy.set(Behaviour::Refuse);
    assert!(echo(&mut stream, b"hello").is_err());
    until("it refuses", Duration::from_secs(5), || {
        let error = rig.try_connect().err()?;
        (error.kind() == std::io::ErrorKind::ConnectionRefused).then_some(())
    });
    rig.proxy.clear();
    let mut stream = until("it accepts", Duration::from_secs(5), || rig.try_connect().ok());
    assert_eq!(echo(&mut stream, b"back").expect("an echo"), b"back");
}

/// Given a connection, when the proxy gets another target, then the connection ends and the next one reaches
/// the new target.
#[test]
fn a_new_target_cuts_open_connections() {
    let rig = Rig::new();
    let mut stream = rig.connect();
    let elsewhere = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    rig.proxy.lead_to(elsewhere.local_addr().expect("it has one").port());
    assert_eq!(stream.read(&mut [0; 1]).expect("the end of the stream"), 0);
    let _client = rig.try_connect().expect("the proxy listens");
    let (mut server, _) = elsewhere.accept().expect("the connection arrives");
    server.write_all(b"elsewhere").expect("a write");
}
