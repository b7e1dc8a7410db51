//! The sample API of the demo: it knows nothing of OAuth and shows what it was told.

use axum::{Json, Router, extract::Request};
use http::HeaderMap;
use serde_json::{Value, json};

/// Answers every request with what it was told of the caller.
pub(super) fn api() -> Router {
    Router::new().fallback(async |request: Request| Json(told(&request)))
}

fn told(request: &Request) -> Value {
    let headers = request.headers();
    json!({
        "message": "the sample API was reached",
        "method": request.method().as_str(),
        "path": request.uri().path(),
        "owner": header(headers, "x-portcullis-owner"),
        "owner_name": header(headers, "x-portcullis-owner-name"),
        "client": header(headers, "x-portcullis-client"),
        "scopes": header(headers, "x-portcullis-scopes"),
        "authorization": header(headers, "authorization"),
        // Whatever was sent under another spelling of these names would show up here.
        "other_identity": other_identity(headers),
    })
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn other_identity(headers: &HeaderMap) -> Vec<String> {
    let folded = |name: &str| name.replace(['-', '_'], "").starts_with("xportcullis");
    let known = |name: &str| name.starts_with("x-portcullis-");
    headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| folded(name) && !known(name))
        .map(str::to_owned)
        .collect()
}
