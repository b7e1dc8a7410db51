//! A caller of HTTP/1.1: one request after the other on a connection, each with its answer.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::head::read_head;

/// No honest caller waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request: its line without the version, its headers each on a line of its own, and its body.
pub(super) fn request(line: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let headers = headers.iter().flat_map(|header| [*header, "\r\n"]).collect::<String>();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{line} HTTP/1.1\r\nHost: api.example.com\r\n{headers}{length}\r\n{body}").into_bytes()
}

/// The status of an answer, and its head in small letters.
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
}

impl Answer {
    /// Reads a head; nothing if it is none.
    pub(super) fn read(head: &[u8]) -> Option<Self> {
        let head = String::from_utf8_lossy(head).to_ascii_lowercase();
        let status = head.strip_prefix("http/1.1 ")?.get(..3)?.parse().ok()?;
        Some(Self { status, head })
    }

    /// The value of a header, in small letters.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A connection from an address of ours.
pub(super) async fn connect(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// All that comes, until the other side closes.
pub(super) async fn text(from: Ipv4Addr, to: SocketAddr, request: &[u8]) -> io::Result<String> {
    let mut socket = connect(from, to).await?;
    socket.write_all(request).await?;
    let mut text = String::new();
    socket.read_to_string(&mut text).await?;
    Ok(text)
}

/// A connection that stays open between requests.
pub(super) struct Connection {
    socket: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// Opens it.
    ///
    /// # Errors
    /// It did not come about.
    pub(super) async fn open(from: Ipv4Addr, to: SocketAddr) -> io::Result<Self> {
        let socket = timeout(PATIENCE, connect(from, to)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        Ok(Self { socket, received: Vec::new() })
    }

    /// Sends a request, and reads its answer to the end.
    ///
    /// # Errors
    /// No answer came, or not the whole of it.
    pub(super) async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        timeout(PATIENCE, self.converse(request)).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    async fn converse(&mut self, request: &[u8]) -> io::Result<Answer> {
        let answer = self.begin(request).await?;
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        while self.received.len() < length {
            if self.socket.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.received.drain(..length);
        Ok(answer)
    }

    /// Sends a request, and reads the head of its answer.
    ///
    /// # Errors
    /// It did not come.
    pub(super) async fn begin(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.socket.write_all(request).await?;
        let head = read_head(&mut self.socket, &mut self.received).await?;
        let head = head.ok_or(io::ErrorKind::ConnectionAborted)?;
        let answer = Answer::read(self.received.get(..head).unwrap_or_default());
        self.received.drain(..head);
        answer.ok_or_else(|| io::Error::other("the answer is no HTTP"))
    }

    /// Reads until the other side ends the connection.
    pub(super) async fn end(mut self) {
        let mut scrap = vec![0; 4096];
        while self.socket.read(&mut scrap).await.is_ok_and(|read| read > 0) {}
    }
}
