//! A client's socket that gives pingora one request at a time.
//!
//! It hands on a head only when that is whole and within its limits, then the body, and then nothing until the answer
//! is over. What a client sends early is held back; that it has closed its side is told only when nothing is to be
//! answered any more. So pingora always reads, never has a byte too many, and learns at once when the client is gone.
//! Where it answers a head that it cannot read with bare words of its own, an answer of ours is written in their place.

mod apology;
mod passed_on;
mod written;

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    ServerSettings,
    framing::{Body, HeadScan, HeadSize, Seen},
    http2::Opening,
    pace::Pace,
    watch::Watch,
};
use apology::{Apology, status};

/// How much is held of what comes before its turn.
const MAX_EARLY: usize = 64 * 1024;

/// What pingora gets when it reads.
enum Turn {
    /// A head, once it is whole.
    Head(HeadScan),
    /// So much of what is held: the rest of a whole head.
    Hand(usize, HeadSize),
    /// What comes behind a head, whose body is not known yet.
    Announced(HeadSize),
    Body(Body),
    /// Nothing: the request is all there and not answered.
    Wait,
    /// Whatever comes: the connection speaks another protocol.
    Open,
    /// The end: the head was refused.
    Refused(HeadSize),
}

/// A client's socket under a [`Watch`].
pub(super) struct WatchedSocket {
    /// Gone only when this is dropped.
    socket: Option<Stream>,
    watch: Arc<Watch>,
    settings: Arc<ServerSettings>,
    apology: Apology,
    /// What is left to write of an answer of ours, once pingora began one of its own.
    pending: Option<Bytes>,
    turn: Turn,
    held: BytesMut,
    /// The client sends nothing more.
    ended: bool,
    /// How fast it sends its body, and takes its answer.
    sends: Pace,
    takes: Pace,
}

impl WatchedSocket {
    pub(super) fn new(opening: Opening, watch: Arc<Watch>, settings: Arc<ServerSettings>, apology: Apology) -> Self {
        let (socket, held, turn) = (Some(opening.socket), opening.read, Turn::Head(HeadScan::default()));
        let sends = Pace::new(settings.min_body_rate, settings.body_timeout);
        // One that takes nothing for so long is cut anyway; longer pauses in all are judged by what it took.
        let takes = Pace::new(settings.min_body_rate, settings.idle_timeout);
        Self { socket, watch, settings, apology, pending: None, turn, held, ended: false, sends, takes }
    }

    fn socket(&mut self) -> io::Result<Pin<&mut Stream>> {
        self.socket.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Reads more into what is held. How much came; nothing at the end.
    fn poll_hold(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut bytes = [MaybeUninit::uninit(); 4096];
        let mut read = ReadBuf::uninit(&mut bytes);
        if !self.ended {
            ready!(self.socket()?.poll_read(context, &mut read))?;
        }
        self.held.extend_from_slice(read.filled());
        self.note_end(read.filled().len());
        Poll::Ready(Ok(read.filled().len()))
    }

    fn note_end(&mut self, read: usize) {
        if read == 0 && !self.ended {
            self.ended = true;
            self.watch.half_closed();
        }
    }

    /// Reads what is most often a whole head and nothing else, which then stays where it was read to. Whether pingora
    /// has it, or the end, now; what is neither is held.
    fn poll_whole_head(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let before = buffer.filled().len();
        ready!(self.socket()?.poll_read(context, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        if read.is_empty() {
            self.note_end(0);
            return Poll::Ready(Ok(true));
        }
        self.watch.head_begun();
        let mut scan = HeadScan::default();
        if scan.read(read) == Seen::Whole(read.len()) {
            self.turn = Turn::Announced(scan.size());
            return Poll::Ready(Ok(true));
        }
        self.held.extend_from_slice(read);
        buffer.set_filled(before);
        Poll::Ready(Ok(false))
    }

    /// Collects a head; whether there is more to come from the client.
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while let Turn::Head(scan) = &mut self.turn {
            if !self.held.is_empty() {
                self.watch.head_begun();
            }
            let (seen, size) = (scan.read(&self.held), scan.size());
            self.turn = match seen {
                Seen::Whole(length) => Turn::Hand(length, size),
                Seen::Broken => Turn::Refused(size),
                Seen::Part if size.excess(&self.settings).is_some() => Turn::Refused(size),
                Seen::Part if ready!(self.poll_hold(context))? == 0 => return Poll::Ready(Ok(false)),
                Seen::Part => continue,
            };
        }
        Poll::Ready(Ok(true))
    }

    /// Gives so much of what is held, or as much as there is room for.
    fn give(&mut self, buffer: &mut ReadBuf<'_>, most: usize) -> usize {
        let given = self.held.split_to(most.min(self.held.len()).min(buffer.remaining()));
        buffer.put_slice(&given);
        given.len()
    }

    fn poll_body(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        mut body: Body,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.held.is_empty() && !self.ended {
            let read = self.socket()?.poll_read(context, buffer);
            if read.is_pending() {
                self.watch.awaits_body();
            }
            if read.is_ready() || self.watch.body_was_asked() {
                ready!(self.sends.note(self.watch.now(), read, |()| buffer.filled().len() - before))?;
            } else {
                return Poll::Pending;
            }
            self.note_end(buffer.filled().len() - before);
        } else {
            self.give(buffer, usize::MAX);
        }
        let read = buffer.filled().get(before..).unwrap_or_default();
        let taken = body.take(read)?;
        let early = read.get(taken..).unwrap_or_default();
        if !early.is_empty() {
            // In front of what may be held already.
            let rest = std::mem::take(&mut self.held);
            self.held.extend_from_slice(early);
            self.held.unsplit(rest);
        }
        buffer.set_filled(before + taken);
        self.turn = if body.is_done() { Turn::Wait } else { Turn::Body(body) };
        Poll::Ready(Ok(()))
    }

    /// Holds what comes early. Never ready but with an error.
    fn poll_early(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.ended && self.held.len() < MAX_EARLY {
            ready!(self.poll_hold(context))?;
        }
        Poll::Pending
    }
}

impl Drop for WatchedSocket {
    fn drop(&mut self) {
        let unfinished = !self.ended
            && match self.turn {
                Turn::Head(_) | Turn::Wait => !self.held.is_empty(),
                Turn::Open => false,
                Turn::Announced(_) => self.watch.take_body().is_none_or(|body| !body.is_done()),
                Turn::Hand(..) | Turn::Body(_) | Turn::Refused(_) => true,
            };
        let socket = self.socket.take();
        self.watch.leave(|left| (left.socket, left.unfinished) = (socket, unfinished));
    }
}

impl AsyncRead for WatchedSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.turn {
                Turn::Head(_) if self.held.is_empty() && !self.ended && buffer.remaining() > 0 => {
                    if ready!(self.poll_whole_head(context, buffer))? {
                        return Poll::Ready(Ok(()));
                    }
                }
                Turn::Head(_) => {
                    if !ready!(self.poll_head(context))? {
                        return Poll::Ready(Ok(()));
                    }
                }
                Turn::Hand(most, size) => {
                    let given = self.give(buffer, most);
                    self.turn = if given == most { Turn::Announced(size) } else { Turn::Hand(most - given, size) };
                    return Poll::Ready(Ok(()));
                }
                Turn::Announced(_) => match self.watch.take_body() {
                    Some(body) if body.is_done() => self.turn = Turn::Wait,
                    Some(body) => {
                        self.sends.restart();
                        self.turn = Turn::Body(body);
                    }
                    None => return self.poll_early(context),
                },
                Turn::Body(body) => return self.poll_body(context, buffer, body),
                Turn::Wait if self.watch.is_open() => self.turn = Turn::Open,
                Turn::Wait if self.watch.awaits_head() => self.turn = Turn::Head(HeadScan::default()),
                Turn::Wait => return self.poll_early(context),
                Turn::Open if self.held.is_empty() && !self.ended => return self.socket()?.poll_read(context, buffer),
                Turn::Open => {
                    self.give(buffer, usize::MAX);
                    return Poll::Ready(Ok(()));
                }
                Turn::Refused(_) => {
                    ready!(self.poll_apology(context, 400))?;
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for WatchedSocket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.watch.awaits_head() {
            ready!(self.poll_apology(context, status(bytes)))?;
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = self.socket()?.poll_write(context, bytes);
        self.note_taken(written, |written| *written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.socket()?.poll_flush(context);
        self.note_taken(flushed, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = self.socket()?.poll_shutdown(context);
        self.watch.note(closed)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.watch.awaits_head() {
            let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
            ready!(self.poll_apology(context, status(first)))?;
            return Poll::Ready(Ok(first.len()));
        }
        let written = self.socket()?.poll_write_vectored(context, slices);
        self.note_taken(written, |written| *written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.as_ref().is_some_and(Stream::is_write_vectored)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::edge::{framing::Chunk, tests::server_settings};
    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    const HEAD: &str = "GET / HTTP/1.1\r\nA: b\r\n\r\n";

    /// A watched socket and its client's end.
    fn pair() -> (WatchedSocket, Arc<Watch>, DuplexStream) {
        let (client, server) = tokio::io::duplex(100_000);
        let time = Duration::from_secs(10);
        let watch = Arc::new(Watch::new(time, time));
        let apology: Apology = Box::new(|status, size| format!("ours {status} {}", size.lines).into());
        let opening = Opening { socket: Box::new(server), is_http2: false, read: BytesMut::new() };
        (WatchedSocket::new(opening, watch.clone(), Arc::new(server_settings()), apology), watch, client)
    }

    /// What pingora can read now; nothing if it has to wait.
    fn read(socket: &mut WatchedSocket) -> Option<String> {
        let mut bytes = [0; 200];
        let read = socket.read(&mut bytes).now_or_never()?;
        Some(String::from_utf8_lossy(&bytes[..read.unwrap()]).into_owned())
    }

    #[tokio::test]
    async fn a_request_is_given_whole_and_the_next_one_only_when_it_is_over() {
        let (mut socket, watch, mut client) = pair();
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        assert_eq!(read(&mut socket), None);
        client.write_all(b"A: b\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET").await.unwrap();
        assert_eq!(read(&mut socket).unwrap(), HEAD);
        watch.head_read(Body::Chunked(Chunk::Start));
        assert_eq!(read(&mut socket).unwrap(), "3\r\nabc\r\n0\r\n\r\n");
        client.write_all(&HEAD.as_bytes()[3..]).await.unwrap();
        AsyncWriteExt::shutdown(&mut client).await.unwrap();
        assert_eq!(read(&mut socket), None);
        watch.finished();
        assert_eq!(read(&mut socket).unwrap(), HEAD);
        watch.head_read(Body::Length(0));
        assert_eq!(read(&mut socket), None, "a client that closed its side still gets its answer");
        watch.finished();
        assert_eq!(read(&mut socket).unwrap(), "");
    }

    #[tokio::test]
    async fn a_body_comes_in_pieces_as_it_was_sent() {
        let (mut socket, watch, mut client) = pair();
        client.write_all(format!("{HEAD}ab").as_bytes()).await.unwrap();
        assert_eq!(read(&mut socket).unwrap(), HEAD);
        watch.head_read(Body::Length(4));
        assert_eq!(read(&mut socket).unwrap(), "ab");
        assert_eq!(read(&mut socket), None);
        client.write_all(format!("cd{HEAD}").as_bytes()).await.unwrap();
        assert_eq!(read(&mut socket).unwrap(), "cd");
        watch.finished();
        assert_eq!(read(&mut socket).unwrap(), HEAD);
    }

    #[tokio::test]
    async fn after_an_upgrade_everything_passes_what_came_early_first() {
        let (mut socket, watch, mut client) = pair();
        client.write_all(format!("{HEAD}early").as_bytes()).await.unwrap();
        assert_eq!(read(&mut socket).unwrap(), HEAD);
        watch.head_read(Body::Length(0));
        assert_eq!(read(&mut socket), None);
        watch.open_within(Duration::MAX);
        assert_eq!(read(&mut socket).unwrap(), "early");
        client.write_all(b"late").await.unwrap();
        assert_eq!(read(&mut socket).unwrap(), "late");
    }

    #[tokio::test]
    async fn a_head_that_pingora_may_not_see_is_refused_and_ends_the_connection() {
        for (head, apology) in [("GET /a b HTTP/1.1\r\n", "ours 400 1"), (&"x".repeat(5000), "ours 400 0")] {
            let (mut socket, watch, mut client) = pair();
            client.write_all(head.as_bytes()).await.unwrap();
            assert_eq!(read(&mut socket).unwrap(), "");
            drop(socket);
            assert!(watch.left().unfinished);
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, apology);
        }
    }

    #[tokio::test]
    async fn what_pingora_answers_to_a_head_that_it_cannot_read_is_replaced() {
        let (mut socket, watch, mut client) = pair();
        client.write_all(HEAD.as_bytes()).await.unwrap();
        read(&mut socket).unwrap();
        socket.write_all(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n").await.unwrap();
        socket.write_all(b"more").await.unwrap();
        drop(socket);
        drop(watch.left());
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "ours 405 2");
    }
}
