//! The clock of a client's connection: what it waits for, and until when.
//!
//! pingora waits without end where nothing else is said: for the rest of a head that trickles in, for the next request,
//! for the head of an upstream's answer. The gateway tells the clock how a request comes on; the connection's socket
//! (`socket`) obeys it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of its head.
    Head,
    /// Its answer: a request is being worked on.
    Answer,
    /// The same, and time ran out.
    Late,
}

/// How large a head is as far as it has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeadSize {
    /// Its request line, in bytes.
    pub(super) first_line: usize,
    /// Its lines, the request line included.
    pub(super) lines: usize,
    /// All of it, in bytes.
    pub(super) bytes: usize,
    line: usize,
    ended: bool,
}

impl HeadSize {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.ended {
                return;
            }
            self.bytes += 1;
            match byte {
                b'\n' if self.line == 0 => self.ended = self.lines > 0,
                b'\n' => (self.lines, self.line) = (self.lines + 1, 0),
                b'\r' => {}
                _ => self.line += 1,
            }
            if self.lines == 0 {
                self.first_line = self.line;
            }
        }
    }
}

/// The clock of one connection.
#[derive(Debug)]
pub(super) struct Watch {
    head: Duration,
    idle: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// How long it may wait, and until when.
    wait: Option<(Duration, Instant)>,
    size: HeadSize,
}

impl State {
    fn new(phase: Phase, wait: Option<(Duration, Instant)>) -> Self {
        Self { phase, wait, size: HeadSize::default() }
    }
}

tokio::task_local! {
    static CURRENT: Arc<Watch>;
}

impl Watch {
    /// The clock of a connection just made: its first head is awaited.
    pub(super) fn new(head: Duration, idle: Duration) -> Self {
        let state = State::new(Phase::Head, from_now(head));
        Self { head, idle, state: Mutex::new(state) }
    }

    /// Makes it the clock of whatever `work` does.
    pub(super) async fn over<T>(self: Arc<Self>, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }

    /// The clock of the connection that this task serves.
    pub(super) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request's head is there.
    pub(super) fn head_read(&self) {
        *self.state() = State::new(Phase::Answer, None);
    }

    /// From now on no wait for the next byte of the request's answer may be longer; any if `None`.
    pub(super) fn expect_within(&self, time: Option<Duration>) {
        let mut state = self.state();
        if state.phase == Phase::Answer {
            state.wait = time.and_then(from_now);
        }
    }

    /// Whether a request did not come on in time.
    pub(super) fn is_late(&self) -> bool {
        self.state().phase == Phase::Late
    }

    /// The request is over.
    pub(super) fn finished(&self) {
        *self.state() = State::new(Phase::Idle, from_now(self.idle));
    }

    /// Bytes came.
    pub(super) fn bytes_read(&self, bytes: &[u8]) {
        let mut state = self.state();
        if state.phase == Phase::Idle && !bytes.is_empty() {
            *state = State::new(Phase::Head, from_now(self.head));
        }
        if state.phase == Phase::Head {
            state.size.add(bytes);
        }
    }

    /// How large the head is that is coming.
    pub(super) fn head_size(&self) -> HeadSize {
        self.state().size
    }

    /// Bytes were written. A client that takes its answer slowly is not an upstream that is late with it.
    pub(super) fn byte_written(&self) {
        let mut state = self.state();
        if let (Phase::Answer, Some((time, _))) = (state.phase, state.wait) {
            state.wait = from_now(time);
        }
    }

    /// Until when it may wait for bytes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.state().wait.map(|(_, deadline)| deadline)
    }

    /// What a read gives whose time is over: the end of the connection, or an error for the request.
    pub(super) fn end(&self) -> std::io::Result<()> {
        let mut state = self.state();
        if matches!(state.phase, Phase::Idle | Phase::Head) {
            return Ok(());
        }
        *state = State::new(Phase::Late, None);
        Err(std::io::ErrorKind::TimedOut.into())
    }

    /// Whether no request is there, so that whatever is written is no answer of ours.
    pub(super) fn awaits_head(&self) -> bool {
        matches!(self.state().phase, Phase::Idle | Phase::Head)
    }
}

/// A time beyond what the clock can tell is no limit.
fn from_now(time: Duration) -> Option<(Duration, Instant)> {
    Some((time, Instant::now().checked_add(time)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_measured_without_the_body_after_it() {
        let mut size = HeadSize::default();
        for part in ["\r\nGET /", " HTTP/1.1\r\nA: b\r", "\nC: d\r\n\r", "\nbody\nbody"] {
            size.add(part.as_bytes());
        }
        assert_eq!((size.first_line, size.lines, size.bytes), (14, 3, 32));
    }
}
