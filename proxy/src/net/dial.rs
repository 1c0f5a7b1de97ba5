//! Opens TCP connections: to the first address of a name that answers, within one deadline.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::OptionFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::net::HostPort;

/// Delay after which the next address is tried while an earlier one has not answered yet. The earlier attempt
/// goes on (RFC 8305, section 5: Connection Attempt Delay).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Options of the sockets that Linkgate opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SocketOptions {
    /// SO_SNDBUF in bytes; if absent, the system chooses and adapts it to the load.
    pub send_buffer: Option<usize>,
    /// SO_RCVBUF in bytes; if absent, the system chooses.
    pub receive_buffer: Option<usize>,
}

/// Reason why no connection was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// The name has no address, or it cannot be looked up.
    #[error(transparent)]
    Unresolvable(io::Error),
    /// No address of the name accepted a connection in time.
    #[error(transparent)]
    Connect(#[from] io::Error),
}

/// Connects within `within`, name resolution included. Tries the addresses of the name one after the other
/// and takes the first that answers. Turns Nagle's algorithm off and keep-alive on.
///
/// # Errors
/// The error of the name, that of the address that failed last, or `TimedOut`.
pub(crate) async fn dial(
    address: &HostPort,
    options: SocketOptions,
    within: Duration,
) -> Result<TcpStream, DialError> {
    let deadline = Instant::now() + within;
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {within:?}"));
    let resolved = tokio::net::lookup_host((address.host.as_str(), address.port));
    let resolved = timeout_at(deadline, resolved).await.map_err(|_| late())?;
    let candidates: Vec<_> = resolved.map_err(DialError::Unresolvable)?.collect();
    if candidates.is_empty() {
        let nothing = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        return Err(DialError::Unresolvable(nothing));
    }
    let stream = timeout_at(deadline, first_of(candidates, within)).await.map_err(|_| late())??;
    apply(&stream, options)?;
    Ok(stream)
}

/// Connects to the first of these addresses that answers.
async fn first_of(candidates: Vec<SocketAddr>, within: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let shares = u32::try_from(candidates.len()).unwrap_or(u32::MAX).saturating_add(1);
    let delay = ATTEMPT_DELAY.min(within / shares);
    let mut waiting = candidates.into_iter();
    // `None` means at once: a timer fires only at the next whole millisecond.
    let (mut attempts, mut due) = (FuturesUnordered::new(), None);
    loop {
        if attempts.is_empty() && waiting.len() == 0 {
            return Err(last);
        }
        tokio::select! {
            biased;
            Some(attempt) = attempts.next(), if !attempts.is_empty() => match attempt {
                Ok(stream) => return Ok(stream),
                Err(error) => (last, due) = (error, None),
            },
            () = OptionFuture::from(due.map(sleep_until)).map(drop), if waiting.len() > 0 => {
                attempts.extend(waiting.next().map(TcpStream::connect));
                due = Some(Instant::now() + delay);
            }
        }
    }
}

fn apply(stream: &TcpStream, options: SocketOptions) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_keepalive(true)?;
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Returns an address that ignores connection attempts, since its listener's backlog is full.
    async fn black_hole() -> (std::net::TcpListener, Vec<TcpStream>, SocketAddr) {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let listener: std::net::TcpListener = socket.into();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(Ok(stream)) =
            tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
        {
            queue.push(stream);
            assert!(queue.len() < 64, "the queue never fills");
        }
        (listener, queue, address)
    }

    #[tokio::test]
    async fn a_silent_address_does_not_use_up_the_time_of_the_next() {
        let (_listener, _queue, silent) = black_hole().await;
        let answering = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = answering.local_addr().unwrap();
        let begun = Instant::now();
        let stream = first_of(vec![silent, there], Duration::from_secs(30)).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn after_a_refusal_the_next_address_is_tried_immediately() {
        let refusing = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let answering = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = answering.local_addr().unwrap();
        let stream = first_of(vec![refusing, there], Duration::from_secs(30)).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);
        let error = first_of(vec![refusing, refusing], Duration::from_secs(30)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(
            first_of(Vec::new(), Duration::from_secs(1)).await.unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
