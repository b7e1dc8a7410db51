//! Floor 1, HTTP as all faces speak it: the one form of every refusal, and what our own endpoints have in common.
//!
//! A refusal's body is `{"error","error_description","request_id","errors":[{"httpcode","message"}]}`: the members of
//! RFC 6749 section 5.2 for programs of the standard, `errors` for programs of the hosted service, the request's id for
//! people.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{Exceeded, Room, mask_secrets};

mod body;
mod description;
mod desk;
mod organization;
mod well_known;

pub use body::{BodyError, MAX_BODY, read_body};
pub use description::{DescribedResponses, alias, describe_refusals, refusal_schemas};
pub use desk::desk;
pub use organization::{ConflictingHeaders, OrganizationCredentials, organization_credentials};
pub use well_known::{well_known_path, well_known_url};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A refusal before it is written: status, code, words, and the headers that go with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The `error` code.
    pub error: &'static str,
    /// The `error_description`.
    pub description: String,
    /// Headers beyond those of every refusal, such as `Allow` and `WWW-Authenticate`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What went wrong inside, for the log; the caller is never told.
    pub cause: Option<String>,
}

/// The body of every refusal.
#[derive(Serialize, ToSchema)]
#[schema(as = Refusal)]
struct Body<'a> {
    /// A code for programs.
    error: &'a str,
    /// Words for people.
    error_description: &'a str,
    /// The request's name in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<&'a str>,
    errors: [HttpError<'a>; 1],
}

#[derive(Serialize, ToSchema)]
struct HttpError<'a> {
    httpcode: u16,
    message: &'a str,
}

impl Refusal {
    /// A refusal without headers of its own.
    #[must_use]
    pub fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self { status, error, description: description.into(), headers: Vec::new(), cause: None }
    }

    /// Adds a header; a text that cannot be a header's value is left out.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Something did not answer that would have been needed: 503, to be tried again in a second.
    #[must_use]
    pub fn unavailable(error: &'static str, description: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error, description).with(header::RETRY_AFTER, "1")
    }

    /// Something that would have been needed has no time now: 503, the same from every endpoint. The log has the cause.
    #[must_use]
    pub fn busy(cause: impl std::fmt::Display) -> Self {
        let words = "This cannot be answered at the moment; try again.";
        Self::unavailable("temporarily_unavailable", words).caused_by(cause)
    }

    /// Something is broken inside: 500. The log has the cause.
    #[must_use]
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let words = "Something is broken here; the operator finds it in the log by the request's id.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", words).caused_by(cause)
    }

    /// Too many wrong credentials: 429.
    #[must_use]
    pub fn throttled(exceeded: &Exceeded) -> Self {
        Self::exceeded("Too many wrong credentials came from this address; try again later.", exceeded)
    }

    /// Too much for now: 429, to be tried again after `wait`.
    #[must_use]
    pub fn rate_limited(description: impl Into<String>, wait: Duration) -> Self {
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", description);
        refusal.with(header::RETRY_AFTER, &whole_seconds(wait).to_string())
    }

    /// The same with the limit that has no room, as `RateLimit` fields (draft-ietf-httpapi-ratelimit-headers-10).
    #[must_use]
    pub fn exceeded(description: impl Into<String>, exceeded: &Exceeded) -> Self {
        let Exceeded { limit, most, within, wait } = exceeded;
        Self::rate_limited(description, *wait)
            .with(RATE_LIMIT, &format!(r#""{limit}";r=0;t={}"#, whole_seconds(*wait)))
            .with(RATE_LIMIT_POLICY, &policy(limit, *most, *within))
    }

    /// Adds what went wrong inside, for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// The JSON body.
    #[must_use]
    pub fn body(&self, request_id: Option<&str>) -> Bytes {
        // A caller's own text may be quoted in a description; a secret in it is not given back.
        let description = mask_secrets(&self.description);
        let body = Body {
            error: self.error,
            error_description: &description,
            request_id,
            errors: [HttpError { httpcode: self.status.as_u16(), message: &description }],
        };
        serde_json::to_vec(&body).unwrap_or_default().into()
    }
}

/// The `RateLimit` fields of an answer to what a limit had room for (draft-ietf-httpapi-ratelimit-headers-10).
#[must_use]
pub fn room_fields(room: &Room) -> [(HeaderName, String); 2] {
    let Room { limit, most, within, left } = room;
    [(RATE_LIMIT, format!(r#""{limit}";r={left}"#)), (RATE_LIMIT_POLICY, policy(limit, *most, *within))]
}

/// The value of `RateLimit-Policy`.
fn policy(limit: &str, most: u32, within: Duration) -> String {
    format!(r#""{limit}";q={most};w={}"#, whole_seconds(within))
}

/// Rounded up, and never none at all.
fn whole_seconds(time: Duration) -> u64 {
    let begun = u64::from(time.subsec_nanos() > 0);
    time.as_secs().saturating_add(begun).max(1)
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_body_serves_both_kinds_of_client_and_holds_no_secret() {
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, "invalid_request", "no prt_at_secret here");
        let body: serde_json::Value = serde_json::from_slice(&refusal.body(Some("r1"))).unwrap();
        let expected = serde_json::json!({
            "error": "invalid_request",
            "error_description": "no prt_*** here",
            "request_id": "r1",
            "errors": [{"httpcode": 400, "message": "no prt_*** here"}],
        });
        assert_eq!(body, expected);
    }
    #[test]
    fn what_was_too_much_says_when_to_come_back() {
        let (within, wait) = (Duration::from_mins(2), Duration::from_millis(5001));
        let exceeded = Exceeded { limit: "some", most: 20, within, wait };
        let headers = Refusal::exceeded("Later.", &exceeded).headers;
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let expected =
            [("retry-after", "6"), ("ratelimit", r#""some";r=0;t=6"#), ("ratelimit-policy", r#""some";q=20;w=120"#)];
        assert_eq!(headers, expected);
        let room = room_fields(&Room { limit: "some", most: 20, within, left: 7 });
        let fields = room.map(|(name, value)| format!("{name}: {value}"));
        assert_eq!(fields, [r#"ratelimit: "some";r=7"#, r#"ratelimit-policy: "some";q=20;w=120"#]);
        let now = Refusal::rate_limited("Now.", Duration::ZERO);
        assert_eq!((now.status.as_u16(), now.error), (429, "rate_limited"));
        assert_eq!(now.headers, [(header::RETRY_AFTER, HeaderValue::from_static("1"))]);
    }
}
