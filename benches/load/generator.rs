//! A caller as plain as can be: one request after the other on each of a few connections that stay open.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::{head::read_head, upstream::BODY};

/// Connections at once.
const CONNECTIONS: usize = 8;

/// The request, with this token.
pub(super) fn get(token: Option<&str>) -> String {
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!(
        "GET /orders/4711?page=2 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: exporter/1.0\r\n\
         Accept: application/json\r\n{bearer}\r\n"
    )
}

/// The status with which one request is answered.
pub(super) async fn status(to: SocketAddr, request: &str) -> io::Result<u16> {
    let mut connection = TcpStream::connect(to).await?;
    connection.write_all(request.as_bytes()).await?;
    let mut received = Vec::new();
    let head = read_head(&mut connection, &mut received).await?.unwrap_or_default();
    let status = received.get(..head).and_then(|head| std::str::from_utf8(head).ok()?.split(' ').nth(1)?.parse().ok());
    status.ok_or_else(|| io::Error::other("no answer"))
}

/// Sends the request over and over for so long. How many answers came.
///
/// # Errors
/// The first answer that is not a 200 with the upstream's body, or did not come.
pub(super) async fn drive(to: SocketAddr, request: &str, time: Duration) -> io::Result<u64> {
    let end = Instant::now() + time;
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        connections.spawn(ask_until(to, request.to_owned(), end));
    }
    let mut answers = 0;
    while let Some(answered) = connections.join_next().await {
        answers += answered??;
    }
    Ok(answers)
}

async fn ask_until(to: SocketAddr, request: String, end: Instant) -> io::Result<u64> {
    let mut connection = TcpStream::connect(to).await?;
    connection.set_nodelay(true)?;
    let (mut received, mut answers) = (Vec::new(), 0);
    while Instant::now() < end {
        connection.write_all(request.as_bytes()).await?;
        let head = read_head(&mut connection, &mut received).await?;
        let head = head.ok_or_else(|| io::Error::other("the connection was closed instead of an answer"))?;
        if !received.starts_with(b"HTTP/1.1 200 ") {
            return Err(io::Error::other(String::from_utf8_lossy(&received).into_owned()));
        }
        while received.len() < head + BODY {
            more(&mut connection, &mut received).await?;
        }
        if received.len() != head + BODY || received.iter().skip(head).any(|byte| *byte != b'x') {
            return Err(io::Error::other("the answer is not the upstream's"));
        }
        received.clear();
        answers += 1;
    }
    Ok(answers)
}

async fn more(connection: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<()> {
    match connection.read_buf(received).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
