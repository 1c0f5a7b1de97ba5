//! Opens listeners.

use std::io;

use tokio::net::{TcpListener, TcpSocket};

/// Maximum number of connections that the system has accepted and Linkgate has not. Clients beyond that wait for
/// a second before they retry, so a flood of connections would slow down all others.
const BACKLOG: u32 = 4096;

/// Listens on the first address of `host` that can be bound.
///
/// # Errors
/// The system's error for the last address.
pub(crate) async fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in tokio::net::lookup_host((host, port)).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        match socket.bind(address).and_then(|()| socket.listen(BACKLOG)) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}
