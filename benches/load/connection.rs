//! A connection of a caller: one request after the other, each with its answer.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::{head::read_head, requests::Expected, upstream::BODY};

/// Where callers come from, unless it matters.
pub(super) const HOME: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A connection that is opened when it is first needed, and again after the other side said that it closes.
pub(super) struct Connection {
    from: Ipv4Addr,
    to: SocketAddr,
    stream: Option<TcpStream>,
    received: Vec<u8>,
}

impl Connection {
    /// None is open yet.
    pub(super) fn new(from: Ipv4Addr, to: SocketAddr) -> Self {
        Self { from, to, stream: None, received: Vec::new() }
    }

    /// Sends a request, and gives back the status of its answer.
    ///
    /// # Errors
    /// No answer, or one that is not as expected.
    pub(super) async fn ask(&mut self, request: &[u8], expected: Expected) -> io::Result<u16> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.from, self.to).await?,
        };
        self.received.clear();
        stream.write_all(request).await?;
        let end = read_head(&mut stream, &mut self.received).await?;
        let end = end.ok_or_else(|| io::Error::other("the connection was closed instead of an answer"))?;
        let head = Head::read(self.received.get(..end).unwrap_or_default())
            .ok_or_else(|| io::Error::other(String::from_utf8_lossy(&self.received).into_owned()))?;
        while self.received.len() < end + head.length {
            if stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let body = self.received.get(end..).unwrap_or_default();
        let right = match expected {
            Expected::Upstreams => head.status == 200 && body.len() == BODY && body.iter().all(|byte| *byte == b'x'),
            Expected::Status(statuses) => statuses.contains(&head.status) && body.len() == head.length,
        };
        if !right {
            return Err(io::Error::other(format!("not {expected:?}: {}", String::from_utf8_lossy(&self.received))));
        }
        self.stream = (!head.closes).then_some(stream);
        Ok(head.status)
    }
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    if from != HOME {
        socket.bind((from, 0).into())?;
    }
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What matters of an answer's head.
struct Head {
    status: u16,
    length: usize,
    closes: bool,
}

impl Head {
    /// Nothing if it is none, or does not say how long its body is.
    fn read(head: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(head).ok()?.lines();
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let (mut length, mut closes) = (None, false);
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().ok();
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.eq_ignore_ascii_case("close");
            }
        }
        Some(Self { status, length: length?, closes })
    }
}
