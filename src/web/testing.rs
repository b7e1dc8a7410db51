//! How the tests of our own endpoints call them, without a socket.

use axum::{Router, body::Body};
use data_encoding::BASE64;
use http::{HeaderMap, Request, StatusCode, header, request::Builder};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON; `null` if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The member `result` of the body.
    pub(crate) fn result(&self) -> Value {
        self.json()["result"].clone()
    }

    /// Status and `error` code, empty if there is none.
    pub(crate) fn outcome(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"].as_str().unwrap_or_default().to_owned())
    }

    /// A header, empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Begins a request from `METHOD /path`.
pub(crate) fn request(line: &str) -> Builder {
    let (method, target) = line.split_once(' ').unwrap();
    Request::builder().method(method).uri(target)
}

/// Begins a form for `path`.
pub(crate) fn form(path: &str) -> Builder {
    request(&format!("POST {path}")).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
}

/// The value of `Authorization` for these Basic credentials, as they are.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{id}:{secret}").as_bytes()))
}

/// Sends a request with this body.
pub(crate) async fn send(routes: &Router, request: Builder, body: impl Into<Body>) -> Answer {
    let answer = routes.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, text: String::from_utf8(body.to_vec()).unwrap() }
}
