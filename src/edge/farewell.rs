//! How a connection ends: with the answer that a cut request still gets, and so that its client can read what was
//! written.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use pingora::protocols::Stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// How long a client is let finish. Closing while it still sends would take the answer from it (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(1);

/// What is left of a connection that nobody serves any more.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) socket: Option<Stream>,
    /// What is still to be written to it.
    pub(super) words: Option<Bytes>,
    /// Whether its client was still to send something.
    pub(super) unfinished: bool,
}

impl Left {
    /// Says the last words and closes. Whoever does not take them within `patience` goes without.
    pub(super) async fn close(self, patience: Duration) {
        let Some(mut socket) = self.socket else { return };
        let said = async {
            if let Some(words) = &self.words {
                socket.write_all(words).await?;
            }
            AsyncWriteExt::shutdown(&mut socket).await
        };
        if !matches!(timeout(patience, said).await, Ok(Ok(()))) {
            return;
        }
        let mut scrap = [0; 4096];
        let forget = async { while socket.read(&mut scrap).await.is_ok_and(|read| read > 0) {} };
        if self.unfinished {
            let _some_more_comes = timeout(LINGER, forget).await;
        } else {
            let _nothing_is_there = forget.now_or_never();
        }
    }
}
