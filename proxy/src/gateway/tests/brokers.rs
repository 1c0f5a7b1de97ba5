//! Brokers that appear, disappear and move.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use prometheus_client::registry::Registry;
use state::model::TopicGuards;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::client::ClientError;
use crate::net::HostPort;

use crate::gateway::error::CloseCause;
use crate::gateway::listen::broker_discovery::BrokerDirectory;
use crate::gateway::metrics::GatewayMetrics;
use crate::gateway::tests::fixture::{PATIENCE, Peer};
use crate::gateway::tests::ordering::{beat, heartbeat};
use crate::gateway::{Gateway, GatewayHandle, GatewayOptions, Limits};

/// Directory whose brokers a test moves about.
#[derive(Clone, Default)]
struct Moving {
    brokers: Arc<Mutex<Vec<(i32, HostPort)>>>,
    asked: Arc<AtomicUsize>,
}

impl BrokerDirectory for Moving {
    fn brokers(&self) -> BoxFuture<'_, Result<Vec<(i32, HostPort)>, ClientError>> {
        let _ = self.asked.fetch_add(1, Ordering::Relaxed);
        let brokers = self.brokers.lock().unwrap().clone();
        Box::pin(async { Ok(brokers) })
    }
}

impl Moving {
    fn put(&self, id: i32, at: HostPort) {
        let mut brokers = self.brokers.lock().unwrap();
        brokers.retain(|(known, _)| *known != id);
        brokers.push((id, at));
    }
}

/// Eight consecutive ports that are free and claimed for one test. They lie below the ports that the system
/// hands out, because one of those may be another test's connection.
struct Ports {
    first: u16,
    /// Listener on the last port. It is bound as long as the others are in use.
    _claim: std::net::TcpListener,
}

impl Ports {
    fn claim() -> Ports {
        let bind = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port));
        for _ in 0..1_000 {
            let first = 10_000 + fastrand::u16(0..1_200) * 8;
            let Ok(claim) = bind(first + 7) else { continue };
            if (first..first + 7).all(|port| bind(port).is_ok()) {
                return Ports { first, _claim: claim };
            }
        }
        panic!("no eight consecutive ports are free");
    }
}

struct Running {
    handle: GatewayHandle,
    metrics: GatewayMetrics,
    stop: CancellationToken,
}

impl Running {
    async fn start(directory: &Moving, ports: &Ports, directory_interval: Duration) -> Running {
        let options = GatewayOptions {
            bootstrap_servers: vec![HostPort::new("127.0.0.1", 1)],
            listen_host: "127.0.0.1".into(),
            listen_port: ports.first,
            advertised_host: "gate.example".into(),
            advertised_port: None,
            listener_tls: None,
            sasl: false,
            broker_tls: None,
            limits: Limits { directory_interval, ..Limits::default() },
        };
        let (_guards, watched) = watch::channel(Arc::new(TopicGuards::default()));
        let gateway = Gateway::new(options, Arc::new(directory.clone()), watched, &mut Registry::default());
        let (metrics, stop) = (gateway.metrics.clone(), CancellationToken::new());
        Running { handle: gateway.run(stop.clone()).await.unwrap(), metrics, stop }
    }

    async fn stop(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.handle.stopped()).await.expect("a task is left");
    }

    async fn port_of(&self, id: i32) -> u16 {
        let open = async {
            loop {
                match self.handle.broker_address(id) {
                    Some(address) => return address.port(),
                    None => sleep(Duration::from_millis(5)).await,
                }
            }
        };
        timeout(PATIENCE, open).await.expect("no listener")
    }
}

/// Starts a broker that answers heartbeats on every connection.
async fn broker() -> HostPort {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = HostPort::new("127.0.0.1", listener.local_addr().unwrap().port());
    drop(tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            drop(tokio::spawn(async move {
                let mut peer = Peer(tcp);
                let _ = peer.receive().await;
                peer.send(&beat(1)).await;
                peer.closed().await;
            }));
        }
    }));
    address
}

/// Returns true if a client that connects to `port` gets an answer.
async fn is_served(port: u16) -> bool {
    let mut client = Peer(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    client.send(&heartbeat(1)).await;
    let mut size = [0; 4];
    let read = tokio::io::AsyncReadExt::read_exact(&mut client.0, &mut size);
    timeout(PATIENCE, read).await.expect("neither answered nor closed").is_ok()
}

async fn until_served(port: u16) {
    let served = async {
        while !is_served(port).await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, served).await.expect("never served");
}

#[tokio::test]
async fn the_gateway_starts_and_stays_up_without_a_broker_and_serves_once_there_is_one() {
    let directory = Moving::default();
    let ports = Ports::claim();
    let running = Running::start(&directory, &ports, Duration::from_millis(200)).await;
    let bootstrap = running.handle.bootstrap_address().port();
    for _ in 0..3 {
        assert!(!is_served(bootstrap).await);
    }
    assert_eq!(running.metrics.closed_by(CloseCause::NoBroker), 3);
    directory.put(1, broker().await);
    until_served(bootstrap).await;
    running.stop().await;
}

#[tokio::test]
async fn a_new_broker_gets_its_port_and_the_others_keep_theirs() {
    let directory = Moving::default();
    directory.put(1, broker().await);
    let ports = Ports::claim();
    let running = Running::start(&directory, &ports, Duration::from_millis(100)).await;
    let (bootstrap, first) = (running.handle.bootstrap_address().port(), running.port_of(1).await);
    assert_eq!(first, bootstrap + 2);
    directory.put(3, broker().await);
    assert_eq!(running.port_of(3).await, bootstrap + 4);
    assert_eq!(running.port_of(1).await, first);
    assert!(is_served(bootstrap + 4).await && is_served(first).await);
    running.stop().await;
}

/// Given a broker that has moved, when a client does not reach it, then the directory is asked at once,
/// without waiting for its interval, and the same port leads to the new address.
#[tokio::test]
async fn a_broker_that_moved_is_found_through_the_same_port() {
    let directory = Moving::default();
    directory.put(1, HostPort::new("127.0.0.1", 1));
    let ports = Ports::claim();
    let running = Running::start(&directory, &ports, Duration::from_secs(3)).await;
    let port = running.port_of(1).await;
    directory.put(1, broker().await);
    let moved = Instant::now();
    until_served(port).await;
    assert!(moved.elapsed() < Duration::from_millis(2_000), "{:?}", moved.elapsed());
    assert_eq!(running.port_of(1).await, port);
    running.stop().await;
}

/// Given a broker that stays away, when clients retry again and again, then the directory is asked at a
/// bounded rate.
#[tokio::test]
async fn clients_that_cannot_reach_a_broker_do_not_flood_the_directory() {
    let directory = Moving::default();
    directory.put(1, HostPort::new("127.0.0.1", 1));
    let ports = Ports::claim();
    let running = Running::start(&directory, &ports, Duration::from_secs(1)).await;
    let port = running.port_of(1).await;
    let (asked, begun) = (directory.asked.load(Ordering::Relaxed), Instant::now());
    let mut failed = 0;
    while begun.elapsed() < Duration::from_millis(600) {
        assert!(!is_served(port).await);
        failed += 1;
    }
    let asked = directory.asked.load(Ordering::Relaxed) - asked;
    let most = begun.elapsed().as_millis() as usize / 100 + 1;
    assert!(failed > 20 && (2..=most).contains(&asked), "{asked} questions for {failed} clients");
    running.stop().await;
}

#[tokio::test]
async fn ports_are_the_same_after_a_restart() {
    let directory = Moving::default();
    directory.put(1, broker().await);
    let ports = Ports::claim();
    let running = Running::start(&directory, &ports, Duration::from_millis(100)).await;
    let (bootstrap, first) = (running.handle.bootstrap_address().port(), running.port_of(1).await);
    running.stop().await;
    // Another broker is known first this time.
    let directory = Moving::default();
    directory.put(2, broker().await);
    let running = Running::start(&directory, &ports, Duration::from_millis(100)).await;
    assert_eq!(running.port_of(2).await, bootstrap + 3);
    directory.put(1, broker().await);
    assert_eq!(running.port_of(1).await, first);
    assert!(is_served(first).await);
    running.stop().await;
}
