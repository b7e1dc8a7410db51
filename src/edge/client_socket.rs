//! A client's connection as pingora wants it, in clear or after the handshake of TLS: its bytes, its address, and what
//! was agreed on.
//!
//! Small writes are put together until a flush, so that an answer's head and body leave as one packet or one record.

use std::{
    fmt, io,
    net::SocketAddr,
    os::fd::AsRawFd,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType, raw_connect::ProxyDigest, tls::SslDigest,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// How much is put together: about a packet of Ethernet.
const PACKET: usize = 1460;

/// One client's connection.
pub(super) struct ClientSocket<S> {
    stream: BufWriter<S>,
    socket: Arc<SocketDigest>,
    tls: Option<Arc<SslDigest>>,
    protocol: Option<ALPN>,
}

impl ClientSocket<TcpStream> {
    /// A connection in clear.
    pub(super) fn plain(stream: TcpStream, peer: SocketAddr) -> Self {
        let socket = digest(&stream, peer);
        Self { stream: buffered(stream), socket, tls: None, protocol: None }
    }
}

impl ClientSocket<TlsStream<TcpStream>> {
    /// A connection whose client and server have shaken hands.
    pub(super) fn secure(stream: TlsStream<TcpStream>, peer: SocketAddr) -> Self {
        let (socket, session) = stream.get_ref();
        let socket = digest(socket, peer);
        let cipher = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or_default();
        let version = session.protocol_version().and_then(|version| version.as_str()).unwrap_or_default();
        let tls = SslDigest::new(cipher, version, None, None, Vec::new());
        let protocol = match session.alpn_protocol() {
            Some(b"h2") => Some(ALPN::H2),
            Some(b"http/1.1") => Some(ALPN::H1),
            _ => None,
        };
        Self { stream: buffered(stream), socket, tls: Some(Arc::new(tls)), protocol }
    }
}

fn buffered<S: AsyncWrite>(stream: S) -> BufWriter<S> {
    BufWriter::with_capacity(PACKET, stream)
}

/// With the address already known, so that nobody asks the system for it.
fn digest(socket: &TcpStream, peer: SocketAddr) -> Arc<SocketDigest> {
    let digest = SocketDigest::from_raw_fd(socket.as_raw_fd());
    let _it_is_new = digest.peer_addr.set(Some(peer.into()));
    Arc::new(digest)
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ClientSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClientSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[async_trait]
impl<S: AsyncWrite + Unpin + Send> Shutdown for ClientSocket<S> {
    async fn shutdown(&mut self) {
        let _gone = AsyncWriteExt::shutdown(&mut self.stream).await;
    }
}

impl<S> Peek for ClientSocket<S> {}

impl<S> UniqueID for ClientSocket<S>
where
    S: HasSocket,
{
    fn id(&self) -> UniqueIDType {
        self.stream.get_ref().descriptor()
    }
}

/// A stream over a socket of the system.
pub(super) trait HasSocket: AsyncWrite {
    fn descriptor(&self) -> UniqueIDType;
}

impl HasSocket for TcpStream {
    fn descriptor(&self) -> UniqueIDType {
        self.as_raw_fd()
    }
}

impl HasSocket for TlsStream<TcpStream> {
    fn descriptor(&self) -> UniqueIDType {
        self.as_raw_fd()
    }
}

impl<S> Ssl for ClientSocket<S> {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.tls.clone()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.protocol.clone()
    }
}

impl<S> GetTimingDigest for ClientSocket<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl<S> GetProxyDigest for ClientSocket<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl<S> GetSocketDigest for ClientSocket<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.socket.clone())
    }
}

impl<S> fmt::Debug for ClientSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSocket")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{io::AsyncReadExt, net::TcpListener};

    async fn pair() -> (ClientSocket<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, peer) = listener.accept().await.unwrap();
        (ClientSocket::plain(socket, peer), client)
    }

    #[tokio::test]
    async fn small_writes_leave_together_and_the_client_is_known() {
        let (mut socket, mut client) = pair().await;
        let address = socket.get_socket_digest().unwrap().peer_addr().unwrap().as_inet().copied();
        assert_eq!(address, Some(client.local_addr().unwrap()));
        socket.write_all(b"head").await.unwrap();
        socket.write_all(b"body").await.unwrap();
        let early = tokio::time::timeout(std::time::Duration::from_millis(20), client.read_u8()).await;
        assert!(early.is_err(), "nothing leaves before a flush");
        Shutdown::shutdown(&mut socket).await;
        let mut all = String::new();
        client.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "headbody");
    }
}
