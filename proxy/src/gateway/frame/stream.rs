//! The two ends of a connection, plaintext or TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio_rustls::TlsStream;

/// Reading end of a connection.
pub(crate) type ReadEnd = Box<dyn Readable + Send + Unpin>;

/// Reader that may be able to tell beforehand whether there is anything to read. Then no buffer has to be
/// kept ready while there is nothing.
pub(crate) trait Readable: AsyncRead {
    /// Waits until there are bytes, or the end of the stream. Returns `false` if only a read can tell.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>>;
}

impl Readable for OwnedReadHalf {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.as_ref().poll_read_ready(cx).map_ok(|()| true)
    }
}
/// Writing end of a connection. Written bytes must be flushed: TLS holds records back while the socket is
/// full. A shutdown sends the end of the stream (with TLS, also `close_notify`). With plain TCP, dropping the
/// end does so too.
pub(crate) type WriteEnd = Box<dyn AsyncWrite + Send + Unpin>;

/// Connection to a client or to a broker. Nagle's algorithm must be off: every frame is written in one piece.
pub(crate) enum Stream {
    /// PLAINTEXT and SASL_PLAINTEXT.
    Plain(TcpStream),
    /// SSL and SASL_SSL.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Splits the connection into its two ends.
    pub(crate) fn split(self) -> (ReadEnd, WriteEnd) {
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

/// Reader that takes the end of the TCP stream for the end of the TLS stream. Many clients close without
/// `close_notify`. A frame that is cut off is noticed all the same, since every frame states its size.
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
