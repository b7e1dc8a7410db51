//! A client's socket that obeys the clock of its connection.
//!
//! Whatever happens on a connection, pingora reads from it meanwhile, be it only to notice that the client hangs up. So a
//! wait whose time is over is ended by ending that read. And where pingora answers a head that it cannot read with bare
//! words of its own, an answer of ours is written in their place.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
    raw_connect::ProxyDigest,
    tls::{SslDigest, TlsRef},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use super::watch::{HeadSize, Watch};

/// Makes the answer to a head that pingora refused with this status.
pub(super) type Apology = Arc<dyn Fn(u16, HeadSize) -> Bytes + Send + Sync>;

/// A client's socket under a [`Watch`].
pub(super) struct WatchedSocket {
    socket: Stream,
    watch: Arc<Watch>,
    alarm: Pin<Box<Sleep>>,
    apology: Apology,
    /// What is left to write of an answer of ours, once pingora began one of its own.
    pending: Option<Bytes>,
}

impl WatchedSocket {
    pub(super) fn new(socket: Stream, watch: Arc<Watch>, apology: Apology) -> Self {
        let alarm = Box::pin(tokio::time::sleep_until(Instant::now()));
        Self { socket, watch, alarm, apology, pending: None }
    }

    /// Ready when the time of the watch is over.
    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.watch.deadline() else { return Poll::Pending };
        if self.alarm.deadline() != deadline {
            self.alarm.as_mut().reset(deadline);
        }
        self.alarm.as_mut().poll(context)
    }

    /// Writes our answer instead of `theirs`.
    fn poll_apology(&mut self, context: &mut Context<'_>, theirs: &[u8]) -> Poll<std::io::Result<usize>> {
        if self.pending.is_none() {
            // `HTTP/1.1 400 Bad Request`
            let status = theirs.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            self.pending = Some((self.apology)(status.unwrap_or(400), self.watch.head_size()));
        }
        while let Some(rest) = self.pending.as_mut().filter(|rest| !rest.is_empty()) {
            let written = ready!(Pin::new(&mut self.socket).poll_write(context, rest))?;
            if written == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            rest.advance(written);
        }
        Poll::Ready(Ok(theirs.len()))
    }
}

impl AsyncRead for WatchedSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut self.socket).poll_read(context, buffer) {
            self.watch.bytes_read(buffer.filled().get(before..).unwrap_or_default());
            return Poll::Ready(read);
        }
        ready!(self.poll_alarm(context));
        Poll::Ready(self.watch.end())
    }
}

impl AsyncWrite for WatchedSocket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        if self.watch.awaits_head() {
            return self.poll_apology(context, bytes);
        }
        let written = ready!(Pin::new(&mut self.socket).poll_write(context, bytes))?;
        self.watch.byte_written();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        if self.watch.awaits_head() {
            let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
            return self.poll_apology(context, first);
        }
        let written = ready!(Pin::new(&mut self.socket).poll_write_vectored(context, slices))?;
        self.watch.byte_written();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

// The rest of what pingora asks of a socket is the inner one's.

#[async_trait]
impl Shutdown for WatchedSocket {
    async fn shutdown(&mut self) {
        self.socket.shutdown().await;
    }
}

#[async_trait]
impl Peek for WatchedSocket {
    async fn try_peek(&mut self, buffer: &mut [u8]) -> std::io::Result<bool> {
        self.socket.try_peek(buffer).await
    }
}

impl UniqueID for WatchedSocket {
    fn id(&self) -> UniqueIDType {
        self.socket.id()
    }
}

impl Ssl for WatchedSocket {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.socket.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.socket.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.socket.selected_alpn_proto()
    }
}

impl GetTimingDigest for WatchedSocket {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.socket.get_timing_digest()
    }
}

impl GetProxyDigest for WatchedSocket {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.socket.get_proxy_digest()
    }
}

impl GetSocketDigest for WatchedSocket {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.socket.get_socket_digest()
    }
}

impl std::fmt::Debug for WatchedSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WatchedSocket")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    const SECOND: Duration = Duration::from_secs(1);

    /// A watched socket with ten seconds for a head and sixty between two requests, and its client's end.
    fn pair() -> (WatchedSocket, Arc<Watch>, DuplexStream) {
        let (client, server) = tokio::io::duplex(1024);
        let watch = Arc::new(Watch::new(10 * SECOND, 60 * SECOND));
        let apology: Apology = Arc::new(|status, size| format!("ours {status} {}", size.bytes).into());
        (WatchedSocket::new(Box::new(server), watch.clone(), apology), watch, client)
    }

    async fn read(socket: &mut WatchedSocket) -> (std::io::Result<usize>, u64) {
        let start = Instant::now();
        let read = socket.read(&mut [0; 64]).await;
        (read, start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_however_it_trickles() {
        let (mut socket, _, mut client) = pair();
        client.write_all(b"G").await.unwrap();
        assert_eq!(read(&mut socket).await.0.unwrap(), 1);
        tokio::time::advance(6 * SECOND).await;
        client.write_all(b"E").await.unwrap();
        assert_eq!(read(&mut socket).await.0.unwrap(), 1);
        let (end, waited) = read(&mut socket).await;
        assert_eq!((end.unwrap(), waited), (0, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_there_is_the_idle_time_and_then_the_time_of_a_head() {
        let (mut socket, watch, mut client) = pair();
        watch.head_read();
        watch.finished();
        tokio::time::advance(50 * SECOND).await;
        client.write_all(b"G").await.unwrap();
        assert_eq!(read(&mut socket).await.0.unwrap(), 1);
        let (end, waited) = read(&mut socket).await;
        assert_eq!((end.unwrap(), waited), (0, 10));

        watch.head_read();
        watch.finished();
        let (end, waited) = read(&mut socket).await;
        assert_eq!((end.unwrap(), waited), (0, 60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_does_not_come_on_is_late_and_can_still_be_answered() {
        let (mut socket, watch, mut client) = pair();
        watch.head_read();
        watch.expect_within(Some(3 * SECOND));
        let (end, waited) = read(&mut socket).await;
        assert_eq!((end.unwrap_err().kind(), waited), (std::io::ErrorKind::TimedOut, 3));
        assert!(watch.is_late());
        socket.write_all(b"504").await.unwrap();
        let mut answer = [0; 3];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"504");
    }

    #[tokio::test(start_paused = true)]
    async fn what_pingora_answers_to_a_head_that_it_cannot_read_is_replaced() {
        let (mut socket, _, mut client) = pair();
        client.write_all(b"CONNECT").await.unwrap();
        read(&mut socket).await.0.unwrap();
        socket.write_all(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n").await.unwrap();
        socket.write_all(b"more").await.unwrap();
        drop(socket);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "ours 405 7");
    }
}
