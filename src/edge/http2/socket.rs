//! The socket of a client that speaks HTTP/2: its frames are counted, and a clock is told what it waits for.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Opening, meter::Meter};
use crate::edge::watch::Watch;

/// A client's socket under a [`Meter`] and a [`Watch`].
pub(in crate::edge) struct MeteredSocket {
    /// Gone only when this is dropped.
    pub(in crate::edge) socket: Option<Stream>,
    watch: Arc<Watch>,
    meter: Meter,
    /// What was read before its turn.
    held: BytesMut,
    flooded: bool,
}

impl MeteredSocket {
    pub(in crate::edge) fn new(opening: Opening, watch: Arc<Watch>) -> Self {
        Self { socket: Some(opening.socket), watch, meter: Meter::new(), held: opening.read, flooded: false }
    }

    fn socket(&mut self) -> io::Result<Pin<&mut Stream>> {
        self.socket.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.socket.as_ref()?.get_socket_digest()?.peer_addr()?.as_inet().copied()
    }

    /// Counts what was read.
    fn count(&mut self, read: &[u8]) -> io::Result<()> {
        let awaited = self.meter.awaits_more();
        if self.meter.read(read).is_err() {
            self.flooded = true;
            let peer = self.peer().map(|peer| peer.to_string());
            tracing::info!(peer, "a connection is cut: it sends too many HTTP/2 frames that are no requests");
            return Err(io::Error::other("a flood of HTTP/2 frames"));
        }
        match (awaited, self.meter.awaits_more()) {
            (false, true) => self.watch.frame_begun(),
            (true, false) => self.watch.stands_by(),
            (true, true) | (false, false) => {}
        }
        Ok(())
    }

    fn wrote(&mut self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.meter.sent(*bytes);
        }
    }

    /// Notes whether the client takes what is written. The connection is flushed whenever anything happens, so that
    /// this is no progress of anything.
    fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        match written {
            Poll::Ready(_) => self.watch.taken(),
            Poll::Pending => self.watch.stalled(),
        }
        written
    }
}

impl Drop for MeteredSocket {
    fn drop(&mut self) {
        let socket = self.socket.take().filter(|_| !self.flooded);
        self.watch.leave(|left| left.socket = socket);
    }
}

impl AsyncRead for MeteredSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.held.is_empty() {
            ready!(self.socket()?.poll_read(context, buffer))?;
        } else {
            let given = self.held.len().min(buffer.remaining());
            buffer.put_slice(&self.held.split_to(given));
        }
        self.count(buffer.filled().get(before..).unwrap_or_default())?;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MeteredSocket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.socket()?.poll_write(context, bytes);
        self.wrote(&written);
        self.note(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.socket()?.poll_flush(context);
        self.note(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = self.socket()?.poll_shutdown(context);
        self.note(closed)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.socket()?.poll_write_vectored(context, slices);
        self.wrote(&written);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.as_ref().is_some_and(Stream::is_write_vectored)
    }
}
