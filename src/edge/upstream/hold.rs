//! A connection for a request that asks for another protocol: what its server says is read only when the request is
//! written to its end.
//!
//! pingora queues that end, of a request without a body too, like all that the client sends later, and looks at the
//! queue and at the connection in any order. If it finds the server's agreement first, it takes the end of the request
//! for that of the new protocol, and closes both sides.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::task::AtomicWaker;
use pingora::{
    Error, ErrorType, Result,
    connectors::L4Connect,
    protocols::l4::{
        ext,
        socket::SocketAddr,
        stream::Stream,
        virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream},
    },
    upstreams::peer::HttpPeer,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// pingora flushes a head when it has written it, and again when it has taken the end of the request from its queue.
const FLUSHES: u8 = 2;

/// Holds back what one server says. Nothing is held back before [`Self::until_asked`].
#[derive(Debug, Clone, Default)]
pub(super) struct Hold(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Until it is read.
    flushes: AtomicU8,
    reader: AtomicWaker,
}

impl Hold {
    /// A hold on the connection that is made on these terms. It is no other request's: pingora could not tell it from
    /// others that are held.
    pub(super) fn on(peer: &mut HttpPeer) -> Self {
        let hold = Self::default();
        peer.options.custom_l4 = Some(Arc::new(hold.clone()));
        peer.options.idle_timeout = Some(Duration::ZERO);
        peer.group_key = !peer.group_key;
        hold
    }

    /// From now on, until a request is written.
    pub(super) fn until_asked(&self) {
        self.0.flushes.store(FLUSHES, Ordering::Relaxed);
    }

    fn flushed(&self) {
        let one_less = |flushes: u8| flushes.checked_sub(1);
        if self.0.flushes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less) == Ok(1) {
            self.0.reader.wake();
        }
    }

    fn holds(&self, reader: &Context<'_>) -> bool {
        self.0.reader.register(reader.waker());
        self.0.flushes.load(Ordering::Relaxed) > 0
    }
}

#[async_trait]
impl L4Connect for Hold {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let address = address.as_inet().ok_or_else(|| Error::explain(ErrorType::ConnectError, "no address"))?;
        let socket = ext::connect(address, None).await?;
        Ok(VirtualSocketStream::new(Box::new(Held { socket, hold: self.clone() })).into())
    }
}

#[derive(Debug)]
struct Held {
    socket: TcpStream,
    hold: Hold,
}

impl VirtualSocket for Held {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.socket.set_nodelay(true),
            VirtualSockOpt::KeepAlive(terms) => ext::set_tcp_keepalive(&self.socket, &terms).map_err(io::Error::other),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.hold.holds(cx) { Poll::Pending } else { Pin::new(&mut self.socket).poll_read(cx, buffer) }
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
        self.hold.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
