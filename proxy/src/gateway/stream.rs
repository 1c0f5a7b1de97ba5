//! The two ends of a connection, plain or TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio_rustls::TlsStream;

/// Reading end.
pub(super) type ReadEnd = Box<dyn Readable + Send + Unpin>;

/// Something to read from that may tell beforehand whether there is anything to read, so that nobody needs to hold a buffer
/// ready while there is not.
pub(super) trait Readable: AsyncRead {
    /// Waits until there are bytes, or the end. `false`: it cannot tell, only reading can.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>>;
}

impl Readable for OwnedReadHalf {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.as_ref().poll_read_ready(cx).map_ok(|()| true)
    }
}
/// Writing end. What was written must be flushed: TLS holds records back while the socket is full. Shutting it down sends
/// the end of the stream (and `close_notify`, where it is TLS); for plain TCP, dropping it does, too.
pub(super) type WriteEnd = Box<dyn AsyncWrite + Send + Unpin>;

/// A connection, to a client or to a broker. Nagle's algorithm must be off: every frame is written in one piece.
pub(super) enum Stream {
    /// PLAINTEXT and SASL_PLAINTEXT.
    Plain(TcpStream),
    /// SSL and SASL_SSL.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Both ends.
    pub(super) fn split(self) -> (ReadEnd, WriteEnd) {
        match self {
            Stream::Plain(tcp) => {
                let (read, write) = tcp.into_split();
                (Box::new(read), Box::new(write))
            }
            Stream::Tls(tls) => {
                let (read, write) = tokio::io::split(*tls);
                (Box::new(Unannounced(read)), Box::new(write))
            }
        }
    }
}

/// Takes the end of the TCP stream for that of the TLS stream. Many clients close without `close_notify`; what is cut off is
/// noticed all the same, since every frame says its size.
struct Unannounced<R>(R);

impl<R: AsyncRead + Unpin> AsyncRead for Unannounced<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.0).poll_read(cx, buffer)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            read => Poll::Ready(read),
        }
    }
}

impl Readable for Unannounced<ReadHalf<TlsStream<TcpStream>>> {
    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<bool>> {
        Poll::Ready(Ok(false))
    }
}
