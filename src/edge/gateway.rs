//! The proxy behind the door: what it is made of, and how it decides. pingora calls it by `phases`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use http::uri::Authority;
use pingora::{
    Result,
    protocols::http::{ServerSession, v1::server::HttpSession},
    proxy::Session,
};
use tokio::time::Instant;

use super::{
    Live, ServerSettings, answer,
    bearer::Bearer,
    desk,
    exchange::{Exchange, Stage},
    intake::{Head, Intake},
    observed,
};
use crate::{
    guard::{Denial, Guard, Incoming, Permit, Refused},
    observe::Metrics,
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
    /// Whether each request gets a line in the log.
    pub access_log: bool,
}

/// The proxy as pingora sees it.
pub struct Gateway {
    pub(super) parts: GatewayParts,
    /// The answer to a request whose token came to its end meanwhile.
    token_ended: Arc<Refusal>,
}

impl Gateway {
    /// A gateway of these parts.
    #[must_use]
    pub fn new(parts: GatewayParts) -> Self {
        let token_ended = Arc::new(Denial::InvalidToken.refusal(&parts.public_url));
        Self { parts, token_ended }
    }

    pub(super) fn intake(&self, session: &ServerSession) -> Result<Intake, Refusal> {
        let request = session.req_header();
        let raw = session.as_http1().map(HttpSession::get_headers_raw_bytes).unwrap_or_default();
        let head = Head {
            method: &request.method,
            version: request.version,
            target: request.raw_path(),
            authority: request.uri.authority().map(Authority::as_str),
            headers: &request.headers,
            raw: &raw,
        };
        Intake::read(&head, &self.parts.settings)
    }

    /// Asks the guard, and makes the request ready to go if it may.
    pub(super) async fn admit(
        &self,
        session: &Session,
        exchange: &mut Exchange,
        intake: &Intake,
    ) -> Result<(), Refusal> {
        let request = session.req_header();
        let incoming = Incoming {
            host: &intake.host,
            path: &intake.path,
            query: intake.query.as_deref(),
            method: &request.method,
            headers: &request.headers,
            from: exchange.origin.client,
        };
        let live = &exchange.live;
        let start = Instant::now();
        let decision = self.parts.guard.admit(&live.table, &live.limits, &incoming).await;
        self.parts.metrics.auth_duration.observe(start.elapsed().as_secs_f64());
        let record = &mut exchange.record;
        match decision {
            Ok(permit) => {
                record.belongs_to(Some(permit.upstream().clone()), permit.rule().cloned(), permit.grant().cloned());
                let (decision, reason) = permit.decision();
                record.decided(decision, reason);
                if let Some(kind) = observed::kind(&permit, &request.method) {
                    self.parts.observations.note(kind);
                }
                self.depart(exchange, permit, intake);
                Ok(())
            }
            Err(Refused { denial, upstream, rule, grant }) => {
                record.belongs_to(upstream, rule, grant);
                record.decided("deny", denial.error());
                if matches!(denial, Denial::RateLimited(_)) {
                    record.rate_limited();
                }
                Err(denial.refusal(&self.parts.public_url))
            }
        }
    }

    fn depart(&self, exchange: &mut Exchange, permit: Permit, intake: &Intake) {
        if let Some(grant) = permit.grant() {
            self.parts.tokens.note_use(grant);
        }
        exchange.stage = Stage::Admitted(permit);
        let Some((permit, upstream)) = exchange.admitted() else { return };
        let settings = upstream.settings();
        // One that only observes lets the next request through, too.
        let closes = settings.close_on_revoke && !permit.upstream().observes();
        if let (true, Some(grant)) = (closes, permit.grant()) {
            let bearer = Bearer::new(self.parts.tokens.clone(), grant.clone());
            exchange.clock(|watch| watch.runs_under(bearer));
        }
        let path = if settings.strip_prefix { intake.path.below(&settings.rules.path) } else { intake.path.as_str() };
        exchange.target = match &intake.query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        exchange.token_ended = Some(self.token_ended.clone());
    }

    pub(super) async fn serve(&self, session: &mut Session, exchange: &mut Exchange, intake: &Intake) -> Result<bool> {
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
