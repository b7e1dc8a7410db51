//! An API of which only the bytes matter: it keeps all that arrives, whole requests and what never becomes one, and
//! answers each whole one with 200.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// The bytes that came at once, with the message they belong to; none if the connection ended within it.
struct Piece {
    connection: usize,
    message: usize,
    bytes: Vec<u8>,
}

/// The API and what arrived.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    pieces: Arc<Mutex<Vec<Piece>>>,
}

impl Recorder {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((super::own_address(), 9000)).unwrap();
        let address = listener.local_addr().unwrap();
        let pieces: Arc<Mutex<Vec<Piece>>> = Arc::default();
        let kept = pieces.clone();
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().flatten().enumerate() {
                let kept = kept.clone();
                thread::spawn(move || record(stream, connection, &kept));
            }
        });
        Self { address, pieces }
    }

    /// The messages that arrived since this was last asked, as soon as there are as many bytes as expected, and, if one
    /// is to be cut, when it is. What comes later is found by whoever asks next.
    pub(crate) fn take(&self, expected: usize, cut: bool) -> Vec<Vec<u8>> {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let mut pieces = self.pieces.lock().unwrap();
            let arrived: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
            let whole = arrived >= expected && (!cut || pieces.iter().any(|piece| piece.bytes.is_empty()));
            if whole || Instant::now() > deadline {
                return messages(std::mem::take(&mut *pieces));
            }
            drop(pieces);
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// In the order of their first bytes.
fn messages(pieces: Vec<Piece>) -> Vec<Vec<u8>> {
    let mut found: Vec<((usize, usize), Vec<u8>)> = Vec::new();
    for piece in pieces {
        let key = (piece.connection, piece.message);
        match found.iter_mut().find(|(known, _)| *known == key) {
            Some((_, bytes)) => bytes.extend(piece.bytes),
            None => found.push((key, piece.bytes)),
        }
    }
    found.into_iter().map(|(_, bytes)| bytes).collect()
}

fn record(mut stream: TcpStream, connection: usize, kept: &Mutex<Vec<Piece>>) {
    let (mut message, mut whole, mut held, mut buffer) = (0, Vec::new(), Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).unwrap_or_default();
        if read == 0 {
            if !whole.is_empty() {
                kept.lock().unwrap().push(Piece { connection, message, bytes: Vec::new() });
            }
            return;
        }
        held.extend_from_slice(&buffer[..read]);
        while !held.is_empty() {
            let before = whole.len();
            whole.append(&mut held);
            let end = end_of(&whole);
            if let Some(end) = end {
                held = whole.split_off(end);
            }
            let bytes = whole[before..].to_vec();
            kept.lock().unwrap().push(Piece { connection, message, bytes });
            if end.is_none() {
                break;
            }
            (message, whole) = (message + 1, Vec::new());
            if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                return;
            }
        }
    }
}

/// Where the first message ends, if it is whole. A server that reads by the letter.
fn end_of(bytes: &[u8]) -> Option<usize> {
    let find = |from: usize, part: &[u8]| {
        let rest = bytes.get(from..)?;
        Some(from + rest.windows(part.len()).position(|window| window == part)?)
    };
    let head = find(0, b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    if let Some(length) = text.lines().find_map(|line| line.strip_prefix("content-length: ")) {
        let end = head + length.parse::<usize>().ok()?;
        return (bytes.len() >= end).then_some(end);
    }
    if !text.contains("\r\ntransfer-encoding: chunked\r\n") {
        return Some(head);
    }
    let mut at = head;
    loop {
        let line = find(at, b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..line]).ok()?, 16).ok()?;
        at = line + 2 + size + 2;
        if size == 0 {
            return (bytes.len() >= at).then_some(at);
        }
    }
}
