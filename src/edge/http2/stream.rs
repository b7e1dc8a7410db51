//! One stream of HTTP/2 as pingora works on it: the same session that pingora makes of it, whose clock is told what it
//! waits for, and which is left to us when pingora may not go on with it.
//!
//! It does for a stream what `crate::edge::socket` does for a connection of HTTP/1.1. pingora keeps no time over the
//! body of an HTTP/2 request, so that is done here too: the time between two pieces, and the pace of all of them.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, header};
use pingora::{
    Error, ErrorType, Result,
    http::{RequestHeader, ResponseHeader},
    protocols::{
        Digest,
        http::{
            HttpTask,
            custom::{CustomMessageWrite, server::Session},
            v2::server::HttpSession,
        },
        l4::socket::SocketAddr,
    },
};
use tokio::time::timeout;

use super::meter::Pieces;
use crate::edge::{ServerSettings, exchange::is_final, pace::Pace, watch::Watch};

/// What is written at once: a client is given its time for each such piece, however much of an answer there is.
const PIECE: usize = 16 * 1024;

/// How long the rest of a request may pause whose answer is out.
const REST: Duration = Duration::from_secs(1);

/// What a session would say beside HTTP; a stream says nothing.
type Messages = Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>;

/// A stream under a [`Watch`].
pub(super) struct WatchedStream {
    /// Gone only when this is dropped.
    session: Option<Box<HttpSession>>,
    request: RequestHeader,
    watch: Arc<Watch>,
    /// The longest wait for more of the body.
    patience: Option<Duration>,
    /// How fast the client sends its body, and takes its answer.
    sends: Pace,
    takes: Pace,
    pieces: Pieces,
    /// The whole answer is out.
    answered: bool,
}

impl WatchedStream {
    /// With the head that was taken from the session.
    pub(super) fn new(
        session: HttpSession,
        request: RequestHeader,
        watch: Arc<Watch>,
        pieces: Pieces,
        settings: &ServerSettings,
    ) -> Self {
        let sends = Pace::new(settings.min_body_rate, settings.body_timeout);
        let takes = Pace::new(settings.min_body_rate, settings.idle_timeout);
        let session = Some(Box::new(session));
        Self { session, request, watch, patience: None, sends, takes, pieces, answered: false }
    }

    fn session(&mut self) -> Result<&mut HttpSession> {
        self.session.as_deref_mut().ok_or_else(gone)
    }

    /// Reads more of the body.
    async fn read(&mut self) -> Result<Option<Bytes>> {
        // While it is answered, a client may speak when it has something to say: the stream's own clock runs then.
        let speaks = !self.answered && self.response_written().is_some_and(is_final);
        let patience = self.patience.filter(|_| !speaks);
        let session = self.session.as_mut().ok_or_else(gone)?;
        let read = session.read_body_bytes();
        match patience {
            Some(patience) => timely(&self.watch, &mut self.sends, patience, read).await,
            None => awaited(&self.watch, read).await,
        }
    }

    /// Writes a piece of the answer's body.
    async fn write(&mut self, piece: Bytes, end: bool) -> Result<()> {
        let session = self.session.as_mut().ok_or_else(gone)?;
        let length = piece.len();
        let mut write = pin!(session.write_body(piece, end));
        let late = poll_fn(|context| {
            let written = self.watch.note(write.as_mut().poll(context));
            let late = self.takes.lags(self.watch.now(), &written, |()| length);
            written.map_ok(|()| late)
        });
        if late.await? {
            return Err(Error::explain(ErrorType::WriteTimedout, "the answer is taken too slowly").into_down());
        }
        self.pieces.add();
        Ok(())
    }
}

/// Takes the request's head, of which the session needs no more than what tells of the body. Some two thousand empty
/// fields take a client as many bytes, and us a hundred times that: there is never a second one, and none where it is not
/// looked at.
pub(super) fn take_head(session: &mut HttpSession) -> RequestHeader {
    let head = session.req_header();
    let (mut rest, ()) = http::Request::new(()).into_parts();
    (rest.method, rest.version) = (head.method.clone(), head.version);
    for name in [header::CONTENT_LENGTH, header::EXPECT] {
        rest.headers.extend(head.headers.get(&name).map(|value| (name, value.clone())));
    }
    std::mem::replace(session.req_header_mut(), rest.into())
}

#[expect(clippy::unnecessary_box_returns, reason = "pingora's errors are boxed")]
fn gone() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "the stream is gone").into_in()
}

impl Drop for WatchedStream {
    fn drop(&mut self) {
        let session = self.session.take();
        self.watch.leave(|left| left.stream = session);
    }
}

/// Waits for more of the body, and tells the clock so.
async fn awaited<T>(watch: &Watch, read: impl Future<Output = Result<T>>) -> Result<T> {
    let mut read = pin!(read);
    poll_fn(|context| {
        let read = read.as_mut().poll(context);
        if read.is_pending() {
            watch.awaits_body();
        }
        read
    })
    .await
}

/// The same for no longer than `patience`, and for a client that keeps its pace.
async fn timely(
    watch: &Watch,
    pace: &mut Pace,
    patience: Duration,
    read: impl Future<Output = Result<Option<Bytes>>>,
) -> Result<Option<Bytes>> {
    let late = || Err(Error::explain(ErrorType::ReadTimedout, "no more of the body came").into_down());
    let mut read = pin!(awaited(watch, read));
    let paced = poll_fn(|context| {
        let read = read.as_mut().poll(context);
        if pace.lags(watch.now(), &read, |data| data.as_ref().map_or(0, Bytes::len)) {
            Poll::Ready(late())
        } else {
            read
        }
    });
    timeout(patience, paced).await.unwrap_or_else(|_| late())
}

#[async_trait]
impl Session for WatchedStream {
    fn req_header(&self) -> &RequestHeader {
        &self.request
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        &mut self.request
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        self.read().await
    }

    async fn read_body_or_idle(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        let session = self.session()?;
        if no_body_expected || session.is_body_done() {
            return session.read_body_or_idle(true).await;
        }
        self.read().await
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        self.session()?.drain_request_body().await
    }

    async fn write_response_header(&mut self, head: Box<ResponseHeader>, end: bool) -> Result<()> {
        self.session()?.write_response_header(head, end)
    }

    async fn write_response_header_ref(&mut self, head: &ResponseHeader, end: bool) -> Result<()> {
        self.session()?.write_response_header_ref(head, end)
    }

    async fn write_body(&mut self, mut data: Bytes, end: bool) -> Result<()> {
        while data.len() > PIECE {
            self.write(data.split_to(PIECE), false).await?;
        }
        self.write(data, end).await
    }

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        self.session()?.write_trailers(trailers)
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        let mut ended = false;
        for task in tasks {
            match task {
                HttpTask::Body(Some(data), end) => {
                    if !data.is_empty() {
                        self.write_body(data, end).await.map_err(Error::into_down)?;
                    }
                    ended |= end;
                }
                other => ended |= self.session()?.response_duplex_vec(vec![other]).await?,
            }
        }
        if ended {
            self.session()?.finish().map_err(Error::into_down)?;
            self.answered = true;
            self.sends.restart();
            // A client may send for as long as it likes, and the upstream may read no more (RFC 9113 section 8.1).
            if !self.is_body_done() {
                self.watch.rest_within(REST);
            }
        }
        Ok(ended)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.patience = timeout;
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.patience
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        if let Some(session) = &mut self.session {
            session.set_write_timeout(timeout);
        }
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.session.as_ref()?.get_write_timeout()
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        if let Some(session) = &mut self.session {
            session.set_total_drain_timeout(timeout);
        }
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.session.as_ref()?.get_total_drain_timeout()
    }

    /// pingora's own would show the target.
    fn request_summary(&self) -> String {
        self.request.method.to_string()
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.session.as_ref()?.response_written()
    }

    async fn shutdown(&mut self, _code: u32, _why: &str) {
        if let Some(session) = &mut self.session {
            session.shutdown();
        }
    }

    fn is_body_done(&mut self) -> bool {
        self.session.as_ref().is_none_or(|session| session.is_body_done())
    }

    async fn finish(&mut self) -> Result<()> {
        self.session()?.finish()
    }

    fn is_body_empty(&mut self) -> bool {
        self.session.as_ref().is_none_or(|session| session.is_body_empty())
    }

    fn body_bytes_sent(&self) -> usize {
        self.session.as_ref().map_or(0, |session| session.body_bytes_sent())
    }

    fn body_bytes_read(&self) -> usize {
        self.session.as_ref().map_or(0, |session| session.body_bytes_read())
    }

    fn digest(&self) -> Option<&Digest> {
        self.session.as_ref()?.digest()
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        self.session.as_mut()?.digest_mut()
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.session.as_ref()?.client_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.session.as_ref()?.server_addr()
    }

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        self.session.as_ref().map(|session| session.pseudo_raw_h1_request_header()).unwrap_or_default()
    }

    fn enable_retry_buffering(&mut self) {
        if let Some(session) = &mut self.session {
            session.enable_retry_buffering();
        }
    }

    fn retry_buffer_truncated(&self) -> bool {
        self.session.as_ref().is_none_or(|session| session.retry_buffer_truncated())
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        self.session.as_ref()?.get_retry_buffer()
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(&mut self) -> Option<Messages> {
        None
    }

    fn restore_custom_message_reader(&mut self, _reader: Messages) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(&mut self, _writer: Box<dyn CustomMessageWrite>) -> Result<()> {
        Ok(())
    }
}
