//! The clock of a client's connection, or of one stream of HTTP/2: what it waits for, and until when; and who ends it
//! when its time is over.
//!
//! pingora waits without end where nothing else is said: for the rest of a head that trickles in, for the next request,
//! for the head of an upstream's answer, for a client that does not read. The gateway and the connection's socket
//! (`socket`) tell the clock how things come on. [`Watch::guard`] obeys it, whatever pingora itself waits for: what is
//! late is dropped with all that belongs to it.

#[cfg(test)]
mod tests;

use std::{
    future::poll_fn,
    net::IpAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use http::HeaderValue;
use tokio::time::{Instant, sleep_until};

use super::{bearer::Bearer, farewell::Left, framing::Body, origin};

/// How long a stream may be silent whose client has closed its own side: most often it has gone altogether.
const HANG_UP: Duration = Duration::from_secs(2);

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of its head.
    Head,
    /// Its answer: a request is being worked on.
    Answer,
    /// The rest of an answer whose head has come.
    Stream,
    /// The rest of a request whose answer is out.
    Rest,
    /// Whatever comes: the connection speaks another protocol.
    Open,
}

/// Why a connection was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// No request came, or not the whole of its head.
    Silence,
    /// The upstream was waited for too long.
    Late,
    /// The client took nothing for too long, or has gone.
    Gone,
    /// The answer is out, and neither the client nor the upstream came on with the rest of the request.
    Needless,
    /// The token that the request ran under came to its end.
    TokenEnded,
}

/// The clock of one connection.
#[derive(Debug)]
pub(super) struct Watch {
    head: Duration,
    idle: Duration,
    state: Mutex<State>,
    /// The address of whoever is at the other end, once it was asked for.
    peer: OnceLock<HeaderValue>,
}

#[derive(Debug)]
struct State {
    /// When the connection was last looked at. What happens to it then happens now: one look at the system's clock will
    /// do for all of it.
    now: Instant,
    phase: Phase,
    since: Instant,
    /// How long it may wait, and until when.
    wait: Option<(Duration, Instant)>,
    /// Until when the client must take what is written to it, if it does not at present.
    stalled: Option<Instant>,
    /// The client is to send more of its body.
    reading: bool,
    /// But it does so only after a `100 Continue`.
    unasked: bool,
    half_closed: bool,
    /// The body that the head announced, until the socket knows it.
    body: Option<Body>,
    /// The token that the request may not outlive.
    bearer: Option<Bearer>,
    cut: Option<Cut>,
    left: Left,
}

impl State {
    fn new(head: Duration) -> Self {
        let now = Instant::now();
        Self {
            now,
            phase: Phase::Head,
            since: now,
            wait: after(now, head),
            stalled: None,
            reading: false,
            unasked: false,
            half_closed: false,
            body: None,
            bearer: None,
            cut: None,
            left: Left::default(),
        }
    }

    fn enter(&mut self, phase: Phase, wait: Option<Duration>) {
        (self.phase, self.since) = (phase, self.now);
        self.wait_for(wait);
        (self.stalled, self.unasked) = (None, false);
    }

    fn wait_for(&mut self, time: Option<Duration>) {
        self.wait = time.and_then(|time| after(self.now, time));
    }

    /// Something came on: the wait begins anew.
    fn progress(&mut self) {
        self.wait_for(self.wait.map(|(time, _)| time));
    }

    fn deadline(&self) -> Option<Instant> {
        if self.stalled.is_some() {
            return self.stalled;
        }
        // A body has its own time, which pingora keeps.
        if self.phase == Phase::Answer && self.reading && !self.unasked {
            return None;
        }
        let (time, until) = self.wait?;
        if self.phase == Phase::Stream && self.half_closed {
            return until.checked_sub(time.saturating_sub(HANG_UP)).or(Some(until));
        }
        Some(until)
    }

    /// When to look again, at the latest.
    fn next(&self) -> Option<Instant> {
        let asks = self.bearer.as_ref().and_then(Bearer::due);
        self.deadline().into_iter().chain(asks).min()
    }

    /// Why it is to be cut now, if it is.
    fn poll_cut(&mut self, context: &mut Context<'_>) -> Option<Cut> {
        if self.bearer.as_mut().is_some_and(|bearer| bearer.poll_ended(self.now, context).is_ready()) {
            return Some(Cut::TokenEnded);
        }
        self.deadline().filter(|deadline| *deadline <= self.now)?;
        Some(match self.phase {
            _ if self.stalled.is_some() => Cut::Gone,
            Phase::Idle | Phase::Head => Cut::Silence,
            Phase::Stream if self.half_closed => Cut::Gone,
            Phase::Rest => Cut::Needless,
            Phase::Answer | Phase::Stream | Phase::Open => Cut::Late,
        })
    }
}

tokio::task_local! {
    static CURRENT: Arc<Watch>;
}

impl Watch {
    /// The clock of a connection just made: its first head is awaited.
    pub(super) fn new(head: Duration, idle: Duration) -> Self {
        Self { head, idle, state: Mutex::new(State::new(head)), peer: OnceLock::new() }
    }

    /// Makes it the clock of whatever `work` does, and drops that when its time is over: nothing then.
    pub(super) async fn guard<T>(self: Arc<Self>, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(CURRENT.scope(self.clone(), work));
        let mut alarm = pin!(sleep_until(Instant::now()));
        poll_fn(|context| {
            {
                let mut state = self.state();
                (state.now, state.reading) = (Instant::now(), false);
            }
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Some(done));
            }
            loop {
                let mut state = self.state();
                state.cut = state.poll_cut(context);
                if state.cut.is_some() {
                    return Poll::Ready(None);
                }
                let Some(next) = state.next() else { return Poll::Pending };
                drop(state);
                // Most deadlines are moved on before they come: an alarm that rings early is cheaper than one set anew.
                if alarm.is_elapsed() || next < alarm.deadline() {
                    alarm.as_mut().reset(next);
                }
                ready!(alarm.as_mut().poll(context));
                self.state().now = Instant::now();
            }
        })
        .await
    }

    /// The clock of the connection that this task serves.
    pub(super) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the connection was last looked at.
    pub(super) fn now(&self) -> Instant {
        self.state().now
    }

    /// The address of whoever is at the other end, as a header has it: made once for the connection.
    pub(super) fn peer(&self, address: IpAddr) -> HeaderValue {
        self.peer.get_or_init(|| origin::header(address)).clone()
    }

    /// Why the connection was cut, if it was.
    pub(super) fn was_cut(&self) -> Option<Cut> {
        self.state().cut
    }

    /// The first byte of a request came.
    pub(super) fn head_begun(&self) {
        let mut state = self.state();
        if state.phase == Phase::Idle {
            state.enter(Phase::Head, Some(self.head));
        }
    }

    /// The connection carries streams, each of which has a clock of its own.
    pub(super) fn stands_by(&self) {
        let mut state = self.state();
        (state.phase, state.wait) = (Phase::Idle, None);
    }

    /// Nothing else can come on it before a frame that has begun is whole, and the head that it belongs to.
    pub(super) fn frame_begun(&self) {
        let mut state = self.state();
        state.phase = Phase::Head;
        state.wait_for(Some(self.head));
    }

    /// A request's head is there; it announces this body.
    pub(super) fn head_read(&self, body: Body) {
        let mut state = self.state();
        state.enter(Phase::Answer, None);
        state.body = Some(body);
    }

    /// The body that the head announced, once.
    pub(super) fn take_body(&self) -> Option<Body> {
        self.state().body.take()
    }

    /// The request runs under this token, and no longer than that lives.
    pub(super) fn runs_under(&self, bearer: Bearer) {
        self.state().bearer = Some(bearer);
    }

    /// The head of the answer must come within that time, or whenever it likes. Between two pieces of a body, and
    /// between two heads that precede the answer's, there is the whole of it.
    pub(super) fn answer_within(&self, time: Option<Duration>) {
        self.state().wait_for(time);
    }

    /// Whether the client sends its body only when it is told to go on.
    pub(super) fn body_is_asked(&self, asked: bool) {
        self.state().unasked = !asked;
    }

    /// Whether it has been told so, or needs not be.
    pub(super) fn body_was_asked(&self) -> bool {
        !self.state().unasked
    }

    /// The head of the answer came; from now on no wait for a byte may be longer than that.
    pub(super) fn stream_within(&self, time: Duration) {
        self.state().enter(Phase::Stream, Some(time));
    }

    /// The whole answer is out. The rest of the request may come while it is taken, without a longer pause than that.
    pub(super) fn rest_within(&self, time: Duration) {
        self.state().enter(Phase::Rest, Some(time));
    }

    /// The connection speaks another protocol from now on, and is never silent for longer than that.
    pub(super) fn open_within(&self, time: Duration) {
        self.state().enter(Phase::Open, Some(time));
    }

    /// Whether it does.
    pub(super) fn is_open(&self) -> bool {
        self.state().phase == Phase::Open
    }

    /// The request, or its answer, came on.
    pub(super) fn progress(&self) {
        self.state().progress();
    }

    /// The request is over.
    pub(super) fn finished(&self) {
        let mut state = self.state();
        state.enter(Phase::Idle, Some(self.idle));
        state.bearer = None;
    }

    /// Whether no request is there, so that whatever is written is no answer of ours.
    pub(super) fn awaits_head(&self) -> bool {
        matches!(self.state().phase, Phase::Idle | Phase::Head)
    }

    /// How long it waits for what it waits for.
    pub(super) fn waited(&self) -> Duration {
        self.state().since.elapsed()
    }

    /// More of the body is awaited from the client.
    pub(super) fn awaits_body(&self) {
        self.state().reading = true;
    }

    /// The client sends nothing more. It may still read.
    pub(super) fn half_closed(&self) {
        self.state().half_closed = true;
    }

    /// The client took what was written. One that takes its answer slowly is not an upstream that is late with it.
    pub(super) fn written(&self) {
        let mut state = self.state();
        state.stalled = None;
        state.progress();
    }

    /// The client takes what is written; nothing else is said by that.
    pub(super) fn taken(&self) {
        self.state().stalled = None;
    }

    /// Notes how a write went.
    pub(super) fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        match written {
            Poll::Ready(_) => self.written(),
            Poll::Pending => self.stalled(),
        }
        written
    }

    /// The client does not take what is to be written.
    pub(super) fn stalled(&self) {
        let mut state = self.state();
        if state.stalled.is_none() {
            state.stalled = after(state.now, self.idle).map(|(_, until)| until);
        }
    }

    /// Whether it does not take that at present.
    pub(super) fn is_stalled(&self) -> bool {
        self.state().stalled.is_some()
    }

    /// Changes what is left of the connection once nobody serves it.
    pub(super) fn leave(&self, leave: impl FnOnce(&mut Left)) {
        leave(&mut self.state().left);
    }

    /// What is left.
    pub(super) fn left(&self) -> Left {
        std::mem::take(&mut self.state().left)
    }
}

/// A time beyond what the clock can tell is no limit.
fn after(now: Instant, time: Duration) -> Option<(Duration, Instant)> {
    Some((time, now.checked_add(time)?))
}
