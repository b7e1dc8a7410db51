//! What all of our own endpoints have in common: the request's id, the body of refusals, 404 and 405.
//!
//! A face refuses by giving a [`Refusal`] back. [`desk`] stands outermost, where the request's id is known, and writes
//! it out.

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::Refusal;
use crate::model::RequestId;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The routes of one listener, made whole: each request has a [`RequestId`] among its extensions (the listener's, else
/// the caller's, else a random one) and each answer names it; what is not there is a 404 or 405 in our form; no answer
/// is kept by a cache unless its endpoint says so.
#[must_use]
pub fn desk(routes: Router) -> Router {
    let routes = routes.fallback(not_found).method_not_allowed_fallback(method_not_allowed);
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
    let id = known.or_else(|| from_caller(request.headers())).or_else(|| RequestId::random().ok());
    if let Some(id) = &id {
        request.extensions_mut().insert(id.clone());
    }
    let mut response = next.run(request).await;
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        write(&mut response, &refusal, id.as_ref());
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

fn write(response: &mut Response, refusal: &Refusal, id: Option<&RequestId>) {
    let id = id.map(RequestId::as_str);
    if let Some(cause) = &refusal.cause {
        tracing::error!(request_id = id, error = refusal.error, %cause, "a request could not be answered");
    }
    *response.body_mut() = Body::from(refusal.body(id));
    let headers = response.headers_mut();
    // The length of the empty body that stood for this one.
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
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
    use axum::{Extension, routing};
    use http::{Method, Request as HttpRequest};
    use http_body_util::BodyExt;
    use serde_json::Value;
    use tower::ServiceExt;

    fn routes() -> Router {
        let refuse = || async { Refusal::unavailable("unavailable", "not now").caused_by("the inner reason") };
        let id = |Extension(id): Extension<RequestId>| async move { id.to_string() };
        desk(
            Router::new()
                .route("/id", routing::patch(id).get(id).delete(id))
                .route("/refuse", routing::get(refuse)),
        )
    }

    async fn call(request: HttpRequest<Body>) -> (StatusCode, HeaderMap, String) {
        let (head, body) = routes().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    fn request(method: &str, path: &str) -> HttpRequest<Body> {
        HttpRequest::builder().method(method).uri(path).body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn the_listeners_request_id_comes_before_the_callers() {
        let mut both = request("GET", "/id");
        both.headers_mut().insert(REQUEST_ID, HeaderValue::from_static("theirs"));
        let (_, headers, body) = call(both.clone()).await;
        assert_eq!((body.as_str(), &headers[REQUEST_ID]), ("theirs", &HeaderValue::from_static("theirs")));
        both.extensions_mut().insert(RequestId::from_caller("ours").unwrap());
        assert_eq!(call(both).await.2, "ours");
    }

    #[tokio::test]
    async fn without_a_harmless_id_a_random_one_is_made() {
        let mut bad = request("GET", "/id");
        bad.headers_mut().insert(REQUEST_ID, HeaderValue::from_static("x prt_at_x"));
        let (_, headers, body) = call(bad).await;
        assert!(body.len() == 16 && headers[REQUEST_ID] == *body, "{body}");
    }

    #[tokio::test]
    async fn a_refusal_gets_body_id_and_headers_but_not_its_cause() {
        let (status, headers, body) = call(request("GET", "/refuse")).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(headers[header::RETRY_AFTER], "1");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(headers[header::CONTENT_TYPE], "application/json");
        assert_eq!(headers[header::CONTENT_LENGTH], body.len().to_string());
        assert!(!body.contains("inner reason"));
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["error"], &body["request_id"]), (&"unavailable".into(), &*headers[REQUEST_ID].to_str().unwrap().into()));
    }

    #[tokio::test]
    async fn other_paths_and_methods_are_refused_in_our_form() {
        let (status, _, body) = call(request("GET", "/nothing")).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(body.contains(r#""error":"not_found""#), "{body}");
        let (status, headers, body) = call(request("POST", "/id")).await;
        assert_eq!((status, &headers[header::ALLOW]), (StatusCode::METHOD_NOT_ALLOWED, &HeaderValue::from_static("DELETE, GET, HEAD, PATCH")));
        assert!(body.contains(r#""error":"method_not_allowed""#), "{body}");
    }

    #[tokio::test]
    async fn head_answers_as_get_without_the_body() {
        let (status, _, body) = call(request(Method::HEAD.as_str(), "/id")).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, ""));
        let (status, headers, body) = call(request(Method::HEAD.as_str(), "/refuse")).await;
        assert_eq!((status, body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, ""));
        assert_ne!(headers[header::CONTENT_LENGTH], "0");
    }
}
