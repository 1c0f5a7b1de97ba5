//! The two ends of a connection. Plain TCP only; TLS becomes another variant here and nowhere else.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Reading end.
pub(super) type ReadEnd = Box<dyn AsyncRead + Send + Unpin>;
/// Writing end. Dropping it sends the end of the stream.
pub(super) type WriteEnd = Box<dyn AsyncWrite + Send + Unpin>;

/// A connection, to a client or to a broker.
pub(super) enum Stream {
    /// PLAINTEXT.
    Plain(TcpStream),
}

impl Stream {
    /// A TCP connection. Nagle's algorithm must be off: every frame is written in one piece.
    pub(super) fn plain(tcp: TcpStream) -> Self {
        Stream::Plain(tcp)
    }

    /// Both ends.
    pub(super) fn split(self) -> (ReadEnd, WriteEnd) {
        match self {
            Stream::Plain(tcp) => {
                let (read, write) = tcp.into_split();
                (Box::new(read), Box::new(write))
            }
        }
    }
}
