//! The first bytes of a connection without TLS, which tell whether its client speaks HTTP/2 (RFC 9113 section 3.4).

use std::io;

use bytes::BytesMut;
use pingora::{
    protocols::{ALPN, Stream},
    server::ShutdownWatch,
};
use tokio::io::AsyncReadExt;

/// What a client of HTTP/2 begins with.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection begins with.
#[derive(Debug)]
pub(in crate::edge) struct Opening {
    pub(in crate::edge) socket: Stream,
    pub(in crate::edge) is_http2: bool,
    /// What was read to know that.
    pub(in crate::edge) read: BytesMut,
}

impl Opening {
    /// Finds out what a client speaks: by its TLS handshake, or, if that is allowed, by its first bytes. Reads no more
    /// than it takes to know.
    ///
    /// # Errors
    /// That of reading.
    pub(in crate::edge) async fn of(
        socket: Stream,
        prior_knowledge: bool,
        shutdown: &ShutdownWatch,
    ) -> io::Result<Self> {
        let agreed = matches!(socket.selected_alpn_proto(), Some(ALPN::H2));
        let mut opening = Self { socket, is_http2: agreed, read: BytesMut::new() };
        if agreed || !prior_knowledge || opening.socket.get_ssl_digest().is_some() {
            return Ok(opening);
        }
        let mut stopping = shutdown.clone();
        tokio::select! {
            begun = opening.read_on() => begun?,
            // Whoever has not begun yet is left to what closes idle connections.
            _ = stopping.changed() => {}
        }
        Ok(opening)
    }

    async fn read_on(&mut self) -> io::Result<()> {
        while PREFACE.starts_with(&self.read) {
            if self.read.len() == PREFACE.len() {
                self.is_http2 = true;
                break;
            }
            let mut bytes = [0; PREFACE.len()];
            let room = bytes.get_mut(self.read.len()..).unwrap_or_default();
            let read = self.socket.read(room).await?;
            self.read.extend_from_slice(room.get(..read).unwrap_or_default());
            if read == 0 {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{io::AsyncWriteExt, sync::watch};

    /// What is made of these bytes, which come in pieces of this size.
    async fn opening(bytes: &[u8], piece: usize, prior_knowledge: bool) -> (bool, Vec<u8>) {
        let (mut client, server) = tokio::io::duplex(piece);
        let (_running, shutdown) = watch::channel(false);
        let writes = async {
            client.write_all(bytes).await.unwrap();
            client.shutdown().await.unwrap();
        };
        let ((), opening) = tokio::join!(writes, async {
            let mut opening = Opening::of(Box::new(server), prior_knowledge, &shutdown).await.unwrap();
            let mut rest = Vec::new();
            opening.socket.read_to_end(&mut rest).await.unwrap();
            (opening.is_http2, [&opening.read, rest.as_slice()].concat())
        });
        opening
    }

    #[tokio::test]
    async fn only_the_whole_preface_is_http_2_and_nothing_is_lost() {
        for (bytes, is_http2) in [
            (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore"[..], true),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", false),
            (b"PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\n", false),
            (b"GET / HTTP/1.1\r\n\r\n", false),
            (b"P", false),
            (b"", false),
        ] {
            for piece in [1, 7, 100] {
                let expected = (is_http2, bytes.to_vec());
                assert_eq!(opening(bytes, piece, true).await, expected, "{}", String::from_utf8_lossy(bytes));
                assert_eq!(opening(bytes, piece, false).await, (false, bytes.to_vec()));
            }
        }
    }
}
