//! Floor 1, HTTP as all faces speak it: the one form of every refusal, and what our own endpoints have in common.
//!
//! A refusal's body is `{"error","error_description","request_id","errors":[{"httpcode","message"}]}`: the members of
//! RFC 6749 section 5.2 for programs of the standard, `errors` for programs of the hosted service, the request's id for
//! people.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::mask_secrets;

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
}
