//! The proxy behind the door: what it is made of, and how it decides. pingora calls it by `phases`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use bytes::Bytes;
use http::{
    Uri,
    uri::{Authority, PathAndQuery},
};
use pingora::{Result, http::RequestHeader, proxy::Session};
use tokio::time::Instant;

use super::{
    Live, ServerSettings, answer,
    bearer::Bearer,
    desk,
    exchange::{Exchange, Stage},
    intake::{Head, HeadBytes, Intake},
    observed, refusals,
};
use crate::{
    guard::{Denial, Guard, Incoming, Permit, Refused},
    observe::{AccessLog, Metrics},
    policy::UpstreamPolicy,
    store::Observations,
    tokens::Tokens,
    web::Refusal,
};

/// What a [`Gateway`] is made of.
pub struct GatewayParts {
    /// The door's limits.
    pub settings: ServerSettings,
    /// The issuer and base of absolute URLs.
    pub public_url: String,
    /// What is in force; a reload stores another one.
    pub live: Arc<ArcSwap<Live>>,
    /// Decides.
    pub guard: Guard,
    /// Is told of each use of a token.
    pub tokens: Arc<Tokens>,
    /// Is told of what would have been refused.
    pub observations: Arc<Observations>,
    /// Answers our own paths at the public door. It finds a [`crate::model::RequestId`] and the client's
    /// [`std::net::IpAddr`] among a request's extensions.
    pub router: Router,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Where each request leaves a line, if it is to.
    pub access_log: Option<AccessLog>,
}

/// The proxy as pingora sees it.
pub struct Gateway {
    pub(super) parts: GatewayParts,
    /// The answer to a request whose token came to its end meanwhile.
    token_ended: Arc<Refusal>,
}

/// The target to forward. Most often it is the one that was sent.
fn target(path: &str, query: Option<&str>, sent: &Uri) -> Result<Uri, Refusal> {
    let same = sent.path_and_query().filter(|sent| sent.path() == path && sent.query() == query);
    if let Some(sent) = same {
        return Ok(sent.clone().into());
    }
    let mut text = path.to_owned();
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    let target = PathAndQuery::from_maybe_shared(Bytes::from(text));
    target.map(Uri::from).map_err(|_| refusals::bad_request("The request target is refused."))
}

impl Gateway {
    /// A gateway of these parts.
    #[must_use]
    pub fn new(parts: GatewayParts) -> Self {
        let token_ended = Arc::new(Denial::InvalidToken.refusal(&parts.public_url));
        Self { parts, token_ended }
    }

    pub(super) fn intake<'a>(&self, request: &RequestHeader, bytes: &'a HeadBytes) -> Result<Intake<'a>, Refusal> {
        let head = Head {
            method: &request.method,
            version: request.version,
            target: &bytes.target,
            authority: request.uri.authority().map(Authority::as_str),
            headers: &request.headers,
            raw: &bytes.head,
        };
        Intake::read(&head, &self.parts.settings)
    }

    /// Asks the guard, and makes the request ready to go if it may.
    pub(super) async fn admit(
        &self,
        session: &Session,
        exchange: &mut Exchange,
        intake: &Intake<'_>,
    ) -> Result<(), Refusal> {
        let request = session.req_header();
        let incoming = Incoming {
            host: &intake.host,
            path: &intake.path,
            query: intake.query,
            method: &request.method,
            headers: &request.headers,
            from: exchange.origin.client,
        };
        let live = &exchange.live;
        let start = Instant::now();
        let decision = self.parts.guard.admit(&live.table, &live.limits, &incoming).await;
        self.parts.metrics.auth_duration.observe(start.elapsed().as_secs_f64());
        let upstream = |policy: &Arc<UpstreamPolicy>| live.upstreams.get(policy.index).cloned();
        let record = &mut exchange.record;
        match decision {
            Ok(permit) => {
                record.belongs_to(upstream(permit.upstream()), permit.rule(), permit.grant());
                let (decision, reason) = permit.decision();
                record.decided(decision, reason);
                if let Some(kind) = observed::kind(&permit, &request.method) {
                    self.parts.observations.note(kind);
                }
                self.depart(exchange, permit, intake, &request.uri)
            }
            Err(Refused { denial, upstream: policy, rule, grant }) => {
                record.belongs_to(policy.as_ref().and_then(upstream), rule.as_ref(), grant.as_ref());
                record.decided("deny", denial.error());
                if matches!(denial, Denial::RateLimited(_)) {
                    record.rate_limited();
                }
                Err(denial.refusal(&self.parts.public_url))
            }
        }
    }

    fn depart(&self, exchange: &mut Exchange, permit: Permit, intake: &Intake<'_>, sent: &Uri) -> Result<(), Refusal> {
        if let Some(grant) = permit.grant() {
            self.parts.tokens.note_use(grant);
        }
        exchange.stage = Stage::Admitted(permit);
        let Some((permit, upstream)) = exchange.admitted() else { return Err(refusals::internal()) };
        let settings = upstream.settings();
        // One that only observes lets the next request through, too.
        let closes = settings.close_on_revoke && !permit.upstream().observes();
        if let (true, Some(grant)) = (closes, permit.grant()) {
            let (tokens, grant) = (self.parts.tokens.clone(), grant.clone());
            exchange.clock(|watch| watch.runs_under(Bearer::new(tokens, grant, watch.now())));
        }
        let path = if settings.strip_prefix { intake.path.below(&settings.rules.path) } else { intake.path.as_str() };
        exchange.target = target(path, intake.query, sent)?;
        exchange.token_ended = Some(self.token_ended.clone());
        Ok(())
    }

    pub(super) async fn serve(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        intake: &Intake<'_>,
    ) -> Result<bool> {
        exchange.stage = Stage::Answered;
        exchange.record.is_ours();
        let call = desk::Call {
            router: &self.parts.router,
            intake,
            id: exchange.id.as_ref(),
            client: exchange.origin.client,
            body_timeout: self.parts.settings.body_timeout,
        };
        desk::serve(session.as_downstream_mut(), &call).await?;
        Ok(true)
    }

    /// The client sends its body now: it has its own time, and the upstream's begins anew behind it.
    pub(super) fn ask_for_body(&self, session: &mut Session, exchange: &Exchange) {
        if !session.was_upgraded() {
            session.set_read_timeout(Some(self.parts.settings.body_timeout));
            exchange.clock(|watch| watch.body_is_asked(true));
        }
    }

    pub(super) async fn refuse(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        refusal: &Refusal,
    ) -> Result<bool> {
        exchange.stage = Stage::Answered;
        answer::refuse(session.as_downstream_mut(), refusal, exchange.id.as_ref()).await?;
        Ok(true)
    }
}
