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

use super::{
    Opening,
    meter::{Meter, Pieces},
};
use crate::edge::{ServerSettings, pace::Pace, watch::Watch};

/// A client's socket under a [`Meter`] and a [`Watch`].
pub(in crate::edge) struct MeteredSocket {
    /// Gone only when this is dropped.
    pub(in crate::edge) socket: Option<Stream>,
    watch: Arc<Watch>,
    meter: Meter,
    /// What was read before its turn.
    held: BytesMut,
    /// Its client sends too much, or takes too little, to be told of the end.
    cut: bool,
    /// How fast the client takes what all its streams are sent.
    takes: Pace,
}

impl MeteredSocket {
    pub(super) fn new(opening: Opening, watch: Arc<Watch>, pieces: Pieces, settings: &ServerSettings) -> Self {
        let (socket, held, meter) = (Some(opening.socket), opening.read, Meter::new(pieces));
        let takes = Pace::new(settings.min_body_rate, settings.idle_timeout);
        Self { socket, watch, meter, held, cut: false, takes }
    }

    fn socket(&mut self) -> io::Result<Pin<&mut Stream>> {
        self.socket.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.socket.as_ref()?.get_socket_digest()?.peer_addr()?.as_inet().copied()
    }

    /// Counts what was read.
    fn count(&mut self, read: &[u8]) -> io::Result<()> {
        let awaited = self.meter.awaited();
        if self.meter.read(read).is_err() {
            self.cut = true;
            let peer = self.peer().map(|peer| peer.to_string());
            tracing::info!(peer, "a connection is cut: it sends too many HTTP/2 frames that are no requests");
            return Err(io::Error::other("a flood of HTTP/2 frames"));
        }
        match self.meter.awaited() {
            same if same == awaited => {}
            Some(_) => self.watch.frame_begun(),
            None => self.watch.stands_by(),
        }
        Ok(())
    }

    /// Notes whether the client takes what is written, and how fast. The connection is flushed whenever anything happens,
    /// so that this is no progress of anything.
    fn note<T>(&mut self, written: Poll<io::Result<T>>, bytes: impl FnOnce(&T) -> usize) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(_) => self.watch.taken(),
            Poll::Pending => self.watch.stalled(),
        }
        let noted = self.takes.note(self.watch.now(), written, bytes);
        self.cut |= matches!(&noted, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::TimedOut);
        noted
    }
}

impl Drop for MeteredSocket {
    fn drop(&mut self) {
        let socket = self.socket.take().filter(|_| !self.cut);
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
        self.note(written, |bytes| *bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.socket()?.poll_flush(context);
        self.note(flushed, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = self.socket()?.poll_shutdown(context);
        self.note(closed, |()| 0)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.socket()?.poll_write_vectored(context, slices);
        self.note(written, |bytes| *bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.as_ref().is_some_and(Stream::is_write_vectored)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::sleep,
    };

    use super::*;
    use crate::edge::{http2::preface::PREFACE, tests::server_settings};

    #[tokio::test(start_paused = true)]
    async fn each_frame_has_its_time_however_they_are_cut_into_pieces() {
        let (mut client, server) = tokio::io::duplex(1000);
        let time = Duration::from_secs(10);
        let watch = Arc::new(Watch::new(time, time));
        let opening = Opening { socket: Box::new(server), is_http2: true, read: BytesMut::from(PREFACE) };
        let mut socket = MeteredSocket::new(opening, watch.clone(), Pieces::default(), &server_settings());
        let reads = async {
            let mut scrap = [0; 100];
            while socket.read(&mut scrap).await.unwrap() > 0 {}
        };
        let sends = async {
            let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
            let mut bytes = ping.repeat(10);
            let rest = bytes.split_off(8);
            client.write_all(&bytes).await.unwrap();
            for piece in rest.chunks(ping.len()) {
                sleep(time / 2).await;
                client.write_all(piece).await.unwrap();
            }
            drop(client);
        };
        let all = async { tokio::join!(reads, sends) };
        assert!(watch.guard(all).await.is_some(), "no frame was late");
    }
}
