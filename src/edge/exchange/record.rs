//! What is left of a request: one line of the access log, and what the metrics count of it.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;

use super::super::Upstream;
use crate::{
    cache::Fresh,
    model::RequestId,
    observe::{AccessLine, AccessLog, Metrics, OWN, UsualMetrics, method_label, milliseconds},
    policy::Rule,
    tokens::Grant,
    web::Refusal,
};

/// The `upstream` label of requests that belong to none.
const NONE: &str = "none";

/// What is known of the request for the log and the metrics.
pub(in crate::edge) struct Record {
    metrics: Arc<Metrics>,
    log: Option<AccessLog>,
    started: Instant,
    pub(super) written: bool,
    own: bool,
    upstream: Option<Arc<Upstream>>,
    rule: Option<Arc<Rule>>,
    grant: Option<Arc<Fresh<Grant>>>,
    decision: Option<(&'static str, &'static str)>,
    pub(super) method: &'static str,
    peer: Option<SocketAddr>,
    sent: Option<Instant>,
    answered: Option<Duration>,
    /// The status of the answer that began.
    pub(super) begun: Option<u16>,
    /// Why it was cut, if neither side is to blame.
    pub(super) cut: Option<&'static str>,
    /// Bytes of the bodies, of the request and of the answer, as far as they came.
    pub(super) bytes: (usize, usize),
}

impl Record {
    pub(in crate::edge) fn new(metrics: Arc<Metrics>, log: Option<AccessLog>) -> Self {
        Self {
            metrics,
            log,
            started: Instant::now(),
            written: false,
            own: false,
            upstream: None,
            rule: None,
            grant: None,
            decision: None,
            method: "other",
            peer: None,
            sent: None,
            answered: None,
            begun: None,
            cut: None,
            bytes: (0, 0),
        }
    }

    pub(in crate::edge) fn arrived(&mut self, method: &http::Method, peer: Option<SocketAddr>) {
        self.method = method_label(method);
        self.peer = peer;
    }

    /// It is for one of our own endpoints.
    pub(in crate::edge) const fn is_ours(&mut self) {
        self.own = true;
    }

    pub(in crate::edge) fn belongs_to(
        &mut self,
        upstream: Option<Arc<Upstream>>,
        rule: Option<&Arc<Rule>>,
        grant: Option<&Arc<Fresh<Grant>>>,
    ) {
        self.upstream = upstream;
        if self.log.is_some() {
            (self.rule, self.grant) = (rule.cloned(), grant.cloned());
        }
    }

    pub(in crate::edge) fn decided(&mut self, decision: &'static str, reason: &'static str) {
        self.decision = Some((decision, reason));
        self.metrics.count_decision(self.upstream(), self.usual(), decision, reason);
    }

    /// Its head could not be read, for which it was awaited so long.
    pub(in crate::edge) fn refused(&mut self, refusal: &Refusal, peer: Option<SocketAddr>, took: Duration) {
        self.started = self.started.checked_sub(took).unwrap_or(self.started);
        self.peer = peer;
        self.decided("deny", refusal.error);
    }

    /// It goes to its upstream, for the first time or again.
    pub(in crate::edge) fn goes_out(&mut self) {
        if self.log.is_some() {
            self.sent.get_or_insert_with(Instant::now);
        }
    }

    /// The upstream's answer began.
    pub(in crate::edge) fn answered(&mut self, status: StatusCode) {
        self.answered = self.sent.map(|sent| sent.elapsed());
        self.begun = Some(status.as_u16());
    }

    /// It is answered with 429.
    pub(in crate::edge) fn rate_limited(&self) {
        self.metrics.rate_limited.with_label_values(&[self.upstream()]).inc();
    }

    pub(in crate::edge) fn upstream_failed(&self, kind: &str) {
        self.metrics.upstream_failures.with_label_values(&[self.upstream(), kind]).inc();
    }

    pub(super) fn upstream(&self) -> &str {
        match &self.upstream {
            Some(upstream) => upstream.name(),
            None if self.own => OWN,
            None => NONE,
        }
    }

    fn usual(&self) -> Option<&UsualMetrics> {
        self.upstream.as_ref().map(|upstream| upstream.usual_metrics())
    }

    /// Writes the record, once.
    pub(in crate::edge) fn write(&mut self, id: Option<&RequestId>, status: u16) {
        if std::mem::replace(&mut self.written, true) {
            return;
        }
        let (upstream, took, (bytes_in, bytes_out)) = (self.upstream(), self.started.elapsed(), self.bytes);
        let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.metrics.count_answer(upstream, self.usual(), self.method, code, took);
        let Some(log) = &self.log else { return };
        log.write(&AccessLine {
            request_id: id.map(RequestId::as_str),
            upstream,
            listener: None,
            rule: self.rule.as_ref().map(|rule| rule.path.as_str()),
            decision: self.decision.map(|(decision, _)| decision),
            reason: self.decision.map(|(_, reason)| reason),
            client: self.grant.as_ref().map(|grant| grant.client()),
            owner: self.grant.as_ref().map(|grant| grant.owner()),
            method: self.method,
            status,
            cut: self.cut,
            bytes_in: Some(bytes_in),
            bytes_out: Some(bytes_out),
            duration_ms: milliseconds(took),
            upstream_ms: self.answered.map(milliseconds),
            peer: self.peer,
        });
    }
}
