//! Wraps the ends of a connection, to record all bytes and all waits.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::gateway::connection::OpenConnection;
use crate::gateway::connection::activity::WrittenPeer;
use crate::gateway::frame::stream::{ReadEnd, Readable, WriteEnd};

/// Wraps the reading end of a client.
pub(crate) fn metered_read(io: ReadEnd, connection: &Arc<OpenConnection>) -> ReadEnd {
    Box::new(MeteredRead { io, connection: Arc::clone(connection) })
}

/// Wraps the writing end of a client or of a broker.
pub(crate) fn metered_write(io: WriteEnd, peer: WrittenPeer, connection: &Arc<OpenConnection>) -> WriteEnd {
    Box::new(MeteredWrite { io, peer, connection: Arc::clone(connection) })
}

struct MeteredRead {
    io: ReadEnd,
    connection: Arc<OpenConnection>,
}

impl AsyncRead for MeteredRead {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        match polled {
            Poll::Pending => self.connection.activity.client_waited_for(),
            Poll::Ready(_) => self.connection.arrived((buf.filled().len() - before) as u64),
        }
        polled
    }
}

impl Readable for MeteredRead {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let polled = self.io.poll_readable(cx);
        if polled.is_pending() {
            self.connection.activity.client_waited_for();
        }
        polled
    }
}

struct MeteredWrite {
    io: WriteEnd,
    peer: WrittenPeer,
    connection: Arc<OpenConnection>,
}

impl MeteredWrite {
    fn note(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Pending => self.connection.activity.blocked(self.peer),
            Poll::Ready(taken) => self.connection.taken(self.peer, *taken.as_ref().unwrap_or(&0)),
        }
        polled
    }
}

impl AsyncWrite for MeteredWrite {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        self.note(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.note(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(cx).map_ok(|()| 0);
        ready!(self.note(polled))?;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_shutdown(cx).map_ok(|()| 0);
        ready!(self.note(polled))?;
        Poll::Ready(Ok(()))
    }
}
