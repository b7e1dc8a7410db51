//! One request from its arrival to its end: what pingora carries through all phases, and the one record that is left.

mod record;

use std::sync::Arc;

use http::{HeaderValue, StatusCode, Uri};
use pingora::{http::ResponseHeader, proxy::Session, upstreams::peer::HttpPeer};

use super::{
    Live, Upstream,
    failure::Failure,
    farewell::Words,
    origin::{self, Origin},
    refusals,
    upstream::{Balance, Pick, Request},
    watch::{Cut, Watch},
};
use crate::{
    guard::Permit,
    model::RequestId,
    observe::{AccessLog, Metrics},
    web::Refusal,
};
pub(super) use record::Record;

/// How often a request that no server has looked at is sent again at least: one that ends its connections after so many
/// requests, as most do over HTTP/2, refuses many of those that are on their way then.
const REFUSALS: u32 = 3;
/// The status in the record of a request whose client went away before an answer.
const CLIENT_GONE: u16 = 499;

/// How far a request has come.
#[derive(Debug, Default)]
pub(super) enum Stage {
    /// Nothing is decided: it goes nowhere.
    #[default]
    Arrived,
    /// It may go to the upstream of its permit.
    Admitted(Permit),
    /// It is answered, or being answered, here.
    Answered,
}

/// What pingora carries from phase to phase.
pub struct Exchange {
    pub(super) live: Arc<Live>,
    pub(super) id: Option<RequestId>,
    pub(super) origin: Origin,
    pub(super) stage: Stage,
    /// The target as it is forwarded.
    pub(super) target: Uri,
    pub(super) attempt: Attempt,
    pub(super) record: Record,
    pub(super) watch: Option<Arc<Watch>>,
    /// What is answered if the token comes to its end before there is an answer.
    pub(super) token_ended: Option<Arc<Refusal>>,
}

/// Where the request is sent.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// Whose turn it was when the request first went out.
    turn: Option<usize>,
    /// How many attempts failed.
    failed: u32,
    /// The places that were tried before.
    tried: Vec<usize>,
    pub(super) pick: Option<Pick>,
}

impl Exchange {
    pub(super) fn new(
        live: Arc<Live>,
        watch: Option<Arc<Watch>>,
        metrics: Arc<Metrics>,
        log: Option<AccessLog>,
    ) -> Self {
        Self {
            live,
            id: None,
            origin: Origin::default(),
            stage: Stage::Arrived,
            target: Uri::default(),
            attempt: Attempt::default(),
            record: Record::new(metrics, log),
            watch,
            token_ended: None,
        }
    }

    /// The permit and the upstream that it is for; nothing for a request that was not admitted.
    pub(super) fn admitted(&self) -> Option<(&Permit, &Arc<Upstream>)> {
        match &self.stage {
            Stage::Admitted(permit) => Some((permit, self.live.upstreams.get(permit.upstream().index)?)),
            Stage::Arrived | Stage::Answered => None,
        }
    }

    /// The server for the next attempt, on the terms to speak to it; nothing if none can be asked.
    pub(super) fn pick(&mut self, takes_over: bool) -> Option<HttpPeer> {
        let upstream = self.admitted()?.1.clone();
        let caller = if upstream.settings().balance == Balance::ClientHash { self.caller() } else { String::new() };
        let attempt = &mut self.attempt;
        attempt.tried.extend(attempt.pick.take().map(|pick| pick.index));
        let turn = *attempt.turn.get_or_insert_with(|| upstream.next_turn());
        let pick = upstream.pick(Request { turn, caller: &caller, tried: &attempt.tried })?;
        self.record.goes_out();
        Some(attempt.pick.insert(pick).peer(takes_over))
    }

    /// The client, or the address of one that is not known.
    fn caller(&self) -> String {
        match self.admitted().and_then(|(permit, _)| permit.grant()) {
            Some(grant) => grant.client().to_string(),
            None => self.origin.client.map(|address| address.to_string()).unwrap_or_default(),
        }
    }

    /// Notes what went wrong with the attempt under way, if its server is to blame.
    pub(super) fn note_failure(&self, failure: Failure) {
        if let (Some((_, upstream)), Some(pick), Some(_)) = (self.admitted(), &self.attempt.pick, failure.kind()) {
            upstream.note_failure(pick, failure);
        }
    }

    /// Notes that the server of the attempt under way has answered.
    pub(super) fn note_answer(&self) {
        if let (Some((_, upstream)), Some(pick)) = (self.admitted(), &self.attempt.pick) {
            upstream.note_answer(pick);
        }
    }

    /// Notes an attempt that failed, or that its server `refused` to look at. Whether there may be another one.
    pub(super) fn may_retry(&mut self, refused: bool) -> bool {
        let Some(retries) = self.admitted().map(|(_, upstream)| upstream.settings().retries) else { return false };
        self.attempt.failed = self.attempt.failed.saturating_add(1);
        self.attempt.failed <= if refused { retries.max(REFUSALS) } else { retries }
    }

    /// The address of the peer, as a header has it.
    pub(super) fn peer(&self) -> Option<HeaderValue> {
        let peer = self.origin.peer?.ip().to_canonical();
        Some(match &self.watch {
            Some(watch) => watch.peer(peer),
            None => origin::header(peer),
        })
    }

    /// Tells the clock of the connection.
    pub(super) fn clock(&self, tell: impl FnOnce(&Watch)) {
        if let Some(watch) = &self.watch {
            tell(watch);
        }
    }

    /// The body of the request, or of its answer, came on.
    pub(super) fn came_on(&mut self, session: &Session) {
        self.record.bytes = (session.body_bytes_read(), session.body_bytes_sent());
        self.clock(Watch::progress);
    }

    /// Writes the record, with what was sent and received.
    pub(super) fn finish(&mut self, session: &Session) {
        let response = session.response_written().filter(|response| is_final(response));
        let status = response.map_or(CLIENT_GONE, |response| response.status.as_u16());
        self.record.bytes = (session.body_bytes_read(), session.body_bytes_sent());
        self.record.write(self.id.as_ref(), status);
    }

    /// The request was cut off: pingora tells of no end then. If its answer had not begun, there may still be one to
    /// give.
    fn cut_off(&mut self) {
        let refusal = match self.watch.as_ref().and_then(|watch| watch.was_cut()) {
            Some(Cut::Late) => {
                let request_id = self.id.as_ref().map(RequestId::as_str);
                let kind = Failure::Timeout.kind().unwrap_or_default();
                self.record.upstream_failed(kind);
                tracing::warn!(request_id, upstream = self.record.upstream(), kind, "an upstream did not answer");
                if self.record.begun.is_none() {
                    self.note_failure(Failure::Timeout);
                }
                Some(Arc::new(refusals::gateway_timeout()))
            }
            Some(Cut::TokenEnded) => {
                self.record.cut = Some("token_ended");
                self.token_ended.take()
            }
            Some(Cut::Silence | Cut::Gone | Cut::Needless) | None => None,
        };
        let mut status = self.record.begun;
        if let (None, Some(refusal)) = (status, refusal) {
            status = Some(refusal.status.as_u16());
            let words = Words { refusal, id: self.id.clone(), to_head: self.record.method == "HEAD" };
            self.clock(|watch| watch.leave(|left| left.words = Some(words)));
        }
        self.record.write(self.id.as_ref(), status.unwrap_or(CLIENT_GONE));
    }
}

/// Whether no other head can follow that one.
pub(super) fn is_final(response: &ResponseHeader) -> bool {
    !response.status.is_informational() || response.status == StatusCode::SWITCHING_PROTOCOLS
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.record.written {
            self.cut_off();
        }
        self.clock(Watch::finished);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::LiveSettings;
    use crate::observe::{LogFormat, LogGuard, LogSettings};
    use std::{
        io::{self, Write},
        sync::Mutex,
    };
    use tracing::Level;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_request_leaves_one_record_even_when_it_is_cut_off() {
        let lines = Lines::default();
        let settings = LogSettings { format: LogFormat::Json, level: Level::ERROR, access: true };
        let (_, log) = LogGuard::open(settings, lines.clone()).unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        for cut_off in [false, true] {
            let live = Live::build(LiveSettings::default(), false).unwrap();
            let mut exchange = Exchange::new(live.into(), None, metrics.clone(), log.access());
            exchange.id = RequestId::from_caller("r1");
            exchange.record.arrived(&http::Method::GET, Some("192.0.2.1:9".parse().unwrap()));
            exchange.record.decided("deny", "not_found");
            if !cut_off {
                exchange.record.write(exchange.id.as_ref(), 404);
            }
        }
        drop(log);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        for (line, status) in lines.iter().zip([404, 499]) {
            let told = ["request_id", "upstream", "decision", "reason", "method", "peer"].map(|name| &line[name]);
            assert_eq!(told, ["r1", "none", "deny", "not_found", "GET", "192.0.2.1:9"]);
            assert_eq!(line["status"], status);
        }
        let counted = |status| metrics.requests.with_label_values(&["none", "GET", status]).get();
        assert_eq!((counted("404"), counted("499")), (1, 1));
    }
}
