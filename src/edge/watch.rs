//! The clock of a client's connection, and the socket that obeys it.
//!
//! pingora waits without end where nothing else is said: for the rest of a head that trickles in, for the next request,
//! for the head of an upstream's answer. A [`Watch`] knows what the connection waits for and until when; a
//! [`WatchedSocket`] ends the wait, since whatever happens on a connection, pingora reads from it meanwhile. It also
//! puts our own answer in the place of the bare one that pingora gives to a head that it cannot read.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest, UniqueID,
    UniqueIDType,
    raw_connect::ProxyDigest,
    tls::{SslDigest, TlsRef},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of its head.
    Head,
    /// Its answer: a request is being worked on.
    Answer,
    /// The same, and time ran out.
    Late,
}

/// The clock of one connection.
#[derive(Debug)]
pub(super) struct Watch {
    head: Duration,
    idle: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// How long it may wait, and until when.
    wait: Option<(Duration, Instant)>,
}

tokio::task_local! {
    static CURRENT: Arc<Watch>;
}

impl Watch {
    /// The clock of a connection just made: its first head is awaited.
    pub(super) fn new(head: Duration, idle: Duration) -> Self {
        let state = State { phase: Phase::Head, wait: from_now(head) };
        Self { head, idle, state: Mutex::new(state) }
    }

    /// Makes it the clock of whatever `work` does.
    pub(super) async fn over<T>(self: Arc<Self>, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }

    /// The clock of the connection that this task serves.
    pub(super) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request's head is there.
    pub(super) fn head_read(&self) {
        *self.state() = State { phase: Phase::Answer, wait: None };
    }

    /// From now on no wait for the next byte of the request's answer may be longer; any if `None`.
    pub(super) fn expect_within(&self, time: Option<Duration>) {
        let mut state = self.state();
        if state.phase == Phase::Answer {
            state.wait = time.and_then(from_now);
        }
    }

    /// Whether a request did not come on in time.
    pub(super) fn is_late(&self) -> bool {
        self.state().phase == Phase::Late
    }

    /// The request is over.
    pub(super) fn finished(&self) {
        *self.state() = State { phase: Phase::Idle, wait: from_now(self.idle) };
    }

    fn byte_read(&self) {
        let mut state = self.state();
        if state.phase == Phase::Idle {
            *state = State { phase: Phase::Head, wait: from_now(self.head) };
        }
    }

    /// A client that takes its answer slowly is not an upstream that is late with it.
    fn byte_written(&self) {
        let mut state = self.state();
        if let (Phase::Answer, Some((time, _))) = (state.phase, state.wait) {
            state.wait = from_now(time);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.state().wait.map(|(_, deadline)| deadline)
    }

    /// What a read gives whose time is over: the end of the connection, or an error for the request.
    fn end(&self) -> std::io::Result<()> {
        let mut state = self.state();
        if matches!(state.phase, Phase::Idle | Phase::Head) {
            return Ok(());
        }
        *state = State { phase: Phase::Late, wait: None };
        Err(std::io::ErrorKind::TimedOut.into())
    }

    fn awaits_head(&self) -> bool {
        matches!(self.state().phase, Phase::Idle | Phase::Head)
    }
}

/// A time beyond what the clock can tell is no limit.
fn from_now(time: Duration) -> Option<(Duration, Instant)> {
    Some((time, Instant::now().checked_add(time)?))
}

/// Makes the answer to a head that pingora refused with this status.
pub(super) type Apology = Arc<dyn Fn(u16) -> Bytes + Send + Sync>;

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
            self.pending = Some((self.apology)(status.unwrap_or(400)));
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
            if buffer.filled().len() > before {
                self.watch.byte_read();
            }
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

    fn selected_alpn_proto(&self) -> Option<pingora::protocols::ALPN> {
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
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    const SECOND: Duration = Duration::from_secs(1);

    /// A watched socket with ten seconds for a head and sixty between two requests, and its client's end.
    fn pair() -> (WatchedSocket, Arc<Watch>, DuplexStream) {
        let (client, server) = tokio::io::duplex(1024);
        let watch = Arc::new(Watch::new(10 * SECOND, 60 * SECOND));
        let apology: Apology = Arc::new(|status| format!("ours {status}").into());
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
        socket.write_all(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n").await.unwrap();
        socket.write_all(b"more").await.unwrap();
        drop(socket);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "ours 405");
    }
}
