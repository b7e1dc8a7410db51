//! What pingora calls, phase by phase, of a [`Gateway`]. Each phase only calls what decides.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, Version, header};
use pingora::{
    Error, ErrorType, Result,
    http::{RequestHeader, ResponseHeader},
    modules::http::HttpModules,
    proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session},
    upstreams::peer::HttpPeer,
};

use super::{
    Gateway, answer,
    exchange::{Exchange, is_final},
    failure::{self, Failure},
    framing::Body,
    headers::{self, Passage},
    intake::HeadBytes,
    origin::Origin,
    upgrade::asks_for_web_socket,
    upstream::Pick,
    watch::Watch,
};
use crate::{guard::Denial, model::RequestId, policy::is_own_path};

/// Time to read the rest of a body that the upstream did not wait for.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Whether the final head of the answer is written, so that no other can be.
fn is_answered(session: &Session) -> bool {
    session.response_written().is_some_and(is_final)
}

#[async_trait]
impl ProxyHttp for Gateway {
    /// On the heap: pingora moves it from one future into another.
    type CTX = Box<Exchange>;

    fn new_ctx(&self) -> Self::CTX {
        let parts = &self.parts;
        let (live, watch) = (parts.live.load_full(), Watch::current());
        Box::new(Exchange::new(live, watch, parts.metrics.clone(), parts.access_log.clone()))
    }

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, exchange: &mut Self::CTX) -> Result<()> {
        let settings = &self.parts.settings;
        session.set_read_timeout(Some(settings.body_timeout));
        session.set_total_drain_timeout(Some(DRAIN_TIME));
        // HTTP/1.0 knows no answer before the answer (RFC 9110 section 15.2).
        let old = session.req_header().version == Version::HTTP_10;
        session.set_ignore_info_resp(old);
        let peer = session.client_addr().and_then(|address| address.as_inet()).copied();
        let secure = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
        let request = session.req_header_mut();
        if !asks_for_web_socket(request.version, &request.headers) {
            request.remove_header(&header::UPGRADE);
        }
        let request = session.req_header();
        exchange.clock(|watch| watch.head_read(Body::announced(&request.headers)));
        exchange.id = Some(headers::request_id(&request.headers));
        exchange.origin = Origin::new(peer, secure, &request.headers, &settings.trusted_proxies);
        exchange.record.arrived(&request.method, peer);
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Self::CTX) -> Result<bool> {
        let bytes = HeadBytes::of(session.as_downstream());
        let intake = match self.intake(session.req_header(), &bytes) {
            Ok(intake) => intake,
            Err(refusal) => {
                exchange.record.decided("deny", refusal.error);
                return self.refuse(session, exchange, &refusal).await;
            }
        };
        if is_own_path(&intake.path, self.parts.settings.expose_management) {
            return self.serve(session, exchange, &intake).await;
        }
        match self.admit(session, exchange, &intake).await {
            Ok(()) => Ok(false),
            Err(refusal) => self.refuse(session, exchange, &refusal).await,
        }
    }

    async fn upstream_peer(&self, session: &mut Session, exchange: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        let Some((_, upstream)) = exchange.admitted() else {
            return Err(Error::explain(ErrorType::InternalError, "no permit").into_in());
        };
        // pingora keeps the time of a connection that is made, but not of a wait for room on one of HTTP/2.
        let time = upstream.settings().connect_timeout.saturating_add(upstream.settings().timeout);
        exchange.clock(|watch| watch.answer_within(Some(time)));
        match exchange.pick(session.as_downstream().is_upgrade_req()) {
            Some(peer) => Ok(Box::new(peer)),
            None => Err(Error::explain(ErrorType::ConnectError, "no server can be asked").into_up()),
        }
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        exchange: &mut Self::CTX,
    ) -> Result<()> {
        let Some((permit, upstream)) = exchange.admitted() else {
            return Err(Error::explain(ErrorType::InternalError, "no permit").into_in());
        };
        let sent = session.req_header();
        let authority = sent.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
        let passage = Passage {
            settings: upstream.settings(),
            reserved: &exchange.live.reserved,
            identity: permit.identity(),
            would_deny: permit.would_deny().map(Denial::error),
            request_id: exchange.id.as_ref(),
            origin: exchange.origin,
            peer: exchange.peer(),
            sent: &sent.headers,
            host: authority.as_ref().or_else(|| sent.headers.get(header::HOST)),
            server: exchange.attempt.pick.as_ref().and_then(Pick::authority),
        };
        let mut head = http::Request::new(()).into_parts().0;
        (head.method, head.version) = (request.method.clone(), request.version);
        (head.uri, head.headers) = (exchange.target.clone(), passage.headers(&request.headers));
        if sent.version == Version::HTTP_2 {
            headers::join_cookies(&mut head.headers);
        }
        *request = passage.head(head, request)?;
        let mut asked = !answer::awaits_continue(session.as_downstream());
        if !asked && request.version == Version::HTTP_2 {
            // pingora passes on no 100 that comes over HTTP/2, so the client gets ours.
            request.remove_header(&header::EXPECT);
            answer::go_on(session.as_downstream_mut()).await?;
            asked = true;
        }
        if session.req_header().version == Version::HTTP_10 {
            // Nobody could pass on what it asks for (RFC 9110 section 10.1.1).
            request.remove_header(&header::EXPECT);
        }
        if !asked {
            session.set_read_timeout(None);
        }
        if let Some(pick) = exchange.attempt.pick.as_ref().filter(|_| session.as_downstream_mut().is_body_empty()) {
            pick.asks_now();
        }
        let time = upstream.settings().timeout;
        exchange.clock(|watch| {
            watch.answer_within(Some(time));
            watch.body_is_asked(asked);
        });
        Ok(())
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        _body: &mut Option<Bytes>,
        _end_of_stream: bool,
        exchange: &mut Self::CTX,
    ) -> Result<()> {
        exchange.came_on(session);
        self.ask_for_body(session, exchange);
        // The rest of a connection that became another protocol is no body.
        if !session.was_upgraded() && session.body_bytes_read() as u64 > self.parts.settings.max_body {
            return Err(Error::explain(ErrorType::HTTPStatus(413), "the body is too large").into_down());
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        _exchange: &mut Self::CTX,
    ) -> Result<()> {
        answer::understood(session.as_downstream(), response)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        exchange: &mut Self::CTX,
    ) -> Result<()> {
        exchange.note_answer();
        // Else pingora closes after a 100, because the body is not read yet then.
        session.as_downstream_mut().set_close_on_response_before_downstream_finish(is_final(response));
        if !is_final(response) {
            if response.status == StatusCode::CONTINUE {
                self.ask_for_body(session, exchange);
            }
            return Ok(());
        }
        exchange.record.answered(response.status);
        let Some((permit, upstream)) = exchange.admitted() else { return Ok(()) };
        answer::tell_room(response, permit.room())?;
        let time = upstream.settings().stream_idle_timeout;
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            // There is no body any more that could be late.
            session.set_read_timeout(None);
            exchange.clock(|watch| watch.open_within(time));
        } else {
            exchange.clock(|watch| watch.stream_within(time));
            // A body that the client holds back until a 100 is its to be late with, now that there is an answer.
            self.ask_for_body(session, exchange);
        }
        answer::relay(session.as_downstream_mut(), response, exchange.id.as_ref())
    }

    fn response_body_filter(
        &self,
        session: &mut Session,
        _body: &mut Option<Bytes>,
        _end_of_stream: bool,
        exchange: &mut Self::CTX,
    ) -> Result<Option<Duration>> {
        exchange.came_on(session);
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        exchange: &mut Self::CTX,
        mut error: Box<Error>,
    ) -> Box<Error> {
        exchange.note_failure(Failure::of(&error));
        error.set_retry(exchange.may_retry(false));
        error
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        exchange: &mut Self::CTX,
        _client_reused: bool,
    ) -> Box<Error> {
        let refused = failure::never_looked_at(&error);
        if !refused {
            exchange.note_failure(Failure::of(&error));
        }
        let method = &session.req_header().method;
        let repeatable = [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE].contains(method);
        let unanswered = session.response_written().is_none() && !session.as_ref().retry_buffer_truncated();
        let silent = refused || failure::before_an_answer(&error);
        error.set_retry(unanswered && repeatable && silent && exchange.may_retry(refused));
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, exchange: &mut Self::CTX) -> FailToProxy {
        let failure = Failure::of(error);
        let request_id = exchange.id.as_ref().map(RequestId::as_str);
        let cause = failure::cause(error);
        if let Some(kind) = failure.kind() {
            exchange.record.upstream_failed(kind);
            tracing::warn!(request_id, kind, %cause, "an upstream did not answer");
        } else if failure == Failure::Internal {
            tracing::error!(request_id, %cause, "a request failed here");
        } else {
            tracing::debug!(request_id, %cause, "a client broke off");
        }
        exchange.clock(|watch| watch.answer_within(None));
        session.set_keepalive(None);
        let refusal = failure.refusal(self.parts.settings.max_body).filter(|_| !is_answered(session));
        let mut error_code = 0;
        if let Some(refusal) = refusal {
            error_code = refusal.status.as_u16();
            // Whoever cannot be written to is gone.
            let _gone = self.refuse(session, exchange, &refusal).await;
        }
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, exchange: &mut Self::CTX) {
        exchange.finish(session);
    }

    // pingora's own lines would show targets and addresses; `fail_to_proxy` says what is to be said.

    fn suppress_error_log(&self, _session: &Session, _exchange: &Self::CTX, _error: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _exchange: &Self::CTX,
        _error: &Error,
        _context: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    fn request_summary(&self, _session: &Session, exchange: &Self::CTX) -> String {
        exchange.id.as_ref().map(RequestId::to_string).unwrap_or_default()
    }
}
