//! Denials, and the only place where they become responses (RFC 6750 section 3, RFC 9728 section 5.1).

use std::sync::Arc;

use http::{StatusCode, header};

use crate::{
    cache::Fresh,
    model::{Exceeded, ScopeSet},
    policy::{MethodSet, Rule, UpstreamPolicy},
    tokens::Grant,
    web::{Refusal, well_known_url},
};

/// Why a request may not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// The path could be read in more than one way.
    AmbiguousPath,
    /// More than one credential, or one in the query.
    Credentials(&'static str),
    /// No upstream or no rule for this host and path.
    NotFound,
    /// The path's rules list other methods.
    MethodNotAllowed(MethodSet),
    /// No bearer token.
    MissingToken,
    /// A token that is unknown, expired, revoked or for another audience.
    InvalidToken,
    /// A token without the scopes that the rule asks for.
    InsufficientScope(ScopeSet),
    /// A token whose owner this upstream does not serve.
    AccessDenied,
    /// Its caller has come more often than it may.
    RateLimited(Exceeded),
    /// The store did not say whether the token is good.
    Unavailable,
}

/// A denial with what was known of the request by then, for the log and the metrics.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Why.
    pub denial: Denial,
    /// The upstream, if one was found.
    pub upstream: Option<Arc<UpstreamPolicy>>,
    /// The rule, if one was found; of a path whose rules list other methods, one of these.
    pub rule: Option<Arc<Rule>>,
    /// What the token grants, if it was a living one.
    pub grant: Option<Arc<Fresh<Grant>>>,
}

impl Denial {
    /// The `error` code, also the `reason` of logs and metrics.
    #[must_use]
    pub const fn error(&self) -> &'static str {
        match self {
            Self::AmbiguousPath | Self::Credentials(_) => "invalid_request",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::MissingToken => "missing_token",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope(_) => "insufficient_scope",
            Self::AccessDenied => "access_denied",
            Self::RateLimited(_) => "rate_limited",
            Self::Unavailable => "unavailable",
        }
    }

    /// The response, whose challenge names the metadata under `public_url`.
    #[must_use]
    pub fn refusal(&self, public_url: &str) -> Refusal {
        let (status, description) = self.words();
        let refusal = Refusal::new(status, self.error(), description);
        match self {
            Self::RateLimited(exceeded) => Refusal::exceeded(description, exceeded),
            Self::MethodNotAllowed(methods) => refusal.with(header::ALLOW, &methods.to_string()),
            Self::Unavailable => refusal.with(header::RETRY_AFTER, "1"),
            // RFC 6750 section 3: a request that lacks any credential is told of no error; and there is none for a
            // token of the wrong owner.
            Self::MissingToken | Self::AccessDenied => challenged(refusal, public_url, ""),
            Self::Credentials(_) | Self::InvalidToken => {
                let error = format!(r#", error="{}", error_description="{description}""#, self.error());
                challenged(refusal, public_url, &error)
            }
            Self::InsufficientScope(scopes) => {
                let error =
                    format!(r#", error="{}", error_description="{description}", scope="{scopes}""#, self.error());
                challenged(refusal, public_url, &error)
            }
            Self::AmbiguousPath | Self::NotFound => refusal,
        }
    }

    const fn words(&self) -> (StatusCode, &'static str) {
        match self {
            Self::AmbiguousPath => (
                StatusCode::BAD_REQUEST,
                "The path can be read in more than one way: encoded slashes or delimiters, empty segments, parameters \
                 and segments that end in a dot or a blank are refused here.",
            ),
            Self::Credentials(words) => (StatusCode::BAD_REQUEST, words),
            Self::NotFound => (StatusCode::NOT_FOUND, "Nothing is published at this host and path."),
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "This path allows other methods only."),
            Self::MissingToken => {
                (StatusCode::UNAUTHORIZED, "An access token is needed: send `Authorization: Bearer <token>`.")
            }
            Self::InvalidToken => (
                StatusCode::UNAUTHORIZED,
                "The access token is unknown, expired, revoked or meant for another audience.",
            ),
            Self::InsufficientScope(_) => {
                (StatusCode::FORBIDDEN, "The access token lacks a scope that is needed here.")
            }
            Self::AccessDenied => {
                (StatusCode::FORBIDDEN, "The organisation that owns the access token is not served here.")
            }
            Self::RateLimited(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "More requests came than are allowed here; see the Retry-After header.")
            }
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "The access token cannot be checked at the moment; try again.")
            }
        }
    }
}

fn challenged(refusal: Refusal, public_url: &str, error: &str) -> Refusal {
    let metadata = well_known_url(public_url, "oauth-protected-resource");
    let challenge = format!(r#"Bearer realm="portcullis"{error}, resource_metadata="{metadata}""#);
    refusal.with(header::WWW_AUTHENTICATE, &challenge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(denial: &Denial) -> String {
        let refusal = denial.refusal("https://api.example.com");
        let found = refusal.headers.iter().find(|(name, _)| *name == header::WWW_AUTHENTICATE);
        found.map(|(_, value)| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    #[test]
    fn without_a_token_and_for_a_foreign_one_the_challenge_tells_no_error() {
        let bare = r#"Bearer realm="portcullis", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource""#;
        assert_eq!([challenge(&Denial::MissingToken), challenge(&Denial::AccessDenied)], [bare, bare]);
    }

    #[test]
    fn a_lacking_scope_is_named() {
        let challenge = challenge(&Denial::InsufficientScope("b a".parse().unwrap()));
        assert!(challenge.contains(r#"error="insufficient_scope""#) && challenge.contains(r#"scope="a b""#));
    }

    #[test]
    fn an_unknown_path_gets_no_challenge() {
        assert_eq!(challenge(&Denial::NotFound), "");
    }

    #[test]
    fn a_405_lists_the_methods() {
        let methods = MethodSet::new([http::Method::GET, http::Method::DELETE]);
        let refusal = Denial::MethodNotAllowed(methods).refusal("");
        assert_eq!(refusal.headers, [(header::ALLOW, http::HeaderValue::from_static("DELETE, GET, HEAD"))]);
    }
}
