//! How writing to a client goes: one that takes nothing, or too little, is let go.

use std::{io, task::Poll};

use super::WatchedSocket;

impl WatchedSocket {
    /// Notes how a write went, and lets go of a client that takes its answer too slowly.
    pub(super) fn note_taken<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        let written = self.watch.note(written);
        let noted = self.takes.note(self.watch.now(), written, bytes);
        if matches!(&noted, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::TimedOut) {
            self.socket = None;
        }
        noted
    }
}
