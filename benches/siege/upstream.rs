//! The APIs behind the gateway, each a process of its own, so that it can be killed, and stopped.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    time::sleep,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{Outcome, head::read_head, process::Process};

/// Bytes of an answer to `…/large`: more than all buffers between it and its reader.
const LARGE: usize = 16 << 20;
/// What answers are made of: one of these, most often.
const PIECE: &[u8] = &[b'x'; 1024];
/// Between two pieces of a stream.
const TICK: Duration = Duration::from_millis(100);

/// An API that behaves well.
pub(super) const WELL: &str = "well";
/// One that reads a request and then sends nothing more.
pub(super) const HALF_CLOSING: &str = "half-closing";
/// One whose answers are no HTTP.
pub(super) const GARBAGE: &str = "garbage";

/// Starts an API on this address, that writes the ids of the POSTs it executes to a journal.
pub(super) fn start(name: &str, manner: &str, journal: &Path, address: SocketAddr) -> Outcome<Process> {
    let journal = journal.to_str().ok_or("the journal's path is no text")?;
    Process::of_this_program(&["upstream", name, manner, journal], address)
}

struct Api {
    name: String,
    manner: String,
    journal: File,
}

/// Serves until it is killed.
pub(super) fn run(name: &str, manner: &str, journal: &str, address: SocketAddr) -> Outcome<()> {
    let journal = OpenOptions::new().create(true).append(true).open(journal)?;
    let api = Arc::new(Api { name: name.to_owned(), manner: manner.to_owned(), journal });
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (connection, _) = listener.accept().await?;
            // A connection that breaks off ends alone; whoever asks sees what is missing.
            tokio::spawn(api.clone().converse(connection));
        }
    })
}

/// The value of a header.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let named = |line: &&str| line.split_once(':').is_some_and(|(known, _)| known.eq_ignore_ascii_case(name));
    Some(head.lines().find(named)?.split_once(':')?.1.trim())
}

impl Api {
    async fn converse(self: Arc<Self>, mut connection: TcpStream) -> io::Result<()> {
        connection.set_nodelay(true)?;
        let mut received = Vec::new();
        while let Some(length) = read_head(&mut connection, &mut received).await? {
            let head = String::from_utf8_lossy(received.get(..length).unwrap_or_default()).into_owned();
            received.drain(..length);
            let body = header(&head, "Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
            while received.len() < body {
                if connection.read_buf(&mut received).await? == 0 {
                    return Ok(());
                }
            }
            received.drain(..body);
            if head.starts_with("POST ") {
                writeln!(&self.journal, "{}", header(&head, "X-Number").unwrap_or_default())?;
            }
            match self.manner.as_str() {
                WELL => self.answer(&mut connection, &head).await?,
                GARBAGE => connection.write_all(b"\x16\x03\xffno HTTP at all\r\n\r\n").await?,
                _ => connection.shutdown().await?,
            }
        }
        Ok(())
    }

    async fn answer(&self, connection: &mut TcpStream, head: &str) -> io::Result<()> {
        let path = head.split(' ').nth(1).unwrap_or_default();
        if let Some(key) = header(head, "Sec-WebSocket-Key") {
            let accept = derive_accept_key(key.as_bytes());
            let open = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n";
            connection.write_all(format!("{open}Sec-WebSocket-Accept: {accept}\r\n\r\n").as_bytes()).await?;
            return stream(connection, path, b"\x81\x04tick").await;
        }
        if path.contains("/events") {
            let open = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            connection.write_all(open.as_bytes()).await?;
            return stream(connection, path, b"c\r\ndata: tick\n\n\r\n").await;
        }
        let pieces = if path.ends_with("/large") { LARGE / PIECE.len() } else { 1 };
        let length = pieces * PIECE.len();
        let head = format!("HTTP/1.1 200 OK\r\nX-Server: {}\r\nContent-Length: {length}\r\n\r\n", self.name);
        connection.write_all(&[head.as_bytes(), PIECE].concat()).await?;
        for _ in 1..pieces {
            connection.write_all(PIECE).await?;
        }
        Ok(())
    }
}

/// Sends a piece now and then, or none at all, until the other side ends it.
async fn stream(connection: &mut TcpStream, path: &str, piece: &[u8]) -> io::Result<()> {
    let (mut reading, mut writing) = connection.split();
    let mut scrap = [0; 64];
    loop {
        tokio::select! {
            read = reading.read(&mut scrap) => if read? == 0 { return Err(io::ErrorKind::UnexpectedEof.into()) },
            () = sleep(TICK) => if !path.ends_with("silent") { writing.write_all(piece).await? },
        }
    }
}
