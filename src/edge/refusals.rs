//! The refusals that the edge itself gives; the guard's are in [`crate::guard::Denial`].

use http::{Method, StatusCode, header};

use super::ServerSettings;
use crate::{policy::MethodSet, web::Refusal};

/// A request that could be understood in two ways, or in none.
pub(super) fn bad_request(description: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "invalid_request", description)
}

/// A method that nobody allows.
pub(super) fn unknown_method(methods: &[Method]) -> Refusal {
    let allowed = MethodSet::new(methods.iter().cloned()).to_string();
    let words = "This server allows other methods only.";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", words).with(header::ALLOW, &allowed)
}

/// A body that does not come in time.
pub(super) fn slow_body() -> Refusal {
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "The request's body did not come in time.")
}

/// A body beyond the limit.
pub(super) fn large_body(limit: u64) -> Refusal {
    let words = format!("The request's body is larger than {limit} bytes.");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "content_too_large", words)
}

/// A target beyond the limit.
pub(super) fn long_target(settings: &ServerSettings) -> Refusal {
    let words = format!("The request target is longer than {} bytes.", settings.max_target_bytes);
    Refusal::new(StatusCode::URI_TOO_LONG, "uri_too_long", words)
}

/// An `Expect` other than the one that there is (RFC 9110 section 10.1.1).
pub(super) fn unknown_expectation() -> Refusal {
    let words = "The only expectation that can be met is `100-continue`.";
    Refusal::new(StatusCode::EXPECTATION_FAILED, "expectation_failed", words)
}

/// Header fields beyond the limits.
pub(super) fn large_head(settings: &ServerSettings) -> Refusal {
    let ServerSettings { max_headers, max_header_bytes, .. } = settings;
    let words =
        format!("The request has more than {max_headers} header fields, or more than {max_header_bytes} bytes.");
    Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "request_header_fields_too_large", words)
}

/// A stream of HTTP/2 beside others, when all places are taken.
pub(super) fn no_place() -> Refusal {
    let words = "Too many requests are being served; this one was not looked at.";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", words).with(header::RETRY_AFTER, "1")
}

/// Something of ours broke.
pub(super) fn internal() -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "Something went wrong here; the log tells what.")
}

/// An upstream that does not answer, or not in words that can be passed on. No server is named.
pub(super) fn bad_gateway() -> Refusal {
    let words = "The service behind this server did not answer in a way that can be passed on.";
    Refusal::new(StatusCode::BAD_GATEWAY, "bad_gateway", words)
}

/// An upstream that does not answer in time. No server is named.
pub(super) fn gateway_timeout() -> Refusal {
    let words = "The service behind this server did not answer in time.";
    Refusal::new(StatusCode::GATEWAY_TIMEOUT, "gateway_timeout", words)
}
