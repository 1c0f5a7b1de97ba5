//! Opening a TCP connection: to whichever address of the name answers, within one deadline.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::OptionFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::HostPort;

/// An address that is silent for so long is not given up, but the next one is tried beside it (RFC 8305, section 5: Connection Attempt
/// Delay).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Options of the sockets that we open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SocketOptions {
    /// SO_SNDBUF in bytes; the system's choice (which grows with the load) when absent.
    pub send_buffer: Option<usize>,
    /// SO_RCVBUF in bytes; the system's choice when absent.
    pub receive_buffer: Option<usize>,
}

/// Connects within `within`, name resolution included. All addresses of the name are tried, one after another, and the first that
/// answers is taken. Nagle's algorithm is off, keep-alive on.
///
/// # Errors
/// The last address's error, or `TimedOut`.
pub async fn dial(address: &HostPort, options: SocketOptions, within: Duration) -> io::Result<TcpStream> {
    let deadline = Instant::now() + within;
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {within:?}"));
    let resolved = tokio::net::lookup_host((address.host.as_str(), address.port));
    let candidates: Vec<_> = timeout_at(deadline, resolved).await.map_err(|_| late())??.collect();
    let stream = timeout_at(deadline, first_of(candidates, within)).await.map_err(|_| late())??;
    apply(&stream, options)?;
    Ok(stream)
}

/// A connection to the first of these that answers.
async fn first_of(candidates: Vec<SocketAddr>, within: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let shares = u32::try_from(candidates.len()).unwrap_or(u32::MAX).saturating_add(1);
    let delay = ATTEMPT_DELAY.min(within / shares);
    let mut waiting = candidates.into_iter();
    // A timer fires at the next whole millisecond only, so what is to be done at once must not ask one.
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

    /// An address that swallows connection attempts: its listener's queue is full.
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
    async fn an_address_that_swallows_everything_does_not_use_up_the_time_of_the_next() {
        let (_listener, _queue, silent) = black_hole().await;
        let answering = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = answering.local_addr().unwrap();
        let begun = Instant::now();
        let stream = first_of(vec![silent, there], Duration::from_secs(30)).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_refusal_passes_on_to_the_next_at_once_and_the_last_one_is_told() {
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
