//! How a connection, or a stream, ends: with the answer that a cut request still gets, and so that its client can read
//! what was written.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use pingora::protocols::{
    Stream,
    http::{ServerSession, v2::server::HttpSession},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::answer;
use crate::{model::RequestId, web::Refusal};

/// How long a client is let finish. Closing while it still sends would take the answer from it (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(1);

/// What is left of a connection, or of a stream, that nobody serves any more.
#[derive(Default)]
pub(super) struct Left {
    pub(super) socket: Option<Stream>,
    pub(super) stream: Option<Box<HttpSession>>,
    /// What is still to be said on it.
    pub(super) words: Option<Words>,
    /// Whether its client was still to send something.
    pub(super) unfinished: bool,
}

/// The answer to a request that was cut before it had one.
pub(super) struct Words {
    pub(super) refusal: Arc<Refusal>,
    pub(super) id: Option<RequestId>,
    /// Whether it was asked for the head of an answer alone.
    pub(super) to_head: bool,
}

impl Left {
    /// Says the last words and closes. Whoever does not take them within `patience` goes without.
    pub(super) async fn close(self, patience: Duration) {
        let Self { socket, stream, words, unfinished } = self;
        if let (Some(stream), Some(words)) = (stream, &words) {
            let mut session = ServerSession::new_http2(*stream);
            // Whoever cannot be told has gone.
            let _gone = timeout(patience, answer::refuse(&mut session, &words.refusal, words.id.as_ref())).await;
        }
        if let Some(socket) = socket {
            close(socket, words.as_ref(), unfinished, patience).await;
        }
    }
}

async fn close(mut socket: Stream, words: Option<&Words>, unfinished: bool, patience: Duration) {
    let said = async {
        if let Some(Words { refusal, id, to_head }) = words {
            let response = answer::response(refusal, id.as_ref());
            socket.write_all(&answer::wire(&response, id.as_ref(), !to_head)).await?;
        }
        AsyncWriteExt::shutdown(&mut socket).await
    };
    if !matches!(timeout(patience, said).await, Ok(Ok(()))) {
        return;
    }
    let mut scrap = [0; 4096];
    let forget = async { while socket.read(&mut scrap).await.is_ok_and(|read| read > 0) {} };
    if unfinished {
        let _some_more_comes = timeout(LINGER, forget).await;
    } else {
        let _nothing_is_there = forget.now_or_never();
    }
}

impl std::fmt::Debug for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Left")
    }
}
