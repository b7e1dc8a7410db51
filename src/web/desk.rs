//! What all of our own endpoints have in common: the request's id, the body of refusals, 404 and 405.
//!
//! A face refuses by giving a [`Refusal`] back. [`desk`] stands outermost, where the request's id is known, and writes
//! it out. An endpoint that panics is refused as broken, and the next request is served.

use std::panic::AssertUnwindSafe;

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::Refusal;
use crate::model::RequestId;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The routes of one listener, made whole: each request has a [`RequestId`] among its extensions (the listener's, else
/// the caller's, else a random one) and each answer names it; what is not there is a 404 or 405 in our form; no answer
/// is kept by a cache unless its endpoint says so.
pub fn desk(routes: impl Into<Router>) -> Router {
    let routes = routes.into().fallback(not_found).method_not_allowed_fallback(method_not_allowed);
    // A router of its own around the routes: `Allow` is set by a router on its way out.
    Router::new().fallback_service(routes).layer(from_fn(answer))
}

async fn not_found() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "not_found", "There is no endpoint at this path.")
}

async fn method_not_allowed() -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This endpoint takes other methods; see the Allow header.",
    )
}

impl IntoResponse for Refusal {
    /// The head of the answer; [`desk`] adds the body.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        for (name, value) in &self.headers {
            response.headers_mut().append(name, value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

async fn answer(mut request: Request, next: Next) -> Response {
    let known = request.extensions().get::<RequestId>().cloned();
    let id = known.or_else(|| from_caller(request.headers())).or_else(|| Some(RequestId::random()));
    if let Some(id) = &id {
        request.extensions_mut().insert(id.clone());
    }
    let bodiless = request.method() == Method::HEAD;
    // What it left behind half done is dropped with it; what is shared holds no lock across an await.
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| Refusal::internal("an endpoint panicked").into_response());
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        let body = write(&mut response, &refusal, id.as_ref());
        *response.body_mut() = if bodiless { Body::empty() } else { Body::from(body) };
    }
    let headers = response.headers_mut();
    if let Some(id) = id.and_then(|id| HeaderValue::from_str(id.as_str()).ok()) {
        headers.insert(REQUEST_ID, id);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    sort_allow(headers);
    response
}

fn from_caller(headers: &HeaderMap) -> Option<RequestId> {
    headers.get(REQUEST_ID)?.to_str().ok().and_then(RequestId::from_caller)
}

/// Writes the head of a refusal, the cause to the log, and gives the body back.
fn write(response: &mut Response, refusal: &Refusal, id: Option<&RequestId>) -> Bytes {
    let id = id.map(RequestId::as_str);
    if let Some(cause) = &refusal.cause {
        let error = refusal.error;
        if refusal.status == StatusCode::SERVICE_UNAVAILABLE {
            tracing::warn!(request_id = id, error, %cause, "a request could not be answered for now");
        } else {
            tracing::error!(request_id = id, error, %cause, "a request could not be answered");
        }
    }
    let body = refusal.body(id);
    let headers = response.headers_mut();
    // In place of the length of the empty body that stood for this one.
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    body
}

/// `Allow` in the order of the alphabet, as at the proxy.
fn sort_allow(headers: &mut HeaderMap) {
    let Some(allow) = headers.get(header::ALLOW).and_then(|allow| allow.to_str().ok()) else { return };
    let mut methods: Vec<&str> = allow.split(',').map(str::trim).collect();
    methods.sort_unstable();
    if let Ok(sorted) = HeaderValue::from_str(&methods.join(", ")) {
        headers.insert(header::ALLOW, sorted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::testing::{request, send};
    use axum::{Extension, routing};

    async fn panics() -> Refusal {
        panic!("on purpose")
    }

    fn routes() -> Router {
        let refuse = || async { Refusal::unavailable("unavailable", "not now").caused_by("the inner reason") };
        let id = |Extension(id): Extension<RequestId>| async move { id.to_string() };
        let routes = Router::new().route("/id", routing::patch(id).get(id).delete(id));
        desk(routes.route("/refuse", routing::get(refuse)).route("/panic", routing::get(panics)))
    }

    #[tokio::test]
    async fn the_listeners_request_id_comes_before_the_callers() {
        let theirs = || request("GET /id").header("x-request-id", "theirs");
        let answer = send(&routes(), theirs(), "").await;
        assert_eq!((answer.text.as_str(), answer.header("x-request-id")), ("theirs", "theirs"));
        let both = theirs().extension(RequestId::from_caller("ours").unwrap());
        assert_eq!(send(&routes(), both, "").await.text, "ours");
    }

    #[tokio::test]
    async fn without_a_harmless_id_a_random_one_is_made() {
        let answer = send(&routes(), request("GET /id").header("x-request-id", "x-prt_at_x"), "").await;
        assert!(answer.text.len() == 16 && answer.text == answer.header("x-request-id"), "{answer:?}");
    }

    #[tokio::test]
    async fn a_refusal_gets_body_id_and_headers_but_not_its_cause() {
        let answer = send(&routes(), request("GET /refuse"), "").await;
        assert_eq!(answer.outcome(), (503, "unavailable".to_owned()));
        let length = answer.text.len().to_string();
        for (name, value) in [
            ("retry-after", "1"),
            ("cache-control", "no-store"),
            ("content-type", "application/json"),
            ("content-length", &length),
        ] {
            assert_eq!(answer.header(name), value, "{name}");
        }
        assert!(!answer.text.contains("inner reason"));
        assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
    }

    #[tokio::test]
    async fn an_endpoint_that_panics_is_refused_in_our_form_and_the_others_go_on() {
        let routes = routes();
        let answer = send(&routes, request("GET /panic"), "").await;
        assert_eq!(answer.outcome(), (500, "server_error".to_owned()));
        assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
        assert!(!answer.text.contains("on purpose"));
        assert_eq!(send(&routes, request("GET /id"), "").await.status, 200);
    }

    #[tokio::test]
    async fn other_paths_and_methods_are_refused_in_our_form() {
        let answer = send(&routes(), request("GET /nothing"), "").await;
        assert_eq!(answer.outcome(), (404, "not_found".to_owned()));
        let answer = send(&routes(), request("POST /id"), "").await;
        assert_eq!(answer.outcome(), (405, "method_not_allowed".to_owned()));
        assert_eq!(answer.header("allow"), "DELETE, GET, HEAD, PATCH");
    }

    #[tokio::test]
    async fn head_answers_as_get_without_the_body() {
        for (line, status) in [("HEAD /id", 200), ("HEAD /refuse", 503)] {
            let answer = send(&routes(), request(line), "").await;
            assert_eq!((answer.status.as_u16(), answer.text.as_str()), (status, ""), "{line}");
            assert!(answer.header("content-length").parse::<u32>().unwrap() > 0, "{line}");
        }
    }
}
