//! One HTTP/2 connection: its streams, each of which is a request with a clock of its own, and its end.
//!
//! The door brings it here when the client agreed on HTTP/2 in its TLS handshake, or begins with it where `server.h2c`
//! lets it (`preface`). Frames are counted as they come (`meter`, `socket`), so that nobody can keep the connection
//! busy with what is no request. A stream is given to pingora as a `stream`, which is watched as a connection of
//! HTTP/1.1 is: so all that follows is the same for both.

mod meter;
mod preface;
mod socket;
mod stream;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::Method;
use pingora::{
    apps::HttpServerApp,
    http::RequestHeader,
    protocols::{
        Digest, GetProxyDigest, GetSocketDigest, GetTimingDigest, Ssl,
        http::{
            ServerSession,
            v2::server::{H2Accept, H2Options, HttpSession, default_h2_options, handshake},
        },
    },
    server::ShutdownWatch,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

pub(super) use preface::Opening;
pub(super) use socket::MeteredSocket;

use self::{
    meter::Pieces,
    stream::{WatchedStream, take_head},
};
use super::{ServerSettings, door::Door, places::Beside, refusals, watch::Watch};
use crate::web::Refusal;

/// Streams of one connection at a time.
const STREAMS: u32 = 100;
/// What all streams of a connection may send before it is read. One of them has the protocol's 64 KiB.
const WINDOW: u32 = 1024 * 1024;
/// What may be held of bodies in small pieces, for each of which the library counts 256 bytes (about the double of what it
/// takes): the 64 KiB of a stream in pieces of eight, which a slow server behind leaves here.
const SMALL_PIECES: usize = 2 * 1024 * 1024;
/// What is held of one answer that its client does not take.
const MAX_HELD: usize = 64 * 1024;
/// Requests of one connection that are so malformed that pingora refuses them itself.
const MAX_MALFORMED: usize = 32;
/// A list of header fields is refused with a bare status beyond this, and with one of our answers below it.
const MIN_HEADER_LIST: usize = 64 * 1024;
/// How long a client has to agree to the end of a connection without streams.
const FAREWELL: Duration = Duration::from_millis(500);
/// How long a client has to take the answer to a stream that is not served.
const REFUSAL: Duration = Duration::from_secs(2);
/// How long streams have to leave their records once their connection is gone.
const LAST_RECORDS: Duration = Duration::from_secs(1);

/// Serves a connection to its end, under this clock.
pub(super) async fn serve(door: &Arc<Door>, opening: Opening, clock: &Arc<Watch>, shutdown: &ShutdownWatch) {
    let pieces = Pieces::default();
    let socket = MeteredSocket::new(opening, clock.clone(), pieces.clone(), &door.settings);
    let digest = Arc::new(Digest {
        ssl_digest: socket.get_ssl_digest(),
        timing_digest: socket.get_timing_digest(),
        proxy_digest: socket.get_proxy_digest(),
        socket_digest: socket.get_socket_digest(),
    });
    let peer = digest.socket_digest.as_ref().and_then(|digest| digest.peer_addr()?.as_inet().copied());
    let Ok(mut connection) = handshake(Box::new(socket), Some(options(&door.settings))).await else { return };
    let mut streams = Streams { door: door.clone(), peer, shutdown: shutdown.clone(), running: JoinSet::new() };
    let mut stopping = shutdown.clone();
    let (mut malformed, mut closing) = (0, false);
    let mut requests_left = door.settings.max_requests_per_connection;
    let mut rests_until = from_now(door.settings.idle_timeout);
    loop {
        tokio::select! {
            biased;
            _ = stopping.changed(), if !closing => {
                connection.graceful_shutdown();
                (closing, rests_until) = (true, from_now(FAREWELL));
            }
            Some(_) = streams.running.join_next(), if !streams.running.is_empty() => {
                rests_until = from_now(if closing { FAREWELL } else { door.settings.idle_timeout });
            }
            accepted = HttpSession::from_h2_conn(&mut connection, digest.clone()) => match accepted {
                Ok(Some(H2Accept::Session(session))) => {
                    streams.begin(session, pieces.clone());
                    requests_left = requests_left.saturating_sub(1);
                    if requests_left == 0 && !closing {
                        connection.graceful_shutdown();
                        closing = true;
                    }
                }
                Ok(Some(H2Accept::Rejected)) if malformed < MAX_MALFORMED => {
                    malformed += 1;
                    // Nothing is known of it but that.
                    let refusal = refusals::bad_request("The request's head is malformed.");
                    door.note(&refusal, None, peer, Duration::ZERO);
                }
                // It is at its end, or broken.
                Ok(_) | Err(_) => break,
            },
            () = sleep_until(rests_until), if streams.running.is_empty() => {
                // What is left of the last answers is not lost while it is taken.
                if closing && !clock.is_stalled() {
                    break;
                }
                connection.graceful_shutdown();
                (closing, rests_until) = (true, from_now(FAREWELL));
            }
        }
    }
    drop(connection);
    let all = async { while streams.running.join_next().await.is_some() {} };
    let _some_are_cut = timeout(LAST_RECORDS, all).await;
}

/// A time beyond what the clock can tell is no limit; a year is none either.
fn from_now(time: Duration) -> Instant {
    Instant::now() + time.min(Duration::from_hours(365 * 24))
}

/// What the client is told of our limits. The library's own are kept where they are not named: how many frames may
/// continue a head, how many empty ones a body may have, how many streams may be reset before they are looked at.
fn options(settings: &ServerSettings) -> H2Options {
    let list = settings.max_header_bytes.saturating_add(settings.max_target_bytes).saturating_mul(2);
    let mut options = default_h2_options();
    options
        .max_concurrent_streams(STREAMS)
        .initial_connection_window_size(WINDOW)
        .data_frame_budget(SMALL_PIECES)
        .max_send_buffer_size(MAX_HELD)
        .max_header_list_size(u32::try_from(list.max(MIN_HEADER_LIST)).unwrap_or(u32::MAX));
    options
}

/// The streams of one connection.
struct Streams {
    door: Arc<Door>,
    peer: Option<SocketAddr>,
    shutdown: ShutdownWatch,
    running: JoinSet<()>,
}

impl Streams {
    /// Begins to serve one, or to refuse it, in a task of its own.
    fn begin(&mut self, mut session: HttpSession, pieces: Pieces) {
        let (door, settings) = (self.door.clone(), &self.door.settings);
        let room = if self.running.is_empty() { Room::Own } else { Room::another(&door, self.peer) };
        let head = take_head(&mut session);
        if let Some(refusal) = refusal(&room, &head, settings) {
            self.running.spawn(refuse(door, session, room, refusal));
        } else {
            let watch = Arc::new(Watch::new(settings.header_timeout, settings.idle_timeout));
            let stream = WatchedStream::new(session, head, watch.clone(), pieces, settings);
            self.running.spawn(serve_stream(door, stream, watch, room, self.shutdown.clone()));
        }
    }
}

/// The place that a stream has.
enum Room {
    /// Its connection's, in which it is alone.
    Own,
    /// One of its own, beside others.
    Another { _place: Beside },
    /// None is left.
    None,
}

impl Room {
    fn another(door: &Door, peer: Option<SocketAddr>) -> Self {
        peer.and_then(|peer| door.places.beside(peer)).map_or(Self::None, |place| Self::Another { _place: place })
    }
}

/// Why a stream is not served, as far as pingora may not see it: it would answer a CONNECT in bare words.
fn refusal(room: &Room, head: &RequestHeader, settings: &ServerSettings) -> Option<Refusal> {
    match room {
        Room::None => Some(refusals::no_place()),
        _ if head.headers.len() > settings.max_headers => Some(refusals::large_head(settings)),
        _ if head.method == Method::CONNECT => Some(refusals::unknown_method(&settings.methods)),
        _ => None,
    }
}

/// Refuses a stream, over which no clock runs: its client may never make room for the answer.
async fn refuse(door: Arc<Door>, session: HttpSession, _room: Room, refusal: Refusal) {
    let _untold = timeout(REFUSAL, door.refuse_stream(ServerSession::new_http2(session), &refusal)).await;
}

/// Serves one stream, which pingora may not keep longer than its clock allows.
async fn serve_stream(door: Arc<Door>, stream: WatchedStream, watch: Arc<Watch>, _room: Room, shutdown: ShutdownWatch) {
    let session = ServerSession::new_custom(Box::new(stream));
    let _ended = watch.clone().guard(door.proxy.process_new_http(session, &shutdown)).await;
    let left = watch.left();
    if watch.was_cut().is_some() {
        left.close(door.settings.idle_timeout).await;
    }
}
