//! Where a message's head ends.

use std::io;

use tokio::{io::AsyncReadExt, net::TcpStream};

/// Reads until a whole head is there, and gives back its length; nothing if the other side closed before it began.
pub(super) async fn read_head(connection: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<Option<usize>> {
    loop {
        if let Some(at) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            return Ok(Some(at + 4));
        }
        let read = connection.read_buf(received).await?;
        match (read, received.is_empty()) {
            (0, true) => return Ok(None),
            (0, false) => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
    }
}
