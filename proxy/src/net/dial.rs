//! Opening a TCP connection: every address of the name in turn, within one deadline.

use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::HostPort;

/// Options of the sockets that we open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SocketOptions {
    /// SO_SNDBUF in bytes; the system's choice (which grows with the load) when absent.
    pub send_buffer: Option<usize>,
    /// SO_RCVBUF in bytes; the system's choice when absent.
    pub receive_buffer: Option<usize>,
}

/// Connects within `within`, name resolution included. Nagle's algorithm is off, keep-alive on.
///
/// # Errors
/// The last address's error, or `TimedOut`.
pub async fn dial(address: &HostPort, options: SocketOptions, within: Duration) -> io::Result<TcpStream> {
    let deadline = Instant::now() + within;
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {within:?}"));
    let resolved = tokio::net::lookup_host((address.host.as_str(), address.port));
    let candidates: Vec<_> = timeout_at(deadline, resolved).await.map_err(|_| late())??.collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for candidate in candidates {
        match timeout_at(deadline, TcpStream::connect(candidate)).await {
            Ok(Ok(stream)) => {
                apply(&stream, options)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => return Err(late()),
        }
    }
    Err(last)
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
