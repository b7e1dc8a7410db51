//! An answer of ours in the place of the bare words that pingora has for a head that it cannot read.

use std::{
    io,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use super::{Turn, WatchedSocket};
use crate::edge::framing::HeadSize;

/// Makes the answer to a head that is refused, by pingora with this status.
pub(in crate::edge) type Apology = Box<dyn Fn(u16, HeadSize) -> Bytes + Send + Sync>;

impl WatchedSocket {
    /// Writes our answer instead of one with this status.
    pub(super) fn poll_apology(&mut self, context: &mut Context<'_>, status: u16) -> Poll<io::Result<()>> {
        let mut words = match self.pending.take() {
            Some(words) => words,
            None => (self.apology)(status, self.head_size()),
        };
        while !words.is_empty() {
            let written = self.socket()?.poll_write(context, &words);
            match self.watch.note(written)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(written) => words.advance(written),
                Poll::Pending => {
                    self.pending = Some(words);
                    return Poll::Pending;
                }
            }
        }
        self.pending = Some(words);
        Poll::Ready(Ok(()))
    }

    const fn head_size(&self) -> HeadSize {
        match &self.turn {
            Turn::Head(scan) => scan.size(),
            Turn::Hand(_, size) | Turn::Announced(size) | Turn::Refused(size) => *size,
            Turn::Body(_) | Turn::Wait | Turn::Open => HeadSize { first_line: 0, lines: 0, fields: 0 },
        }
    }
}

/// The status in the first line of an answer: `HTTP/1.1 400 Bad Request`.
pub(super) fn status(answer: &[u8]) -> u16 {
    let digits = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    digits.unwrap_or(400)
}
