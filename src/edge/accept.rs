//! The way in: connections are accepted, given one of the `places`, and, where the door speaks TLS, shaken hands with,
//! before they come to the `door`.
//!
//! Nothing here waits for a client but in that client's own task, and there not for longer than a request's head may
//! take. Where the system gives no connection, what is served goes on, and the next ones wait in the listener's queue.

use std::{
    io,
    net::{self, SocketAddr},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use pingora::{apps::ServerApp, protocols::Stream, server::ShutdownWatch};
use rustix::net::sockopt;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{Live, client_socket::ClientSocket, door::Door};

/// How long to wait before accepting again when the system gives no more connections (descriptors, memory).
const BREATH: Duration = Duration::from_millis(100);
/// How often that is said at most.
const COMPLAINT: Duration = Duration::from_secs(1);
/// How long connections that came just before the listeners closed have to bring their request.
const LAST_ARRIVALS: Duration = Duration::from_millis(100);

/// When the system asks whether a silent peer is still there, how often then, and how often in vain.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_mins(1), Duration::from_secs(10), 5);

/// How many connections may wait to be accepted, as far as the system allows (`net.core.somaxconn`). Where a burst fills
/// the queue, clients that came in time are not known here, or a second later.
const QUEUE: i32 = 4096;

/// What each connection comes through.
pub(super) struct Entrance {
    pub(super) door: Arc<Door>,
    /// Holds the certificates.
    pub(super) live: Arc<ArcSwap<Live>>,
    /// Whether the door speaks TLS; fixed, whatever a reload brings.
    pub(super) secure: bool,
    /// Time for a handshake.
    pub(super) patience: Duration,
}

/// Makes room for connections that wait to be accepted, and sets what each inherits from its listener: no waiting for
/// more to send, and a look now and then whether the peer is still there.
pub(super) fn tune(listener: &net::TcpListener) -> io::Result<()> {
    let (idle, interval, count) = KEEPALIVE;
    // It listens already, with the short queue of the standard library: this makes it longer.
    rustix::net::listen(listener, QUEUE)?;
    sockopt::set_tcp_nodelay(listener, true)?;
    sockopt::set_socket_keepalive(listener, true)?;
    sockopt::set_tcp_keepidle(listener, idle)?;
    sockopt::set_tcp_keepintvl(listener, interval)?;
    sockopt::set_tcp_keepcnt(listener, count)?;
    Ok(())
}

/// Accepts on all listeners until told to stop, and lets idle connections go then. Ends early if a listener fails.
pub(super) async fn serve(listeners: Vec<TcpListener>, entrance: Entrance, shutdown: ShutdownWatch) {
    let entrance = Arc::new(entrance);
    let mut listening = JoinSet::new();
    for listener in listeners {
        listening.spawn(listen(listener, entrance.clone(), shutdown.clone()));
    }
    while let Some(Ok(())) = listening.join_next().await {}
    drop(listening);
    sleep(LAST_ARRIVALS).await;
    entrance.door.cleanup().await;
}

async fn listen(listener: TcpListener, entrance: Arc<Entrance>, shutdown: ShutdownWatch) {
    let mut stopping = shutdown.clone();
    let mut complained: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = told_to_stop(&mut stopping) => break,
        };
        match accepted {
            Ok((socket, peer)) => entrance.admit(socket, peer, &shutdown),
            // The client's own doing, before its turn came.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if complained.is_none_or(|last| last.elapsed() >= COMPLAINT) {
                    tracing::warn!(%error, "the public door got no connection from the system; what is served goes on");
                    complained = Some(Instant::now());
                }
                sleep(BREATH).await;
            }
        }
    }
    // Closing the listener would reset those that wait in its queue.
    let Ok(queue) = listener.into_std() else { return };
    while let Ok((socket, peer)) = queue.accept() {
        let socket = socket.set_nonblocking(true).and_then(|()| TcpStream::from_std(socket));
        if let Ok(socket) = socket {
            entrance.admit(socket, peer, &shutdown);
        }
    }
}

/// Resolves once the door is to close, also when whoever would say so is gone.
async fn told_to_stop(stopping: &mut ShutdownWatch) {
    let _told_or_nobody_can = stopping.wait_for(|stop| *stop).await;
}

impl Entrance {
    /// Serves a connection in a task of its own. One too many is closed at once.
    fn admit(self: &Arc<Self>, socket: TcpStream, peer: SocketAddr, shutdown: &ShutdownWatch) {
        let Some(place) = self.door.places.take(peer) else { return };
        let (entrance, shutdown) = (self.clone(), shutdown.clone());
        tokio::spawn(async move {
            if let Some(stream) = entrance.open(socket, peer, &shutdown).await {
                let _nothing_is_left = entrance.door.process_new(stream, &shutdown).await;
            }
            drop(place);
        });
    }

    /// The connection as it is, or after its handshake; nothing if that fails, or takes too long.
    async fn open(&self, socket: TcpStream, peer: SocketAddr, shutdown: &ShutdownWatch) -> Option<Stream> {
        if !self.secure {
            return Some(Box::new(ClientSocket::plain(socket, peer)));
        }
        let acceptor = self.live.load().tls.as_ref()?.acceptor();
        let mut stopping = shutdown.clone();
        let too_late = async {
            told_to_stop(&mut stopping).await;
            sleep(LAST_ARRIVALS).await;
        };
        let shaken = tokio::select! {
            shaken = timeout(self.patience, acceptor.accept(socket)) => shaken,
            () = too_late => return None,
        };
        match shaken {
            Ok(Ok(stream)) => Some(Box::new(ClientSocket::secure(stream, peer))),
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "a TLS handshake failed");
                None
            }
            Err(_) => {
                tracing::debug!(%peer, "a TLS handshake took too long");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_set_on_the_listener_holds_for_its_connections() {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        tune(&listener).unwrap();
        let _client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        assert!(socket.nodelay().unwrap());
        assert!(sockopt::socket_keepalive(&socket).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&socket).unwrap(), KEEPALIVE.0);
    }

    #[test]
    fn a_burst_of_connections_waits_to_be_accepted() {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        tune(&listener).unwrap();
        let address = listener.local_addr().unwrap();
        // Above the 128 of the standard library. One too many would take a second at least.
        let connect = || net::TcpStream::connect_timeout(&address, Duration::from_millis(900)).unwrap();
        let burst: Vec<_> = (0..400).map(|_| connect()).collect();
        for _ in &burst {
            listener.accept().unwrap();
        }
    }
}
