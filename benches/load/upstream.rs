//! The API behind the proxies: it answers every request at once, with about a kibibyte, and keeps connections open.

use std::{io, net::SocketAddr};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    runtime::Builder,
};

use super::{Outcome, head::read_head};

/// Bytes of each answer's body.
pub(super) const BODY: usize = 1024;

/// Serves on this address until it is killed.
pub(super) fn run(address: SocketAddr) -> Outcome<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(serve(address))
}

async fn serve(address: SocketAddr) -> Outcome<()> {
    let listener = TcpListener::bind(address).await?;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {BODY}\r\n\r\n");
    let answer: &'static [u8] = Vec::leak([head.into_bytes(), vec![b'x'; BODY]].concat());
    loop {
        let (connection, _) = listener.accept().await?;
        // A connection that breaks off ends alone; whoever drives sees what is missing.
        tokio::spawn(converse(connection, answer));
    }
}

async fn converse(mut connection: TcpStream, answer: &[u8]) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut received = Vec::new();
    while let Some(head) = read_head(&mut connection, &mut received).await? {
        received.drain(..head);
        connection.write_all(answer).await?;
    }
    Ok(())
}
