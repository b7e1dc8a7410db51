//! Lets the axum router answer a request that pingora read: our own endpoints know of no pingora.

use std::{net::IpAddr, time::Duration};

use axum::{Router, body::Body};
use bytes::{Bytes, BytesMut};
use http::{Request, Response, header};
use http_body_util::{BodyExt, Limited};
use pingora::{Result, protocols::http::ServerSession};
use tower::ServiceExt;

use super::{answer, failure::is_slow, intake::Intake, refusals};
use crate::{model::RequestId, web::Refusal};

/// Bytes of a body that our own endpoints take.
const MAX_BODY: usize = 64 * 1024;
/// Bytes of an answer of our own endpoints; beyond all that they give.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// One request for the router.
pub(super) struct Call<'a> {
    pub(super) router: &'a Router,
    pub(super) intake: &'a Intake<'a>,
    pub(super) id: Option<&'a RequestId>,
    /// The client's address, for counting failed attempts.
    pub(super) client: Option<IpAddr>,
    /// Time for the whole body.
    pub(super) body_timeout: Duration,
}

/// Answers the request.
///
/// # Errors
/// If the client cannot be written to.
pub(super) async fn serve(session: &mut ServerSession, call: &Call<'_>) -> Result<()> {
    let body = match take_body(session, call.body_timeout).await {
        Ok(body) => body,
        Err(refusal) => return answer::refuse(session, &refusal, call.id).await,
    };
    let Some(request) = request(session, call, body) else {
        let refusal = refusals::bad_request("The request target is refused.");
        return answer::refuse(session, &refusal, call.id).await;
    };
    match respond(call.router, request).await {
        Some(response) => answer::write(session, response, call.id).await,
        None => answer::refuse(session, &refusals::internal(), call.id).await,
    }
}

async fn take_body(session: &mut ServerSession, time: Duration) -> Result<Bytes, Refusal> {
    let too_large = || refusals::large_body(MAX_BODY as u64);
    let declared = session.get_header(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > MAX_BODY) {
        return Err(too_large());
    }
    if session.is_body_empty() {
        return Ok(Bytes::new());
    }
    let read = async {
        if answer::awaits_continue(session) {
            answer::go_on(session).await?;
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = session.read_request_body().await? {
            if body.len() + chunk.len() > MAX_BODY {
                return Ok(None);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Some(body.freeze()))
    };
    let read: Result<Option<Bytes>> = match tokio::time::timeout(time, read).await {
        Ok(read) => read,
        Err(_) => return Err(refusals::slow_body()),
    };
    match read {
        Ok(body) => body.ok_or_else(too_large),
        Err(error) if is_slow(&error) => Err(refusals::slow_body()),
        Err(_) => Err(refusals::bad_request("The request's body is not framed correctly.")),
    }
}

/// The request with its path in the form that the router knows: canonical, without a slash at the end.
fn request(session: &ServerSession, call: &Call<'_>, body: Bytes) -> Option<Request<Body>> {
    let path = call.intake.path.as_str();
    let path = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path);
    let target = match call.intake.query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let head = session.req_header();
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = target.parse().ok()?;
    *request.version_mut() = head.version;
    request.headers_mut().clone_from(&head.headers);
    if let Some(id) = call.id {
        request.extensions_mut().insert(id.clone());
    }
    if let Some(client) = call.client {
        request.extensions_mut().insert(client);
    }
    Some(request)
}

/// The router's whole answer; nothing if its body broke off. The router itself answers for an endpoint that panics.
async fn respond(router: &Router, request: Request<Body>) -> Option<Response<Bytes>> {
    let response = router.clone().oneshot(request).await.ok()?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await.ok()?.to_bytes();
    Some(Response::from_parts(parts, body))
}
